"""Reconciliation: a function that compares every store with every other, its times, and the alarm on what stays open."""

import json
from collections.abc import Mapping

from aws_cdk import Duration
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from millrace.core.metrics import NAMESPACE
from millrace.core.prefixes import PROCESSED, RAW, RECONCILE
from millrace.eventstore.consumers import compared
from millrace.reconcile.report import LEFT, OPEN
from millrace.reconcile.stores import INDEX
from stacks.constructs.alarms import alarm_on
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.schedule import Schedule
from stacks.storage import StorageStack

NAME = "reconcile_events"


class Reconciliation(Construct):
    """The function is there in every environment; where the environment says no times, nothing calls it but a person."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fleet: Fleet,
        storage: StorageStack,
        databases: Mapping[str, str],
    ) -> None:
        super().__init__(scope, construct_id)
        self._fleet, self._storage = fleet, storage
        # In the stack itself, where `millrace reconcile` finds it by its name.
        function = self._function(scope)
        self._allow(function, databases["silver"])
        times = fleet.settings.lakehouse.reconcile
        if times is None:
            return
        for name, expression, description in (
            ("hourly", times.hourly, "The last hours that are closed, in every store."),
            ("daily", times.daily, "The last week, and every 28th day before it, in every store."),
        ):
            Schedule(
                self,
                name.title(),
                fleet=fleet,
                expression=expression,
                description=description,
                function=function,
                payload=json.dumps({"pass": name}),
            )
        self._watch()

    def _function(self, scope: Construct) -> PlatformFunction:
        storage = self._storage
        bound = sorted({binding.org for binding in self._fleet.settings.bus_bindings})
        return PlatformFunction(
            scope,
            NAME,
            fleet=self._fleet,
            description="Compares what every store has of each hour, and puts events where they are missing.",
            memory_mb=1769,
            # Ids lie in /tmp, 20 bytes an event and store.
            storage_mb=4096,
            timeout=Duration.minutes(15),
            layers=("runtime", "lake", "iceberg"),
            variables={
                "events_table": storage.events.table.table_name,
                "user_events_table": storage.user_events.table.table_name,
                "metadata_table": storage.metadata.table.table_name,
                "lake_bucket": storage.lake.bucket_name,
                "event_stream_arn": storage.stream.stream_arn,
                "bound_orgs": ",".join(bound),
            },
        )

    def _allow(self, function: PlatformFunction, silver: str) -> None:
        storage = self._storage
        events = storage.events.table.table_arn
        function.allow("dynamodb:Query", on=[f"{events}/index/{INDEX}"])
        function.allow("dynamodb:BatchGetItem", on=[events])
        function.allow(
            "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", on=[storage.user_events.table.table_arn]
        )
        function.allow(
            "dynamodb:BatchGetItem",
            "dynamodb:BatchWriteItem",
            "dynamodb:DeleteItem",
            "dynamodb:Query",
            on=[storage.metadata.table.table_arn],
        )
        function.allow("kinesis:PutRecords", on=[storage.stream.stream_arn])
        function.allow_use_of(storage.data_key)
        function.allow("s3:ListBucket", on=[storage.lake.bucket_arn])
        for prefix in (RAW, PROCESSED, *(consumer.dead_letters for consumer in compared())):
            function.allow_prefix(
                "s3:GetObject",
                bucket=storage.lake,
                prefix=prefix,
                reason="Which objects hold a tenant's day is known when they are listed, or from a table's metadata.",
            )
        function.allow_prefix(
            "s3:GetObject",
            "s3:PutObject",
            bucket=storage.lake,
            prefix=RECONCILE,
            reason="What was read of raw is kept by tenant, day and moment.",
        )
        function.allow_tables(
            "glue:GetTable",
            databases=[silver],
            reason="Tables are made from contracts while the platform runs, so only their database is known.",
        )

    def _watch(self) -> None:
        topic = self._fleet.alarms
        if topic is None:
            return
        for name, metric, description in (
            (
                "Open",
                OPEN,
                "Events are missing in a store and cannot be put there: millrace reconcile says which and why.",
            ),
            (
                "Left",
                LEFT,
                "Reconciliation did not come to every tenant's day; the next pass begins with what it left.",
            ),
        ):
            alarm_on(
                self,
                name,
                metric=cloudwatch.Metric(
                    namespace=NAMESPACE,
                    metric_name=metric,
                    dimensions_map={"environment": self._fleet.settings.name, "service": NAME},
                    statistic=cloudwatch.Stats.MAXIMUM,
                    period=Duration.hours(1),
                ),
                threshold=1,
                description=description,
                topic=topic,
            )
