"""The way in and the reads: the HTTP API, its authorizer, intake, and capture, which is open before the API is."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from aws_cdk import CfnOutput, Duration
from constructs import Construct

from millrace.compiler import deployed
from millrace.core import bundle
from stacks.constructs.bus_feeder import BusFeeder
from stacks.constructs.canary import Canary
from stacks.constructs.capture import Capture
from stacks.constructs.dashboards import PlatformOverview
from stacks.constructs.http_api import EventApi
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PlatformFunction
from stacks.constructs.waiting_replay import WaitingReplay
from stacks.constructs.way_in_alarms import WayInAlarms, event_types
from stacks.platform_stack import PlatformStack
from stacks.storage import StorageStack

# Less than the HTTP API's own 30, so that a client gets the function's answer.
ANSWER = Duration.seconds(29)


class IngestionStack(PlatformStack):
    """Whatever answers a client."""

    third_party = ("runtime", "registry", "onnx", "sketches")

    def __init__(self, scope: Construct, construct_id: str, *, storage: StorageStack, layers: Path) -> None:
        super().__init__(scope, construct_id, storage=storage, layers=layers)
        # The gate compares the next deploy with it.
        sources = (self.fleet.layers.bundle / bundle.DEPLOYED).read_text()
        self.template_options.metadata = {deployed.METADATA: sources}
        # Of intake and of fraud it is validation and arithmetic that take the time.
        self._function = partial(
            PlatformFunction, self, fleet=self.fleet, memory_mb=ONE_PROCESSOR_MB, timeout=ANSWER
        )
        capture = Capture(self, "Capture", fleet=self.fleet)
        functions = {function.node.id: function for function in self._behind_the_api()}
        self.api = EventApi(
            self,
            "HttpApi",
            settings=self.settings,
            authorizer=PlatformFunction(
                self,
                "authorize",
                fleet=self.fleet,
                description="Looks a credential up: its tenant, its name and its rights.",
                memory_mb=512,
                timeout=Duration.seconds(10),
            ),
            functions=functions,
            after=capture.resource,
        )
        from_bus = self._function(
            "receive_bus_events",
            description="Takes events from EventBridge, for the tenants of their bindings.",
        )
        BusFeeder(self, "BusFeeder", fleet=self.fleet, function=from_bus, after=capture.resource)
        waiting = WaitingReplay(self, "Waiting", fleet=self.fleet)
        waiting.resource.node.add_dependency(capture.resource)
        for writer in (
            functions["post_events"],
            functions["collect"],
            functions["replay_quarantine"],
            functions["change_alerts"],
            from_bus,
            waiting.function,
        ):
            # A deploy that raises `type_shards`: nothing is written to a shard before lists read it.
            writer.function.node.add_dependency(functions["read_api"].function)
        Canary(self, "Canary", fleet=self.fleet, api_url=self.api.url)
        self._watch(functions)
        CfnOutput(self, "ApiUrl", value=self.api.url)

    def _behind_the_api(self) -> list[PlatformFunction]:
        return [
            self._function(
                "post_events",
                description="Takes events over HTTP: validates, enriches and appends them, and keeps what it refuses.",
            ),
            self._function(
                "collect",
                description="Takes events of browsers and of other systems' SDKs, by a write key, and answers in their forms.",
            ),
            self._function(
                "read_api",
                description="Answers every GET: events, traces, schemas, quarantine, the API's own document and health.",
                memory_mb=1024,
            ),
            self._function(
                "read_analytics",
                description="Answers reads of aggregates: windows of what was counted.",
                layers=("runtime", "sketches"),
            ),
            self._function(
                "replay_quarantine",
                description="Replays refused events through intake, repaired, or closes them.",
            ),
            self._function("change_alerts", description="Acknowledges and mutes alerts.", memory_mb=512),
            self._function(
                "predict",
                description="Decides on a transaction in a request, from what is stored of its user; stores nothing.",
                layers=("runtime", "onnx"),
                variables=self.settings.fraud_budgets(),
            ),
            self._function(
                "check_schema",
                description="Checks whether a contract could be deployed beside those in force.",
                memory_mb=1024,
                layers=("runtime", "registry"),
            ),
        ]

    def _watch(self, functions: Mapping[str, PlatformFunction]) -> None:
        storage, environment = self.storage, self.settings.name
        if storage.alarms is None:
            return
        WayInAlarms(
            self,
            "WayIn",
            environment=environment,
            topic=storage.alarms,
            api=self.api.api,
            stream=storage.stream,
            tables={
                name: storage.tables[name].table
                for name in ("Events", "UserEvents", "Metadata", "FeatureStore")
            },
            event_indexes=storage.tables["Events"].index_names,
            event_types=event_types(),
        )
        PlatformOverview(
            self,
            "Overview",
            environment=environment,
            api=self.api.api,
            functions=functions,
            events=storage.events,
        )
