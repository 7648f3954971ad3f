"""Plain threshold alarms, all to one topic."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from millrace.core.metrics import NAMESPACE


def greatest(environment: str, service: str, name: str, period: Duration) -> cloudwatch.Metric:
    """The greatest value of a metric of the platform's own in a period."""
    return cloudwatch.Metric(
        namespace=NAMESPACE,
        metric_name=name,
        dimensions_map={"environment": environment, "service": service},
        statistic=cloudwatch.Stats.MAXIMUM,
        period=period,
    )


def alarm_on(
    scope: Construct,
    construct_id: str,
    *,
    metric: cloudwatch.IMetric,
    threshold: float,
    description: str,
    runbook: str,
    topic: sns.ITopic,
    periods: int = 1,
    silence_alarms: bool = False,
) -> cloudwatch.Alarm:
    """An alarm at or above a threshold; no data is not an alarm, because idle is not broken, unless `silence_alarms`.

    Args:
        scope: the construct that the alarm watches.
        construct_id: the alarm's name in it.
        metric: the metric with its statistic and period.
        threshold: in the metric's unit.
        description: what is wrong when it fires, for whoever is on call.
        runbook: the section of docs/runbook.md that says what to do.
        topic: where alarm and recovery go.
        periods: how many periods in a row must be at the threshold.
        silence_alarms: no data is an alarm too.
    """
    missing = cloudwatch.TreatMissingData
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        metric=metric,
        threshold=threshold,
        evaluation_periods=periods,
        comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
        treat_missing_data=missing.BREACHING if silence_alarms else missing.NOT_BREACHING,
        alarm_description=f"{description} What to do: docs/runbook.md#{runbook}",
    )
    _tell(alarm, topic)
    return alarm


def alarm_on_no_calls(
    scope: Construct, construct_id: str, *, function: lambda_.IFunction, description: str, topic: sns.ITopic
) -> cloudwatch.Alarm:
    """An alarm on a function that a schedule calls every minute or two, and that nobody has called for a quarter of an hour."""
    alarm = cloudwatch.Alarm(
        scope,
        construct_id,
        metric=function.metric_invocations(statistic=cloudwatch.Stats.SUM, period=Duration.minutes(5)),
        threshold=1,
        evaluation_periods=3,
        comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
        # Lambda says nothing of a function that is not called.
        treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        alarm_description=f"{description} What to do: docs/runbook.md#not-called",
    )
    _tell(alarm, topic)
    return alarm


def _tell(alarm: cloudwatch.Alarm, topic: sns.ITopic) -> None:
    action = actions.SnsAction(topic)
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)
