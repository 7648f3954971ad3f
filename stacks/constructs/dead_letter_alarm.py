"""An alarm on records that a consumer has set aside, counted from the line that it logs for each batch."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sns as sns
from constructs import Construct

from millrace.core.metrics import NAMESPACE
from stacks.constructs.alarms import alarm_on
from stacks.constructs.platform_function import PlatformFunction


def dead_letters(stem: str, environment: str) -> cloudwatch.Metric:
    """Records that a consumer set aside; there is no data while there are none."""
    return cloudwatch.Metric(
        namespace=f"{NAMESPACE}/{environment}",
        metric_name=f"{stem}-dead-letters",
        statistic=cloudwatch.Stats.SUM,
        period=Duration.minutes(5),
    )


class DeadLetterAlarm(Construct):
    """The consumer logs the number of dead letters of a batch as `dead`; CloudWatch Logs adds them up."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: PlatformFunction,
        environment: str,
        topic: sns.ITopic,
    ) -> None:
        super().__init__(scope, construct_id)
        metric = dead_letters(function.node.id, environment)
        logs.MetricFilter(
            self,
            "Dead",
            log_group=function.function.log_group,
            filter_pattern=logs.FilterPattern.literal("{ $.dead > 0 }"),
            metric_namespace=metric.namespace,
            metric_name=metric.metric_name,
            metric_value="$.dead",
        )
        alarm_on(
            self,
            "NotEmpty",
            metric=metric,
            threshold=1,
            description=(
                f"{function.node.id} set records aside that it cannot handle: "
                f"millrace redrive {function.node.id} --dead-letters, once the cause is fixed."
            ),
            runbook="dead-letters",
            topic=topic,
        )
