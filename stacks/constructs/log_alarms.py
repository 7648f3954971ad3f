"""Alarms on the log: rows that do not reach it, and shards that are nearly full."""

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs.alarms import alarm_on

FIVE_MINUTES = Duration.minutes(5)
# What a shard takes in a second: https://docs.aws.amazon.com/streams/latest/dev/service-sizes-and-limits.html
SHARD_BYTES, SHARD_RECORDS = 1024**2, 1000
# What all its readers together take from it, apart from those with enhanced fan-out: the same page.
READ_BYTES = 2 * 1024**2
# Beyond this share there is no room for a hot key, nor for the time until there are more shards.
FULL = 0.75
LATE = Duration.minutes(15)
MORE_SHARDS = "raise `shards` of the environment and deploy."


class LogAlarms(Construct):
    """On DynamoDB's change records on their way into the log, and on how full its shards are."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        table: dynamodb.ITable,
        stream: kinesis.IStream,
        shards: int | None,
        readers: int,
        topic: sns.ITopic,
    ) -> None:
        """Makes the alarms.

        Args:
            scope: the stack.
            construct_id: their name there.
            table: whose rows go into the log.
            stream: the log.
            shards: how many it has; None: on demand.
            readers: consumers that share what can be read from a shard: those without enhanced fan-out.
            topic: where alarms go.
        """
        super().__init__(scope, construct_id)
        self._table, self._stream, self._topic = table, stream, topic
        self._capture(
            "Fails",
            "FailedToReplicateRecordCount",
            cloudwatch.Stats.SUM,
            1,
            "Rows of Events did not reach the log; reconciliation has to put them there.",
        )
        # DynamoDB retries a throttled record by itself; one that waits long shows that the retries fail.
        self._capture(
            "Throttled",
            "ThrottledPutRecordCount",
            cloudwatch.Stats.SUM,
            1,
            f"The log throttles rows of Events, which DynamoDB retries: {MORE_SHARDS}",
            periods=3,
        )
        self._capture(
            "Late",
            "AgeOfOldestUnreplicatedRecord",
            cloudwatch.Stats.MAXIMUM,
            LATE.to_milliseconds(),
            "A row of Events has waited long to reach the log.",
        )
        if shards is not None:
            self._filling("Bytes", "IncomingBytes", shards * min(SHARD_BYTES, READ_BYTES / max(1, readers)))
            self._filling("Records", "IncomingRecords", shards * SHARD_RECORDS)

    def _capture(
        self,
        construct_id: str,
        name: str,
        statistic: str,
        threshold: float,
        description: str,
        *,
        periods: int = 1,
    ) -> None:
        # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/kds_using-shards-and-metrics.html
        metric = cloudwatch.Metric(
            namespace="AWS/DynamoDB",
            metric_name=name,
            dimensions_map={"TableName": self._table.table_name, "DelegatedOperation": "PutRecord"},
            statistic=statistic,
            period=FIVE_MINUTES,
        )
        alarm_on(
            self,
            construct_id,
            metric=metric,
            threshold=threshold,
            description=description,
            runbook="capture",
            topic=self._topic,
            periods=periods,
        )

    def _filling(self, construct_id: str, name: str, a_second: float) -> None:
        metric = cloudwatch.Metric(
            namespace="AWS/Kinesis",
            metric_name=name,
            dimensions_map={"StreamName": self._stream.stream_name},
            statistic=cloudwatch.Stats.SUM,
            period=FIVE_MINUTES,
        )
        alarm_on(
            self,
            construct_id,
            metric=metric,
            threshold=FULL * a_second * FIVE_MINUTES.to_seconds(),
            description=f"The log is at three quarters of its shards' capacity: {MORE_SHARDS}",
            runbook="log-full",
            topic=self._topic,
        )
