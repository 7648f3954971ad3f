"""A call that a service makes, who makes it, and the use of a key that it needs."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.iam.deployment import ACCOUNT, REGION, Deployment, Resource
from tests.support.iam.policy import Caller, Request

AT = f"{REGION}:{ACCOUNT}"
STRANGER = "999988887777"


class UnknownRelationError(Exception):
    """Something in a template makes a service call another in a way that is not described here."""


@dataclass(frozen=True)
class Use:
    """A call that must be allowed, and the resource that makes it happen.

    Attributes:
        because: the resource, and what it does.
        names_source: whether the request names the resource that the service calls for; a grant can be limited by that.
    """

    request: Request
    because: str
    names_source: bool = False

    @property
    def of_a_stranger(self) -> Request:
        """The same call by the same service, for a resource of somebody else's account."""
        keys = {
            key: value.replace(ACCOUNT, STRANGER) if key.startswith("aws:Source") else value
            for key, value in self.request.keys.items()
        }
        return replace(self.request, keys=keys)


@dataclass(frozen=True)
class As:
    """Who calls: a role, or a service in its own name for a resource of its own (`source`, an ARN)."""

    name: str
    because: str
    source: str = ""
    more: Mapping[str, Any] = field(default_factory=dict)

    def does(self, action: str, on: str, **keys: Any) -> Use:
        """The call of an action on a resource, with further keys."""
        source = {"aws:SourceArn": self.source, "aws:SourceAccount": ACCOUNT} if self.source else {}
        request = Request(Caller(self.name), action, on, {**source, **self.more, **keys})
        return Use(request, self.because, names_source=bool(self.source))


def unknown(resource: Resource, what: str) -> UnknownRelationError:
    """The error for something that a resource names and that is not described."""
    return UnknownRelationError(
        f"{resource.id} ({resource.kind}) names {what}: describe the call that follows from it in "
        "tests/support/iam"
    )


def service(arn: str) -> str:
    """The service that an ARN is of; empty for what is none."""
    return arn.split(":")[2] if arn.startswith("arn:") else ""


def service_of(action: str) -> str:
    """The service that an action is of."""
    return action.partition(":")[0]


# What a caller needs of the key when it reads from a service or writes to it.
_KEY_ACTIONS: Mapping[tuple[str, str], tuple[str, ...]] = {
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#sns-what-permissions-for-sse
    ("sns", "write"): ("kms:Decrypt", "kms:GenerateDataKey"),
    # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-key-management.html
    ("sqs", "write"): ("kms:Decrypt", "kms:GenerateDataKey"),
    ("sqs", "read"): ("kms:Decrypt",),
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingKMSEncryption.html (Decrypt: uploads in parts)
    ("s3", "write"): ("kms:Decrypt", "kms:GenerateDataKey"),
    ("s3", "read"): ("kms:Decrypt",),
    # https://docs.aws.amazon.com/streams/latest/dev/permissions-user-key-KMS.html
    ("kinesis", "write"): ("kms:GenerateDataKey",),
    ("kinesis", "read"): ("kms:Decrypt",),
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
    ("dynamodb", "write"): ("kms:Decrypt",),
    ("dynamodb", "read"): ("kms:Decrypt",),
}


def with_key(deployment: Deployment, caller: As, how: str, arn: str) -> Iterator[Use]:
    """The use of its key that reading from or writing to a resource needs."""
    store = service(arn)
    owner = re.sub(r"(:table/[^/]+|:stream/[^/]+|:::[^/]+)/.*", r"\1", arn)
    key = deployment.key_of(owner)
    if key is None:
        return
    # The use of a topic's key by EventBridge does not name the rule, so such a grant cannot be limited: it needs a role.
    # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html#compatibility-with-aws-services
    if caller.name == "events.amazonaws.com":
        caller = replace(caller, source="")
    for action in _KEY_ACTIONS[store, how]:
        via = {"kms:ViaService": f"{store}.{REGION}.amazonaws.com"}
        yield caller.does(action, key, **via)


# By the service of its ARN: what sends something to a target calls.
_SENDS = {
    "sqs": "sqs:SendMessage",
    "sns": "sns:Publish",
    "lambda": "lambda:InvokeFunction",
    "states": "states:StartExecution",
    "events": "events:PutEvents",
    "kinesis": "kinesis:PutRecord",
    "firehose": "firehose:PutRecord",
}
# EventBridge calls these only in a role.
NEEDS_ROLE = {"states", "events", "kinesis", "firehose"}


def send(deployment: Deployment, caller: As, resource: Resource, target: str) -> Iterator[Use]:
    """The call that sends something to a target that a resource names, and the use of the target's key.

    Raises:
        UnknownRelationError: how something is sent to a target of this service is not described.
    """
    action = _SENDS.get(service(target))
    if action is None:
        raise unknown(resource, f"the target {target}")
    yield caller.does(action, target)
    if service(target) in ("sqs", "sns", "kinesis"):
        yield from with_key(deployment, caller, "write", target)


def assumed(role: str, by: str, because: str, source: str = "") -> Use:
    """A service takes on a role."""
    return As(by, because, source).does("sts:AssumeRole", role)
