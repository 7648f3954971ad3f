"""The calls that follow from resources, on small templates with one mistake each."""

from typing import Any

import pytest

from tests.support.iam.calls import UnknownRelationError, Use
from tests.support.iam.deployment import ACCOUNT, REGION, Deployment
from tests.support.iam.relations import uses
from tests.support.templates import Templates

OURS = {"ArnLike": {"aws:SourceArn": f"arn:aws:cloudwatch:{REGION}:{ACCOUNT}:alarm:*"}}
KEY_ACTIONS = ["kms:Decrypt", "kms:GenerateDataKey"]


def deployed(**resources: tuple[str, dict[str, Any]]) -> Deployment:
    stack = {name: {"Type": kind, "Properties": properties} for name, (kind, properties) in resources.items()}
    return Deployment(Templates("dev", {"one": {"Resources": stack}}))


def refused(deployment: Deployment) -> set[tuple[str, str]]:
    return {
        (use.request.caller.name.rsplit("/", 1)[-1], use.request.action)
        for use in uses(deployment)
        if not deployment.account.allows(use.request)
    }


def open_to_strangers(deployment: Deployment) -> set[tuple[str, str]]:
    return {
        (use.request.caller.name, use.request.action)
        for use in uses(deployment)
        if use.request.caller.is_service and deployment.account.allows(use.of_a_stranger)
    }


def att(name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [name, "Arn"]}


def statement(service: str, *actions: str, on: Any = "*", **condition: Any) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": list(actions),
        "Resource": on,
        **({"Condition": condition} if condition else {}),
    }


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


def topic_policy(*statements: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    return (
        "AWS::SNS::TopicPolicy",
        {"Topics": [{"Ref": "Topic"}], "PolicyDocument": document(*statements)},
    )


def role(name: str, service: str, *allowed: tuple[Any, Any]) -> dict[str, tuple[str, dict[str, Any]]]:
    trust = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    rights = [{"Effect": "Allow", "Action": action, "Resource": on} for action, on in allowed]
    inline = [{"PolicyName": "p", "PolicyDocument": document(*rights)}] if rights else []
    return {name: ("AWS::IAM::Role", {"AssumeRolePolicyDocument": document(trust), "Policies": inline})}


ALARM = ("AWS::CloudWatch::Alarm", {"AlarmActions": [{"Ref": "Topic"}]})
TLS = {
    "Effect": "Deny",
    "Principal": "*",
    "Action": "sns:Publish",
    "Resource": {"Ref": "Topic"},
    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
}
ROOT_ARN = {
    "Fn::Join": ["", ["arn:", {"Ref": "AWS::Partition"}, ":iam::", {"Ref": "AWS::AccountId"}, ":root"]]
}
ROOT = {"Effect": "Allow", "Principal": {"AWS": ROOT_ARN}, "Action": "kms:*", "Resource": "*"}


def test_a_policy_of_a_topic_s_own_takes_the_place_of_the_one_that_lets_alarms_publish() -> None:
    topic: tuple[str, dict[str, Any]] = ("AWS::SNS::Topic", {})
    publish = statement("cloudwatch.amazonaws.com", "sns:Publish", **OURS)
    assert refused(deployed(Topic=topic, Alarm=ALARM)) == set()
    silent = deployed(Topic=topic, Alarm=ALARM, Policy=topic_policy(TLS))
    assert refused(silent) == {("cloudwatch.amazonaws.com", "sns:Publish")}
    mended = deployed(Topic=topic, Alarm=ALARM, Policy=topic_policy(TLS, publish))
    assert refused(mended) == set()
    assert open_to_strangers(mended) == set()
    anyone = deployed(
        Topic=topic, Alarm=ALARM, Policy=topic_policy(statement("cloudwatch.amazonaws.com", "sns:Publish"))
    )
    assert open_to_strangers(anyone) == {("cloudwatch.amazonaws.com", "sns:Publish")}


def test_an_encrypted_topic_s_key_is_part_of_it() -> None:
    topic = ("AWS::SNS::Topic", {"KmsMasterKeyId": att("Key")})
    alarms = statement("cloudwatch.amazonaws.com", *KEY_ACTIONS, **OURS)
    without = deployed(Topic=topic, Alarm=ALARM, Key=("AWS::KMS::Key", {"KeyPolicy": document(ROOT)}))
    assert refused(without) == {("cloudwatch.amazonaws.com", action) for action in KEY_ACTIONS}
    key = ("AWS::KMS::Key", {"KeyPolicy": document(ROOT, alarms)})
    assert refused(deployed(Topic=topic, Alarm=ALARM, Key=key)) == set()


def test_eventbridge_does_not_name_its_rule_to_a_topic_s_key_but_a_role_can_be_limited() -> None:
    events = "events.amazonaws.com"
    topic = ("AWS::SNS::Topic", {"KmsMasterKeyId": att("Key")})
    target: dict[str, Any] = {"Id": "0", "Arn": {"Ref": "Topic"}}
    limited = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
    key = ("AWS::KMS::Key", {"KeyPolicy": document(ROOT, statement(events, *KEY_ACTIONS, **limited))})
    policy = topic_policy(statement(events, "sns:Publish", **limited))
    rule = ("AWS::Events::Rule", {"Targets": [target]})
    assert refused(deployed(Topic=topic, Key=key, Policy=policy, Rule=rule)) == {
        (events, action) for action in KEY_ACTIONS
    }
    named = ("AWS::Events::Rule", {"Targets": [{**target, "RoleArn": att("Role")}]})
    rights = role("Role", events, ("sns:Publish", {"Ref": "Topic"}), ("kms:*", att("Key")))
    owned = ("AWS::KMS::Key", {"KeyPolicy": document(ROOT)})
    assert refused(deployed(Topic=topic, Key=owned, Rule=named, **rights)) == set()


def test_a_rule_s_queue_and_its_dead_letters() -> None:
    queue: tuple[str, dict[str, Any]] = ("AWS::SQS::Queue", {})
    rule = (
        "AWS::Events::Rule",
        {
            "EventBusName": "bus",
            "Targets": [{"Id": "0", "Arn": att("Queue"), "DeadLetterConfig": {"Arn": att("Dead")}}],
        },
    )
    allowed = statement(
        "events.amazonaws.com", "sqs:SendMessage", on=att("Queue"), ArnEquals={"aws:SourceArn": att("Rule")}
    )
    policy = ("AWS::SQS::QueuePolicy", {"Queues": [{"Ref": "Queue"}], "PolicyDocument": document(allowed)})
    half = deployed(Queue=queue, Dead=queue, Rule=rule, Policy=policy)
    (use,) = (use for use in uses(half) if not half.account.allows(use.request))
    assert use.request.resource.endswith(":one-Dead")
    assert "gives an event up" in use.because


def test_a_mapping_lists_streams_and_puts_what_it_gives_up() -> None:
    reads = ["DescribeStream", "DescribeStreamSummary", "GetRecords", "GetShardIterator", "ListShards"]
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "Stream": ("AWS::Kinesis::Stream", {}),
        "Lake": ("AWS::S3::Bucket", {}),
        "Function": ("AWS::Lambda::Function", {"Role": att("Role")}),
        "Mapping": (
            "AWS::Lambda::EventSourceMapping",
            {
                "FunctionName": {"Ref": "Function"},
                "EventSourceArn": att("Stream"),
                "DestinationConfig": {"OnFailure": {"Destination": att("Lake")}},
            },
        ),
    }
    rights = role(
        "Role",
        "lambda.amazonaws.com",
        ([f"kinesis:{action}" for action in reads], att("Stream")),
        ("logs:*", "*"),
    )
    assert refused(deployed(**made, **rights)) == {
        ("one-Role", "kinesis:ListStreams"),
        ("one-Role", "s3:ListBucket"),
        ("one-Role", "s3:PutObject"),
    }


def test_whoever_reads_objects_may_learn_that_one_is_missing() -> None:
    raw = {"Fn::Join": ["", [att("Lake"), "/raw/*"]]}
    made: dict[str, tuple[str, dict[str, Any]]] = {"Lake": ("AWS::S3::Bucket", {})}
    reads = role("Role", "lambda.amazonaws.com", ("s3:GetObject", raw))
    assert refused(deployed(**made, **reads)) == {("one-Role", "s3:ListBucket")}
    lists = role("Role", "lambda.amazonaws.com", ("s3:GetObject", raw), ("s3:ListBucket", att("Lake")))
    assert refused(deployed(**made, **lists)) == set()


def test_rights_on_what_is_encrypted_imply_its_key() -> None:
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "Key": ("AWS::KMS::Key", {"KeyPolicy": document(ROOT)}),
        "Table": ("AWS::DynamoDB::Table", {"SSESpecification": {"KMSMasterKeyId": att("Key")}}),
    }
    without = role("Role", "lambda.amazonaws.com", ("dynamodb:GetItem", att("Table")))
    assert refused(deployed(**made, **without)) == {("one-Role", "kms:Decrypt")}


def test_a_machine_calls_what_its_tasks_name_and_a_distributed_map_itself() -> None:
    definition = """{"StartAt": "Map", "States": {"Map": {"Type": "Map", "End": true,
      "ItemReader": {"Resource": "arn:aws:states:::s3:getObject",
        "Arguments": {"Bucket": "${Lake}", "Key": "{% 'runs/' & $states.input.run %}"}},
      "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "StartAt": "Call", "States": {
        "Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
          "Arguments": {"FunctionName": "${Worker}"}}}}}}}"""
    made: dict[str, tuple[str, dict[str, Any]]] = {
        "Lake": ("AWS::S3::Bucket", {}),
        "Worker": ("AWS::Lambda::Function", {"Role": att("WorkerRole")}),
        "Machine": (
            "AWS::StepFunctions::StateMachine",
            {
                "RoleArn": att("Role"),
                "DefinitionString": definition,
                "DefinitionSubstitutions": {"Lake": {"Ref": "Lake"}, "Worker": att("Worker")},
            },
        ),
        **role("WorkerRole", "lambda.amazonaws.com", ("logs:*", "*")),
    }
    files = {"Fn::Join": ["", [att("Lake"), "/runs/*"]]}
    missing = {("one-Role", f"states:{verb}Execution") for verb in ("Start", "Describe", "Stop")}
    rights = [
        ("lambda:InvokeFunction", att("Worker")),
        ("s3:GetObject", files),
        ("s3:ListBucket", att("Lake")),
    ]
    assert refused(deployed(**made, **role("Role", "states.amazonaws.com", *rights))) == missing
    assert ("one-Role", "s3:GetObject") in refused(deployed(**made, **role("Role", "states.amazonaws.com")))


@pytest.mark.parametrize(
    ("kind", "properties", "words"),
    [
        ("AWS::Pipes::Pipe", {}, "one/It is an AWS::Pipes::Pipe: describe"),
        (
            "AWS::CloudWatch::Alarm",
            {"AlarmActions": ["arn:aws:ssm:eu-west-1:1:opsitem:1"]},
            "the action arn:aws:ssm",
        ),
        (
            "AWS::Events::Rule",
            {"Targets": [{"Arn": "arn:aws:batch:eu-west-1:1:job"}]},
            "the target arn:aws:batch",
        ),
        ("AWS::Events::Rule", {"Targets": [{"Arn": "arn:aws:states:eu-west-1:1:m"}]}, "without a role"),
        ("AWS::SNS::Subscription", {"Protocol": "firehose", "TopicArn": "t"}, "the protocol firehose"),
        ("AWS::S3::Bucket", {"ReplicationConfiguration": {"Role": "r"}}, "ReplicationConfiguration"),
        (
            "AWS::StepFunctions::StateMachine",
            {
                "RoleArn": "arn:aws:iam::1:role/r",
                "DefinitionString": '{"States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::batch:submitJob"}}}',
            },
            "the task arn:aws:states:::batch:submitJob",
        ),
    ],
)
def test_a_relation_that_is_not_described_fails_with_a_sentence(
    kind: str, properties: dict[str, Any], words: str
) -> None:
    with pytest.raises(UnknownRelationError, match=words):
        list[Use](uses(deployed(It=(kind, properties))))


def test_people_and_addresses_need_no_right() -> None:
    topic: tuple[str, dict[str, Any]] = ("AWS::SNS::Topic", {})
    email = {"Protocol": "email", "Endpoint": "oncall@example.com", "TopicArn": {"Ref": "Topic"}}
    assert refused(deployed(Topic=topic, Mail=("AWS::SNS::Subscription", email))) == set()
    queue = {"Protocol": "sqs", "Endpoint": att("Queue"), "TopicArn": {"Ref": "Topic"}}
    fed = deployed(Topic=topic, Queue=("AWS::SQS::Queue", {}), Feed=("AWS::SNS::Subscription", queue))
    assert refused(fed) == {("sns.amazonaws.com", "sqs:SendMessage")}
