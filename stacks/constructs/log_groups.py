"""Log groups with the environment's retention."""

from aws_cdk import Aws, Fn, RemovalPolicy, Stack
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.settings import EnvironmentSettings

_RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    14: logs.RetentionDays.TWO_WEEKS,
    30: logs.RetentionDays.ONE_MONTH,
    60: logs.RetentionDays.TWO_MONTHS,
    90: logs.RetentionDays.THREE_MONTHS,
    180: logs.RetentionDays.SIX_MONTHS,
    365: logs.RetentionDays.ONE_YEAR,
    731: logs.RetentionDays.TWO_YEARS,
}


def log_group(
    scope: Construct, construct_id: str, *, settings: EnvironmentSettings, delivered: str | None = None
) -> logs.LogGroup:
    """A log group with the environment's retention; it outlives its stack where state is retained.

    Args:
        scope: what is logged.
        construct_id: its name there.
        settings: the environment's.
        delivered: a name, where a service delivers the log: all such groups are named in one policy of the AWS account, which
            has no room for many unless they are below `/aws/vendedlogs/`.
            https://docs.aws.amazon.com/step-functions/latest/dg/bp-cwl.html
    """
    return logs.LogGroup(
        scope,
        construct_id,
        log_group_name=None if delivered is None else _delivered(scope, delivered),
        retention=_RETENTION[settings.log_retention_days],
        removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
    )


def _delivered(scope: Construct, name: str) -> str:
    # With the stack's own id: a group that outlived a stack must not be in the way of the next one.
    unique = Fn.select(2, Fn.split("/", Aws.STACK_ID))
    return f"/aws/vendedlogs/{name}/{Stack.of(scope).stack_name}-{unique}"
