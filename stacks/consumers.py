"""Consumers of the log and of the table's stream, and the first subscriber of the bus. All of it can be rebuilt."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aws_cdk import CfnOutput, Duration
from aws_cdk import aws_kinesis as kinesis
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from millrace.eventstore.consumers import Source, filter_pattern, named
from millrace.routing.route import SOURCE
from stacks.constructs.alert_topics import AlertTopics
from stacks.constructs.dashboards import DataPipeline
from stacks.constructs.dead_letter_alarm import DeadLetterAlarm
from stacks.constructs.fraud_alerts import FraudAlerts
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.stream_mapping import BATCH_SIZE, StreamMapping
from stacks.constructs.subscriber import SubscriberQueue
from stacks.constructs.timer_sweep import TimerSweep
from stacks.network import NetworkStack
from stacks.platform_stack import PlatformStack
from stacks.storage import StorageStack

# A table's stream keeps a day; the rest of it is for finding out why a batch does not pass.
TABLE_STREAM_AGE = Duration.hours(20)
LOG_MARGIN_HOURS = 6
# Half of the log's records are of rows that expire: the archive drops them, and still writes objects of 1,000 events.
ARCHIVE_BATCH = 2000


class ConsumersStack(PlatformStack):
    """Archive, route and score from the log, project and analyze from the table's stream; a queue and a topic behind the bus."""

    third_party = ("runtime", "lake", "onnx")

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        layers: Path,
        network: NetworkStack | None,
    ) -> None:
        super().__init__(scope, construct_id, storage=storage, layers=layers, network=network)
        archive = self._consumer(
            "archive_events",
            "Writes the log's events to the lake as Parquet, with a manifest of where they are.",
            memory_mb=ONE_PROCESSOR_MB,
            layers=("runtime", "lake"),
        )
        route = self._consumer(
            "route_events", "Publishes the events whose contract asks for it on the bus.", memory_mb=512
        )
        score = self._consumer(
            "score_transactions",
            "Decides on transactions by rules and model and appends each decision as an event.",
            # Rules and models are arithmetic.
            memory_mb=ONE_PROCESSOR_MB,
            layers=("runtime", "onnx"),
            variables=self.settings.fraud_budgets(),
        )
        project = self._consumer(
            "project_events", "Keeps the events of each user in order, as pointers.", memory_mb=512
        )
        analyze = self._consumer(
            "analyze_events",
            "Leaves the facts that aggregates count, of each event as it comes.",
            memory_mb=ONE_PROCESSOR_MB,
        )
        consumers = [archive, route, score, project, analyze]
        for function in consumers:
            self._read(function)
        self._watch(consumers)
        TimerSweep(self, "Timers", fleet=self.fleet)
        subscriber = SubscriberQueue(self, "Subscriber", fleet=self.fleet, source=SOURCE)
        CfnOutput(self, "SubscriberQueue", value=subscriber.queue.queue_url)
        alerts = FraudAlerts(self, "FraudAlerts", fleet=self.fleet, source=SOURCE)
        CfnOutput(self, "FraudAlertTopic", value=alerts.topic.topic_arn)
        AlertTopics(self, "Alerts", fleet=self.fleet, source=SOURCE, routes=self.settings.alert_routes)

    def _watch(self, consumers: Sequence[PlatformFunction]) -> None:
        topic, environment = self.storage.alarms, self.settings.name
        if topic is None:
            return
        for function in consumers:
            name = f"{function.node.id}DeadLetters"
            DeadLetterAlarm(self, name, function=function, environment=environment, topic=topic)
        DataPipeline(
            self, "Pipeline", environment=environment, stream=self.storage.stream, consumers=consumers
        )

    def _consumer(
        self,
        stem: str,
        description: str,
        *,
        memory_mb: int,
        layers: tuple[str, ...] = ("runtime",),
        variables: Mapping[str, str] | None = None,
    ) -> PlatformFunction:
        return PlatformFunction(
            self,
            stem,
            fleet=self.fleet,
            description=description,
            memory_mb=memory_mb,
            timeout=Duration.minutes(2),
            layers=layers,
            variables=variables,
        )

    def _read(self, function: PlatformFunction) -> None:
        """Maps the function to the source that its consumers read, as the table of consumers has it."""
        hosted = named(function.node.id)
        of_log = hosted[0].source is Source.LOG
        pattern = filter_pattern(hosted)
        window = self._windows.get(function.node.id, 0)
        StreamMapping(
            self,
            f"{function.node.id}{'FromLog' if of_log else 'FromTable'}",
            fleet=self.fleet,
            function=function,
            source_arn=self._log_arn(function) if of_log else self._table_stream_arn(function),
            maximum_age=Duration.hours(self.settings.stream.retention_hours - LOG_MARGIN_HOURS)
            if of_log
            else TABLE_STREAM_AGE,
            filters=None if pattern is None else [lambda_.FilterCriteria.filter(pattern)],
            window=Duration.seconds(window) if window else None,
            batch_size=ARCHIVE_BATCH if function.node.id == "archive_events" else BATCH_SIZE,
            partial_answers=len(hosted) > 1,
        )

    @property
    def _windows(self) -> dict[str, int]:
        """Seconds that a function's batch may wait: an object and its receipts cost the same for one event and for 500."""
        return {
            "archive_events": self.settings.archive_window_seconds,
            "analyze_events": self.settings.analyze_window_seconds,
        }

    @property
    def _fan_outs(self) -> set[str]:
        return {"score_transactions"} if self.settings.fraud_fan_out else set()

    def _log_arn(self, function: PlatformFunction) -> str:
        """The log, or a line of its own to it, which the function may read."""
        stream_arn = source_arn = self.storage.stream.stream_arn
        if function.node.id in self._fan_outs:
            own = kinesis.CfnStreamConsumer(
                self,
                f"{function.node.id}FanOut",
                consumer_name=function.node.id,
                stream_arn=stream_arn,
            )
            source_arn = own.attr_consumer_arn
            function.role.allow("kinesis:SubscribeToShard", on=[source_arn])
        function.role.allow(
            "kinesis:DescribeStream",
            "kinesis:DescribeStreamSummary",
            "kinesis:GetRecords",
            "kinesis:GetShardIterator",
            "kinesis:ListShards",
            on=[stream_arn],
        )
        _allow_list(function, "kinesis:ListStreams")
        return source_arn

    def _table_stream_arn(self, function: PlatformFunction) -> str:
        """The stream of the Events table, which the function may read."""
        stream_arn = self.storage.events.table_stream_arn
        if stream_arn is None:
            raise ValueError("the Events table has no stream")
        function.role.allow(
            "dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator", on=[stream_arn]
        )
        _allow_list(function, "dynamodb:ListStreams")
        return stream_arn


def _allow_list(function: PlatformFunction, action: str) -> None:
    function.role.allow_wildcard(
        "ListStreams",
        action,
        on="*",
        reason="A mapping needs it in the function's role, and the action takes no resource.",
    )
