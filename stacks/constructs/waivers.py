"""Waivers of cdk-nag's findings: on the construct, at most one per rule, each with its reason."""

from aws_cdk import Acknowledgment, Validations
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
