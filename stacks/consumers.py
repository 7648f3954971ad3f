"""What reads the log and the table's stream, and the first subscriber of the bus. All of it can be made again."""

from collections.abc import Sequence
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from millrace.core.prefixes import RAW
from millrace.eventstore.consumers import Source, filter_pattern, named
from stacks.constructs.dashboards import DataPipeline
from stacks.constructs.dead_letter_alarm import DeadLetterAlarm
from stacks.constructs.fleet import Fleet
from stacks.constructs.fraud_alerts import FraudAlerts
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.served_models import allow_models
from stacks.constructs.stream_mapping import StreamMapping
from stacks.constructs.subscriber import SubscriberQueue
from stacks.environment import ROUTED_SOURCE, EnvironmentSettings
from stacks.storage import StorageStack

# A table's stream keeps a day; what is left of it is for finding out why a batch does not pass.
TABLE_STREAM_AGE = Duration.hours(20)
LOG_MARGIN_HOURS = 6


class ConsumersStack(Stack):
    """Archive, route and score from the log, project from the table's stream; a queue and a topic behind the bus."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: EnvironmentSettings,
        storage: StorageStack,
        layers: Path,
    ) -> None:
        super().__init__(scope, construct_id)
        self._settings = settings
        self._storage = storage
        self._fleet = Fleet(
            self,
            "Fleet",
            settings=settings,
            third_party=("runtime", "lake", "onnx"),
            layers=layers,
            alarms=storage.alarms,
        )
        functions = [
            self._archive_events(),
            self._route_events(),
            self._score_transactions(),
            self._project_events(),
        ]
        for function in functions:
            self._read(function)
        self._watch(functions)
        subscriber = SubscriberQueue(
            self,
            "Subscriber",
            settings=settings,
            bus=storage.bus,
            source=ROUTED_SOURCE,
            alarms=storage.alarms,
        )
        CfnOutput(self, "SubscriberQueue", value=subscriber.queue.queue_url)
        alerts = FraudAlerts(
            self,
            "FraudAlerts",
            fleet=self._fleet,
            bus=storage.bus,
            source=ROUTED_SOURCE,
            key=storage.data_key,
        )
        CfnOutput(self, "FraudAlertTopic", value=alerts.topic.topic_arn)

    def _watch(self, consumers: Sequence[PlatformFunction]) -> None:
        topic, environment = self._storage.alarms, self._settings.name
        if topic is None:
            return
        for function in consumers:
            name = f"{function.node.id}DeadLetters"
            DeadLetterAlarm(self, name, function=function, environment=environment, topic=topic)
        DataPipeline(
            self, "Pipeline", environment=environment, stream=self._storage.stream, consumers=consumers
        )

    def _archive_events(self) -> PlatformFunction:
        function = self._consumer(
            "archive_events",
            description="Writes the log's events to the lake as Parquet, with a manifest of what lies where.",
            memory_mb=1769,
            layers=("runtime", "lake"),
            variables={
                "metadata_table": self._storage.metadata.table.table_name,
                "lake_bucket": self._storage.lake.bucket_name,
            },
        )
        self._allow_writing_metadata(function)
        function.allow_prefix(
            "s3:PutObject",
            bucket=self._storage.lake,
            prefix=RAW,
            reason="Objects are named by tenant, category, day and the sequence numbers they hold.",
        )
        return function

    def _route_events(self) -> PlatformFunction:
        function = self._consumer(
            "route_events",
            description="Publishes the events whose contract says so on the bus.",
            memory_mb=512,
            variables={
                "metadata_table": self._storage.metadata.table.table_name,
                "lake_bucket": self._storage.lake.bucket_name,
                "event_bus": self._storage.bus.event_bus_name,
            },
        )
        self._allow_writing_metadata(function)
        function.allow("events:PutEvents", on=[self._storage.bus.event_bus_arn])
        return function

    def _score_transactions(self) -> PlatformFunction:
        function = self._consumer(
            "score_transactions",
            description="Decides on transactions by rules and model and appends each decision as an event.",
            # One whole processor: rules and models are arithmetic.
            memory_mb=1769,
            layers=("runtime", "onnx"),
            variables={
                "events_table": self._storage.events.table.table_name,
                "feature_store_table": self._storage.features.table.table_name,
                "models_table": self._storage.models.table.table_name,
                "lake_bucket": self._storage.lake.bucket_name,
                **self._settings.fraud_budgets(),
            },
        )
        allow_models(function, self._storage)
        function.allow("dynamodb:PutItem", on=[self._storage.events.table.table_arn])
        function.allow(
            "dynamodb:BatchGetItem", "dynamodb:UpdateItem", on=[self._storage.features.table.table_arn]
        )
        return function

    def _project_events(self) -> PlatformFunction:
        function = self._consumer(
            "project_events",
            description="Keeps the events of each user in their order, as pointers.",
            memory_mb=512,
            variables={
                "user_events_table": self._storage.user_events.table.table_name,
                "lake_bucket": self._storage.lake.bucket_name,
            },
        )
        function.allow("dynamodb:BatchWriteItem", on=[self._storage.user_events.table.table_arn])
        return function

    def _consumer(
        self,
        stem: str,
        *,
        description: str,
        memory_mb: int,
        variables: dict[str, str],
        layers: tuple[str, ...] = ("runtime",),
    ) -> PlatformFunction:
        function = PlatformFunction(
            self,
            stem,
            fleet=self._fleet,
            description=description,
            memory_mb=memory_mb,
            timeout=Duration.minutes(2),
            layers=layers,
            variables=variables,
        )
        function.allow_use_of(self._storage.data_key)
        for hosted in named(stem):
            function.allow_prefix(
                "s3:PutObject",
                bucket=self._storage.lake,
                prefix=hosted.dead_letters,
                reason="A record that can never succeed becomes an object of its own, named by where it was in its stream.",
            )
        return function

    def _allow_writing_metadata(self, function: PlatformFunction) -> None:
        function.allow("dynamodb:BatchWriteItem", on=[self._storage.metadata.table.table_arn])

    def _read(self, function: PlatformFunction) -> None:
        """Maps the function to the source that its consumers read, as the table of consumers has it."""
        hosted = named(function.node.id)
        of_log = hosted[0].source is Source.LOG
        pattern = filter_pattern(hosted)
        window = self._windows.get(function.node.id, 0)
        StreamMapping(
            self,
            f"{function.node.id}{'FromLog' if of_log else 'FromTable'}",
            fleet=self._fleet,
            function=function,
            source_arn=self._log_arn(function) if of_log else self._table_stream_arn(function),
            maximum_age=Duration.hours(self._settings.stream.retention_hours - LOG_MARGIN_HOURS)
            if of_log
            else TABLE_STREAM_AGE,
            failed_batches=self._storage.lake,
            filters=None if pattern is None else [lambda_.FilterCriteria.filter(pattern)],
            window=Duration.seconds(window) if window else None,
            partial_answers=len(hosted) > 1,
        )

    @property
    def _windows(self) -> dict[str, int]:
        """Seconds that a function's batch may wait: an object and its receipts cost the same for one event and for 500."""
        return {"archive_events": self._settings.archive_window_seconds}

    @property
    def _fan_outs(self) -> set[str]:
        return {"score_transactions"} if self._settings.fraud_fan_out else set()

    def _log_arn(self, function: PlatformFunction) -> str:
        """The log, or a line of its own to it, which the function may read."""
        stream_arn = source_arn = self._storage.stream.stream_arn
        if function.node.id in self._fan_outs:
            own = kinesis.CfnStreamConsumer(
                self,
                f"{function.node.id}FanOut",
                consumer_name=function.node.id,
                stream_arn=stream_arn,
            )
            source_arn = own.attr_consumer_arn
            function.allow("kinesis:SubscribeToShard", on=[source_arn])
        function.allow(
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
            on=[stream_arn],
        )
        return source_arn

    def _table_stream_arn(self, function: PlatformFunction) -> str:
        """The stream of the Events table, which the function may read."""
        stream_arn = self._storage.events.table.table_stream_arn
        if stream_arn is None:
            raise ValueError("the Events table has no stream")
        function.allow(
            "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", on=[stream_arn]
        )
        return stream_arn
