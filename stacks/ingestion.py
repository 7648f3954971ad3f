"""The way in and the reads: the HTTP API, its authorizer, intake, and capture, which is open before the API is."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

from aws_cdk import CfnOutput, Duration
from constructs import Construct

from millrace.compiler import deployed
from millrace.core import bundle
from millrace.core.uses import USER_POOL, Resource
from millrace.people.machine import MACHINE
from stacks.access import AccessStack
from stacks.constructs.access_logs import AccessLogKeeping
from stacks.constructs.bus_feeder import BusFeeder
from stacks.constructs.canary import Canary
from stacks.constructs.capture import Capture
from stacks.constructs.dashboards import PlatformOverview
from stacks.constructs.database_reading import DatabaseReading
from stacks.constructs.file_import import FileImport
from stacks.constructs.grants import Deployed
from stacks.constructs.http_api import EventApi
from stacks.constructs.platform_function import ONE_PROCESSOR_MB, PROTECTING, PlatformFunction
from stacks.constructs.state_machine import PlatformStateMachine
from stacks.constructs.waiting_replay import WaitingReplay
from stacks.constructs.way_in_alarms import WayInAlarms, event_types
from stacks.network import NetworkStack
from stacks.omissions import Omission
from stacks.platform_stack import PlatformStack
from stacks.storage import StorageStack

# Less than the HTTP API's own 30, so that a client gets the function's answer.
ANSWER = Duration.seconds(29)
QUERY = Duration.minutes(5)


class IngestionStack(PlatformStack):
    """Whatever answers a client."""

    third_party = (
        "runtime",
        "lake",
        "registry",
        "onnx",
        "sketches",
        "policies",
        "privacy",
        "duckdb",
        "avro",
        "postgres",
    )

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: StorageStack,
        layers: Path,
        network: NetworkStack | None,
        access: AccessStack,
        erasure: PlatformStateMachine,
    ) -> None:
        """As `PlatformStack`; `access` has the users, and `erasure` carries out what people ask for."""
        self._access, self._erasure = access, erasure
        super().__init__(scope, construct_id, storage=storage, layers=layers, network=network)
        # The gate compares the next deploy with it.
        sources = (self.fleet.layers.bundle / bundle.DEPLOYED).read_text()
        self.template_options.metadata = {deployed.METADATA: sources}
        # Of intake and of fraud it is validation and arithmetic that take the time.
        self._function = partial(
            PlatformFunction, self, fleet=self.fleet, memory_mb=ONE_PROCESSOR_MB, timeout=ANSWER
        )
        capture = Capture(self, "Capture", fleet=self.fleet)
        functions = {function.node.id: function for function in self._behind_the_api()}
        self._allow_bi(functions["manage_access"])
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
                layers=("runtime", "policies", "privacy"),
                variables={
                    "user_pool_issuer": access.issuer,
                    "user_pool_client_id": access.client_id,
                },
            ),
            functions=functions,
            after=capture.resource,
        )
        AccessLogKeeping(self, "AccessLog", fleet=self.fleet, access_logs=self.api.access_logs)
        from_bus = self._function(
            "receive_bus_events",
            description="Takes events from EventBridge, for the tenants of their bindings.",
            layers=PROTECTING,
        )
        BusFeeder(self, "BusFeeder", fleet=self.fleet, function=from_bus, after=capture.resource)
        waiting = WaitingReplay(self, "Waiting", fleet=self.fleet)
        waiting.resource.node.add_dependency(capture.resource)
        files = FileImport(self, "Files", fleet=self.fleet, after=capture.resource)
        databases = DatabaseReading(self, "Databases", fleet=self.fleet, after=capture.resource)
        for writer in (
            functions["post_events"],
            functions["collect"],
            functions["receive_webhooks"],
            functions["replay_quarantine"],
            functions["change_alerts"],
            functions["manage_access"],
            from_bus,
            files.function,
            databases.function,
            waiting.function,
        ):
            # A deploy that raises `type_shards`: nothing is written to a shard before lists read it.
            writer.function.node.add_dependency(functions["read_api"].function)
        Canary(self, "Canary", fleet=self.fleet, api_url=self.api.url)
        self._watch(functions)
        CfnOutput(self, "ApiUrl", value=self.api.url)
        CfnOutput(self, "QueryFunction", value=functions["query_lake"].function.function_name)

    def _behind_the_api(self) -> list[PlatformFunction]:
        return [
            self._function(
                "post_events",
                description="Takes events over HTTP: validates, enriches and appends them, and keeps what it refuses.",
                layers=PROTECTING,
            ),
            self._function(
                "collect",
                description="Takes events of browsers and of other systems' SDKs, by a write key, and answers in their forms.",
                layers=PROTECTING,
            ),
            self._function(
                "receive_webhooks",
                description="Takes deliveries of webhooks, by the signature of their provider.",
                layers=PROTECTING,
            ),
            self._function(
                "read_api",
                description="Answers reads: events, traces, schemas, quarantine, what stands behind tokens, the API's own document and health.",
                layers=PROTECTING,
                memory_mb=1024,
            ),
            self._function(
                "read_analytics",
                description="Answers reads of aggregates: windows of what was counted.",
                layers=("runtime", "sketches", "privacy"),
            ),
            self._function(
                "replay_quarantine",
                description="Replays refused events through intake, repaired, or closes them.",
                layers=PROTECTING,
            ),
            self._function(
                "manage_access",
                description="Makes, lists and changes tenants, users and keys, and says who calls.",
                memory_mb=512,
                layers=("runtime", "policies", "privacy"),
                resources={USER_POOL: self._access.pool},
                variables=self._bi(),
            ),
            self._function(
                "change_alerts",
                description="Acknowledges and mutes alerts.",
                memory_mb=512,
                layers=PROTECTING,
            ),
            self._function(
                "decide_grants",
                description="Takes requests for access, and their approvals.",
                memory_mb=512,
                layers=("runtime", "policies"),
            ),
            self._function(
                "change_subjects",
                description="Takes what people ask for: to be erased, exported, restricted; and what forbids it.",
                memory_mb=1024,
                layers=PROTECTING,
                resources={
                    Resource("machine", MACHINE): Deployed(self._erasure.arn, self._erasure.arn),
                },
            ),
            self._function(
                "predict",
                description="Decides on a transaction in a request, from what is stored of its user; stores nothing.",
                layers=("runtime", "onnx", "privacy"),
                variables=self.settings.fraud_budgets(),
            ),
            self._function(
                "query_lake",
                description="Runs SQL of people over the lake: rows and columns that each may see.",
                memory_mb=self.settings.lakehouse.query_memory_mb,
                storage_mb=self.settings.lakehouse.query_storage_mb,
                # Of an operator's; a caller of the API is answered before the gateway gives up.
                timeout=QUERY,
                layers=("runtime", "duckdb", "avro"),
                variables={"read_mb": str(self.settings.lakehouse.query_read_mb)},
            ),
            self._function(
                "check_schema",
                description="Checks whether a contract could be deployed beside those in force.",
                memory_mb=1024,
                layers=("runtime", "registry"),
            ),
        ]

    def _bi(self) -> dict[str, str]:
        """Where roles for BI are assumed; nowhere without Lake Formation."""
        if self.settings.omits(Omission.LAKE_FORMATION):
            return {}
        return {"bi_account": self.account, "bi_lake": self.storage.lake.bucket_name}

    def _allow_bi(self, function: PlatformFunction) -> None:
        if not self.settings.omits(Omission.LAKE_FORMATION):
            function.role.allow_wildcard(
                "BiRoles",
                "sts:AssumeRole",
                on=f"arn:aws:iam::{self.account}:role/millrace-{self.settings.name}-bi-*",
                reason="A role for each tenant and role of its people, which the operator makes.",
            )

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
