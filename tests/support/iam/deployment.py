"""The templates of an environment as if they were deployed to one account: ARNs instead of references, policies by owner."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tests.support.iam.evaluation import Account
from tests.support.iam.policy import Document
from tests.support.templates import Templates

ACCOUNT, REGION = "111122223333", "eu-west-1"
_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
# How a resource's ARN goes on behind `arn:aws:`; {name} is its physical name.
_ARNS: Mapping[str, str] = {
    "AWS::CloudWatch::Alarm": "cloudwatch:{at}:alarm:{name}",
    "AWS::CloudWatch::CompositeAlarm": "cloudwatch:{at}:alarm:{name}",
    "AWS::DynamoDB::Table": "dynamodb:{at}:table/{name}",
    "AWS::Events::EventBus": "events:{at}:event-bus/{name}",
    "AWS::Events::Rule": "events:{at}:rule/{name}",
    "AWS::IAM::Role": "iam::{account}:role/{name}",
    "AWS::KMS::Key": "kms:{at}:key/{name}",
    "AWS::Kinesis::Stream": "kinesis:{at}:stream/{name}",
    "AWS::Lambda::Function": "lambda:{at}:function:{name}",
    "AWS::Logs::LogGroup": "logs:{at}:log-group:{name}:*",
    "AWS::S3::Bucket": "s3:::{name}",
    "AWS::SNS::Topic": "sns:{at}:{name}",
    "AWS::SQS::Queue": "sqs:{at}:{name}",
    "AWS::Scheduler::Schedule": "scheduler:{at}:schedule/default/{name}",
    "AWS::StepFunctions::StateMachine": "states:{at}:stateMachine:{name}",
}
_REF_IS_ARN = {"AWS::SNS::Topic", "AWS::StepFunctions::StateMachine"}
_ARN_ATTRIBUTES = {"Arn", "TopicArn"}
_NAMED_BY = ("Name", "EventBusName", "QueueName", "TopicName", "BucketName", "LogGroupName", "RoleName")
# AWS's managed policies that a role may attach, as published; another one has to be added here.
_MANAGED: Mapping[str, Document] = {
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AWSLambdaBasicExecutionRole.html
    "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole": {
        "Statement": {
            "Effect": "Allow",
            "Action": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
            "Resource": "*",
        }
    },
}
# Roles that AWS makes for a service, with what they may do.
KINESIS_REPLICATION = (
    f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/kinesisreplication.dynamodb.amazonaws.com/"
    "AWSServiceRoleForDynamoDBKinesisDataStreamsReplication"
)
_LINKED: Mapping[str, list[Document]] = {
    # https://docs.aws.amazon.com/aws-managed-policy/latest/reference/DynamoDBKinesisReplicationServiceRolePolicy.html
    KINESIS_REPLICATION: [
        {
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "kms:GenerateDataKey",
                    "Resource": "*",
                    "Condition": {"StringLike": {"kms:ViaService": "kinesis.*.amazonaws.com"}},
                },
                {
                    "Effect": "Allow",
                    "Action": ["kinesis:PutRecord", "kinesis:PutRecords", "kinesis:DescribeStream"],
                    "Resource": "*",
                },
            ]
        }
    ],
}


@dataclass(frozen=True)
class Resource:
    """A resource of a stack, with its properties as they are when it is deployed."""

    id: str
    kind: str
    properties: Mapping[str, Any]
    arn: str

    def get(self, *path: str) -> Any:
        """A property within properties; None where there is none."""
        value: Any = self.properties
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value


class Deployment:
    """Every resource of every stack of an environment, in one account."""

    def __init__(self, templates: Templates) -> None:
        """Resolves nothing yet."""
        self._stacks = templates.stacks
        self._exports = {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack, template in self._stacks.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }

    @cached_property
    def resources(self) -> list[Resource]:
        """All of them, resolved."""
        return [
            Resource(
                f"{stack}/{name}",
                resource["Type"],
                self._resolve(stack, resource.get("Properties", {})),
                self._arn(stack, name),
            )
            for stack, template in self._stacks.items()
            for name, resource in template["Resources"].items()
        ]

    @cached_property
    def by_arn(self) -> dict[str, Resource]:
        """Resources by their ARN."""
        return {one.arn: one for one in self.resources}

    def of(self, *kinds: str) -> Iterator[Resource]:
        """Resources of these types."""
        return (one for one in self.resources if one.kind in kinds)

    def arn_of(self, kind: str, reference: str) -> str:
        """The ARN of a resource that a property names by its ARN, its name or its URL."""
        if reference.startswith("arn:"):
            return reference
        return f"arn:aws:{_arn_of(kind, reference.rsplit('/', 1)[-1])}"

    def key_of(self, arn: str) -> str | None:
        """The ARN of the customer's key that a resource is encrypted with, if it has one of its own."""
        resource = self.by_arn.get(arn)
        key = None if resource is None else _key(resource)
        return None if key is None else self.arn_of("AWS::KMS::Key", key)

    @cached_property
    def account(self) -> Account:
        """The policies of all of it."""
        identities: dict[str, list[Document]] = {role: list(several) for role, several in _LINKED.items()}
        resources: dict[str, Document] = {}
        for one in self.resources:
            self._add(one, identities, resources)
        return Account(ACCOUNT, identities, resources)

    def _add(
        self, one: Resource, identities: dict[str, list[Document]], resources: dict[str, Document]
    ) -> None:
        get = one.properties.get
        match one.kind:
            case "AWS::IAM::Role":
                resources[one.arn] = get("AssumeRolePolicyDocument", {})
                inline = [policy["PolicyDocument"] for policy in get("Policies", ())]
                managed = [_MANAGED[arn] for arn in get("ManagedPolicyArns", ())]
                identities.setdefault(one.arn, []).extend([*inline, *managed])
            case "AWS::IAM::Policy" | "AWS::IAM::ManagedPolicy":
                for role in get("Roles", ()):
                    identities.setdefault(self.arn_of("AWS::IAM::Role", role), []).append(
                        get("PolicyDocument", {})
                    )
            case "AWS::KMS::Key":
                resources[one.arn] = get("KeyPolicy", {})
            case "AWS::SNS::Topic":
                resources.setdefault(one.arn, default_topic_policy(one.arn))
            case "AWS::SNS::TopicPolicy":
                for topic in get("Topics", ()):
                    resources[topic] = get("PolicyDocument", {})
            case "AWS::SQS::QueuePolicy":
                for queue in get("Queues", ()):
                    resources[self.arn_of("AWS::SQS::Queue", queue)] = get("PolicyDocument", {})
            case "AWS::S3::BucketPolicy":
                resources[self.arn_of("AWS::S3::Bucket", get("Bucket", ""))] = get("PolicyDocument", {})
            case "AWS::Lambda::Permission":
                function = self.arn_of("AWS::Lambda::Function", get("FunctionName", ""))
                before = list(resources.get(function, {"Statement": []})["Statement"])
                resources[function] = {"Statement": [*before, _permission(function, one.properties)]}

    def _resolve(self, stack: str, value: Any) -> Any:
        if isinstance(value, list):
            return [self._resolve(stack, one) for one in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, given),) = value.items()
            if name == "Ref":
                return self._ref(stack, given)
            if name.startswith("Fn::"):
                return self._function(stack, name, given)
        return {key: self._resolve(stack, one) for key, one in value.items()}

    def _function(self, stack: str, name: str, given: Any) -> Any:
        match name:
            case "Fn::GetAtt":
                return self._attribute(stack, *given)
            case "Fn::Join":
                return given[0].join(str(self._resolve(stack, part)) for part in given[1])
            case "Fn::Split":
                return self._resolve(stack, given[1]).split(given[0])
            case "Fn::Select":
                return self._resolve(stack, given[1])[int(given[0])]
            case "Fn::Sub" if isinstance(given, str):
                return re.sub(r"\$\{([^}!]+)\}", lambda match: self._substitute(stack, match[1]), given)
            case "Fn::GetAZs":
                return [f"{REGION}{zone}" for zone in "abcdef"]
            case "Fn::ImportValue":
                owner, exported = self._exports[given]
                return self._resolve(owner, exported)
            case "Fn::FindInMap":
                mapping, *path = (self._resolve(stack, one) for one in given)
                value = self._stacks[stack]["Mappings"][mapping]
                for key in path:
                    value = value[key]
                return value
        raise ValueError(f"{name} in {stack}: tests/support/iam/deployment.py does not resolve it yet")

    def _substitute(self, stack: str, name: str) -> str:
        owner, _, attribute = name.partition(".")
        return self._attribute(stack, owner, attribute) if attribute else self._ref(stack, owner)

    def _ref(self, stack: str, name: str) -> str:
        if name == "AWS::StackName":
            return stack
        if name == "AWS::StackId":
            return f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/{stack}/{stack}-id"
        if name in _PSEUDO:
            return _PSEUDO[name]
        if name not in self._stacks[stack]["Resources"]:
            return str(self._stacks[stack]["Parameters"][name]["Default"])
        kind = self._stacks[stack]["Resources"][name]["Type"]
        if kind in _REF_IS_ARN:
            return self._arn(stack, name)
        if kind == "AWS::SQS::Queue":
            return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{self._name(stack, name)}"
        return self._name(stack, name)

    def _attribute(self, stack: str, name: str, attribute: str) -> str:
        if attribute in _ARN_ATTRIBUTES:
            return self._arn(stack, name)
        match attribute:
            case "StreamArn":
                return f"{self._arn(stack, name)}/stream/2026-01-01T00:00:00.000"
            case "ConsumerARN":
                return f"{self._resolve(stack, self._stacks[stack]['Resources'][name])['Properties']['StreamARN']}/consumer/{name}:1"
            case "Name" | "QueueName" | "TopicName" | "KeyId":
                return self._name(stack, name)
        return f"{self._name(stack, name)}.{attribute}"

    def _arn(self, stack: str, name: str) -> str:
        resource = self._stacks[stack]["Resources"][name]
        kind, physical = resource["Type"], self._name(stack, name)
        if kind == "AWS::Events::Rule" and "EventBusName" in resource["Properties"]:
            physical = f"{self._resolve(stack, resource['Properties']['EventBusName'])}/{physical}"
        return f"arn:aws:{_arn_of(kind, physical)}"

    def _name(self, stack: str, name: str) -> str:
        resource = self._stacks[stack]["Resources"][name]
        if resource["Type"] != "AWS::Events::Rule":
            properties = resource.get("Properties", {})
            for given in _NAMED_BY:
                if given in properties:
                    return str(self._resolve(stack, properties[given]))
        physical = f"{stack}-{name}"
        return physical.lower() if resource["Type"] == "AWS::S3::Bucket" else physical


def default_topic_policy(topic: str) -> Document:
    """What a topic without a policy has: whoever acts for the topic's own account may publish.

    https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
    """
    return {
        "Statement": {
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": ["SNS:Publish", "SNS:Subscribe"],
            "Resource": topic,
            "Condition": {"StringEquals": {"AWS:SourceOwner": ACCOUNT}},
        }
    }


def _arn_of(kind: str, name: str) -> str:
    template = _ARNS.get(kind, f"{kind.split('::')[1].lower()}:{{at}}:{{name}}")
    return template.format(at=f"{REGION}:{ACCOUNT}", account=ACCOUNT, name=name)


def _permission(function: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """A statement of a function's policy, as AddPermission makes it."""
    conditions: dict[str, Any] = {}
    if "SourceArn" in properties:
        conditions["ArnLike"] = {"AWS:SourceArn": properties["SourceArn"]}
    if "SourceAccount" in properties:
        conditions["StringEquals"] = {"AWS:SourceAccount": properties["SourceAccount"]}
    principal = properties["Principal"]
    return {
        "Effect": "Allow",
        "Principal": {"Service" if principal.endswith("amazonaws.com") else "AWS": principal},
        "Action": properties["Action"],
        "Resource": function,
        "Condition": conditions,
    }


def _key(resource: Resource) -> str | None:
    match resource.kind:
        case "AWS::SNS::Topic" | "AWS::SQS::Queue":
            key = resource.get("KmsMasterKeyId")
        case "AWS::Kinesis::Stream":
            key = resource.get("StreamEncryption", "KeyId")
        case "AWS::DynamoDB::Table":
            key = resource.get("SSESpecification", "KMSMasterKeyId")
        case "AWS::S3::Bucket":
            rules = resource.get("BucketEncryption", "ServerSideEncryptionConfiguration") or [{}]
            key = rules[0].get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")
        case "AWS::Lambda::Function" | "AWS::Logs::LogGroup":
            key = resource.get("KmsKeyArn") or resource.get("KmsKeyId")
        case "AWS::Events::EventBus":
            key = resource.get("KmsKeyIdentifier")
        case _:
            return None
    # Of the keys of AWS itself nobody needs a right.
    return None if key is None or key.startswith("alias/aws/") else str(key)
