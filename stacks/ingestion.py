"""The way in and the reads: the HTTP API, its authorizer, intake, and capture, which is open before the API is."""

from collections.abc import Mapping
from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from millrace.core.prefixes import QUARANTINE
from stacks.constructs.bus_feeder import BusFeeder
from stacks.constructs.canary import Canary
from stacks.constructs.capture import Capture
from stacks.constructs.dashboards import PlatformOverview
from stacks.constructs.fleet import Fleet
from stacks.constructs.http_api import EventApi
from stacks.constructs.intake_function import IntakeFunction
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.served_models import allow_models
from stacks.constructs.waiting_replay import WaitingReplay
from stacks.constructs.way_in_alarms import WayInAlarms, event_types
from stacks.environment import EnvironmentSettings
from stacks.storage import StorageStack


class IngestionStack(Stack):
    """Whatever answers a client."""

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
        self._storage = storage
        self._settings = settings
        self._fleet = Fleet(
            self,
            "Fleet",
            settings=settings,
            third_party=("runtime", "registry", "onnx"),
            layers=layers,
            alarms=storage.alarms,
        )
        capture = Capture(
            self, "Capture", fleet=self._fleet, table=storage.events.table, stream=storage.stream
        )
        functions = {
            "post_events": self._post_events(),
            "read_api": self._read_api(),
            "replay_quarantine": self._replay_quarantine(),
            "predict": self._predict(),
            "check_schema": self._check_schema(),
        }
        self.api = EventApi(
            self,
            "HttpApi",
            settings=settings,
            authorizer=self._authorize(),
            functions=functions,
            after=capture.resource,
        )
        BusFeeder(
            self,
            "BusFeeder",
            settings=settings,
            platform_bus=storage.bus,
            function=self._receive_bus_events(),
            alarms=storage.alarms,
        )
        waiting = WaitingReplay(self, "Waiting", fleet=self._fleet, settings=settings, storage=storage)
        waiting.resource.node.add_dependency(capture.resource)
        Canary(self, "Canary", fleet=self._fleet, storage=storage, api_url=self.api.url)
        self._watch(functions)
        CfnOutput(self, "ApiUrl", value=self.api.url)

    def _watch(self, functions: Mapping[str, PlatformFunction]) -> None:
        storage, environment = self._storage, self._settings.name
        if storage.alarms is None:
            return
        tables = {"Events": storage.events, "UserEvents": storage.user_events, "Metadata": storage.metadata}
        WayInAlarms(
            self,
            "WayIn",
            environment=environment,
            topic=storage.alarms,
            api=self.api.api,
            stream=storage.stream,
            tables={name: one.table for name, one in {**tables, "FeatureStore": storage.features}.items()},
            event_types=event_types(),
        )
        PlatformOverview(
            self,
            "Overview",
            environment=environment,
            api=self.api.api,
            functions=functions,
            events=storage.events.table,
        )

    def _authorize(self) -> PlatformFunction:
        function = PlatformFunction(
            self,
            "authorize",
            fleet=self._fleet,
            description="Knows a credential and says which tenant it is, under which name and with which rights.",
            memory_mb=512,
            timeout=Duration.seconds(10),
            variables={"metadata_table": self._storage.metadata.table.table_name},
        )
        function.allow("dynamodb:GetItem", on=[self._storage.metadata.table.table_arn])
        function.allow_use_of(self._storage.data_key)
        return function

    def _post_events(self) -> PlatformFunction:
        return self._intake(
            "post_events",
            "Takes events over HTTP: validates, enriches and appends them, and keeps what it refuses.",
        )

    def _receive_bus_events(self) -> PlatformFunction:
        return self._intake(
            "receive_bus_events", "Takes events that EventBridge brings, for the tenants of their bindings."
        )

    def _replay_quarantine(self) -> PlatformFunction:
        storage = self._storage
        function = self._intake(
            "replay_quarantine", "Sends refused events through intake again, repaired, or closes them."
        )
        function.allow_replay(storage)
        return function

    def _check_schema(self) -> PlatformFunction:
        return PlatformFunction(
            self,
            "check_schema",
            fleet=self._fleet,
            description="Says whether a contract could be deployed beside those in force.",
            memory_mb=1024,
            timeout=Duration.seconds(29),
            layers=("runtime", "registry"),
        )

    def _predict(self) -> PlatformFunction:
        features = self._storage.features.table
        function = PlatformFunction(
            self,
            "predict",
            fleet=self._fleet,
            description="Decides on transactions that are asked about; reads what is known of the user, stores nothing.",
            memory_mb=1769,
            timeout=Duration.seconds(29),
            layers=("runtime", "onnx"),
            variables={
                "feature_store_table": features.table_name,
                "models_table": self._storage.models.table.table_name,
                "lake_bucket": self._storage.lake.bucket_name,
                **self._settings.fraud_budgets(),
            },
        )
        function.allow("dynamodb:BatchGetItem", on=[features.table_arn])
        allow_models(function, self._storage)
        function.allow_use_of(self._storage.data_key)
        return function

    def _intake(self, stem: str, description: str) -> IntakeFunction:
        return IntakeFunction(self, stem, fleet=self._fleet, storage=self._storage, description=description)

    def _read_api(self) -> PlatformFunction:
        storage = self._storage
        function = PlatformFunction(
            self,
            "read_api",
            fleet=self._fleet,
            description="Answers every GET: events, traces, schemas, quarantine, the API's own document and health.",
            memory_mb=1024,
            timeout=Duration.seconds(29),
            variables={
                "events_table": storage.events.table.table_name,
                "user_events_table": storage.user_events.table.table_name,
                "metadata_table": storage.metadata.table.table_name,
                "feature_store_table": storage.features.table.table_name,
                "lake_bucket": storage.lake.bucket_name,
            },
        )
        events, user_events = storage.events.table.table_arn, storage.user_events.table.table_arn
        metadata = storage.metadata.table.table_arn
        function.allow("dynamodb:GetItem", on=[events, user_events, metadata])
        function.allow("dynamodb:BatchGetItem", on=[events, storage.features.table.table_arn])
        by_session = f"{user_events}/index/sessionId-timestamp-index"
        function.allow("dynamodb:Query", on=[metadata, *storage.events.index_arns, by_session])
        function.allow_use_of(storage.data_key)
        function.allow_prefix(
            "s3:GetObject",
            bucket=storage.lake,
            prefix=QUARANTINE,
            reason="Which refused request is asked for is known only when it is asked for.",
        )
        return function
