"""Alarms on what clients notice: 5xx answers, throttled tables and a throttled log, refused events of a type."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from aws_cdk import Duration
from aws_cdk import aws_apigatewayv2 as apigateway
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_sns as sns
from constructs import Construct

from millrace.api.webhooks import REFUSED as NOT_BELIEVED
from millrace.api.webhooks import SERVICE as WEBHOOKS
from millrace.compiler.event_contracts import compile_contracts
from millrace.core.metrics import NAMESPACE
from millrace.intake.refusals import METRIC, TYPE
from stacks.constructs.alarms import alarm_on

FIVE_MINUTES = Duration.minutes(5)
# A faulty client repeats what is refused; a single mistake is not an alarm.
REFUSED_IN_FIVE_MINUTES = 100
ANSWERS_5XX = 5
# Somebody who looks for doors knocks at one or two; a provider whose secret is wrong goes on.
NOT_BELIEVED_IN_FIVE_MINUTES = 20


SCHEMAS = Path(__file__).resolve().parent.parent.parent / "schemas"


@cache
def event_types() -> list[str]:
    """Every event type that clients send; of what the platform alone makes, what others send is refused whatever it holds."""
    return sorted({contract.event_type for contract in compile_contracts(SCHEMAS) if not contract.derived})


class WayInAlarms(Construct):
    """Plain thresholds, without metric math."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        topic: sns.ITopic,
        api: apigateway.IHttpApi,
        stream: kinesis.IStream,
        tables: Mapping[str, dynamodb.ITable],
        event_indexes: Sequence[str],
        event_types: Sequence[str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._topic = topic
        self._alarm(
            "Answers5xx",
            self._metric("AWS/ApiGateway", "5xx", {"ApiId": api.api_id}),
            "Clients get answers of 500 and above; the access log shows the routes.",
            "answers-5xx",
            threshold=ANSWERS_5XX,
        )
        self._alarm(
            "LogThrottles",
            self._metric(
                "AWS/Kinesis", "WriteProvisionedThroughputExceeded", {"StreamName": stream.stream_name}
            ),
            "The log throttles writes: it needs more shards, or one key has too many events.",
            "log-full",
        )
        for name, table in tables.items():
            for kind in ("ReadThrottleEvents", "WriteThrottleEvents"):
                self._alarm(
                    f"{name}{kind}",
                    self._metric("AWS/DynamoDB", kind, {"TableName": table.table_name}),
                    f"{name} throttles: a key is too hot, or the traffic grew faster than the table does.",
                    "table-throttles",
                )
        for index in event_indexes:
            # The table's own metric does not count what its indexes throttle, and that refuses events as well.
            where = {"TableName": tables["Events"].table_name, "GlobalSecondaryIndexName": index}
            self._alarm(
                f"{index}-WriteThrottleEvents",
                self._metric("AWS/DynamoDB", "WriteThrottleEvents", where),
                f"{index} of Events throttles, so events are refused as unavailable: a key of the index is too hot.",
                "index-throttles",
            )
        self._alarm(
            "WebhooksNotBelieved",
            self._metric(NAMESPACE, NOT_BELIEVED, {"environment": environment, "service": WEBHOOKS}),
            "Deliveries of webhooks are not believed: a secret was changed on one side only, a clock is wrong, or somebody tries.",
            "webhooks-not-believed",
            threshold=NOT_BELIEVED_IN_FIVE_MINUTES,
        )
        for event_type in event_types:
            dimensions = {"environment": environment, "service": "intake", TYPE: event_type}
            self._alarm(
                f"Refused-{event_type.replace('.', '-')}",
                self._metric(NAMESPACE, METRIC, dimensions),
                f"Many events of {event_type} are refused: millrace quarantine list --event-type {event_type}",
                "refused",
                threshold=REFUSED_IN_FIVE_MINUTES,
            )

    def _metric(self, namespace: str, name: str, dimensions: dict[str, str]) -> cloudwatch.Metric:
        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map=dimensions,
            statistic=cloudwatch.Stats.SUM,
            period=FIVE_MINUTES,
        )

    def _alarm(
        self,
        construct_id: str,
        metric: cloudwatch.Metric,
        description: str,
        runbook: str,
        *,
        threshold: float = 1,
    ) -> None:
        alarm_on(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            description=description,
            runbook=runbook,
            topic=self._topic,
        )
