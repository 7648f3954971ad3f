"""Log groups with the environment's retention."""

from aws_cdk import RemovalPolicy
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.environment import EnvironmentSettings

_RETENTION = {
    7: logs.RetentionDays.ONE_WEEK,
    30: logs.RetentionDays.ONE_MONTH,
    365: logs.RetentionDays.ONE_YEAR,
}


def log_group(scope: Construct, construct_id: str, *, settings: EnvironmentSettings) -> logs.LogGroup:
    """A log group with the environment's retention; it outlives its stack where state is retained."""
    return logs.LogGroup(
        scope,
        construct_id,
        retention=_RETENTION[settings.log_retention_days],
        removal_policy=RemovalPolicy.RETAIN if settings.retain else RemovalPolicy.DESTROY,
    )
