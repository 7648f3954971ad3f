"""Waivers of cdk-nag's findings: on the construct, at most one per rule, each with its reason."""

from typing import Any

from aws_cdk import Acknowledgment, Stack, Validations
from aws_cdk import aws_s3 as s3
from constructs import IConstruct


def waive(construct: IConstruct, rule: str, reason: str, *, finding: str | None = None) -> None:
    """Accepts a finding on one construct.

    Args:
        construct: what the finding is about; constructs below it are covered too.
        rule: the rule without its pack, such as `SQS3`.
        reason: one sentence that would convince a reviewer.
        finding: which finding, for rules that report several (`Resource::…`).
    """
    rule_id = f"AwsSolutions-{rule}" if finding is None else f"AwsSolutions-{rule}[{finding}]"
    Validations.of(construct).acknowledge(Acknowledgment(id=rule_id, reason=reason))


def finding(construct: IConstruct, arn: str) -> str:
    """How cdk-nag reports an ARN of the construct's own stack: what is known at deployment only stands as `<name>`."""
    return _written(Stack.of(construct).resolve(arn))


def imported(bucket: s3.IBucket) -> str:
    """How cdk-nag reports a bucket of another stack: by the export that its ARN comes through."""
    owner = Stack.of(bucket)
    resolved = owner.resolve(owner.export_value(bucket.bucket_arn))
    return str(resolved["Fn::ImportValue"])


def _written(value: Any) -> str:
    match value:
        case {"Fn::Join": [str(between), list(parts)]}:
            return between.join(_written(part) for part in parts)
        case {"Ref": str(name)}:
            return f"<{name}>"
        case {"Fn::GetAtt": [str(name), str(attribute)]}:
            return f"<{name}.{attribute}>"
    return str(value)
