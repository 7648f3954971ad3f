"""The way in and the reads: the HTTP API, its authorizer, intake, and capture, which is open before the API is."""

from pathlib import Path

from aws_cdk import CfnOutput, Duration, Stack
from constructs import Construct

from stacks.constructs.capture import Capture
from stacks.constructs.fleet import Fleet
from stacks.constructs.http_api import EventApi
from stacks.constructs.lake import QUARANTINE
from stacks.constructs.platform_function import PlatformFunction
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
        self._fleet = Fleet(
            self, "Fleet", settings=settings, third_party=("runtime",), layers=layers, alarms=storage.alarms
        )
        capture = Capture(
            self, "Capture", fleet=self._fleet, table=storage.events.table, stream=storage.stream
        )
        self.api = EventApi(
            self,
            "HttpApi",
            settings=settings,
            authorizer=self._authorize(),
            functions={"post_events": self._post_events(), "read_api": self._read_api()},
            after=capture.resource,
        )
        CfnOutput(self, "ApiUrl", value=self.api.url)

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
        storage = self._storage
        function = PlatformFunction(
            self,
            "post_events",
            fleet=self._fleet,
            description="Takes events over HTTP: validates, enriches and appends them, and keeps what it refuses.",
            memory_mb=1769,  # one whole processor; validation is what takes the time
            timeout=Duration.seconds(29),
            variables={
                "events_table": storage.events.table.table_name,
                "metadata_table": storage.metadata.table.table_name,
                "lake_bucket": storage.lake.bucket_name,
                "tenant_key_id": storage.tenant_key.key_id,
            },
        )
        function.allow("dynamodb:PutItem", on=[storage.events.table.table_arn])
        function.allow(
            "dynamodb:BatchWriteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            on=[storage.metadata.table.table_arn],
        )
        function.allow("kms:Decrypt", "kms:GenerateDataKey", on=[storage.tenant_key.key_arn])
        function.allow_use_of(storage.data_key)
        function.allow_prefix(
            "s3:PutObject",
            bucket=storage.lake,
            prefix=QUARANTINE,
            reason="Each request's refused events become one object, named by tenant, day and request.",
        )
        return function

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
                "lake_bucket": storage.lake.bucket_name,
            },
        )
        tables = [storage.events, storage.user_events, storage.metadata]
        function.allow(
            "dynamodb:BatchGetItem",
            "dynamodb:GetItem",
            "dynamodb:Query",
            on=[table.table.table_arn for table in tables],
        )
        function.allow("dynamodb:Query", on=[*storage.events.index_arns, *storage.user_events.index_arns])
        function.allow_use_of(storage.data_key)
        function.allow_prefix(
            "s3:GetObject",
            bucket=storage.lake,
            prefix=QUARANTINE,
            reason="Which refused request is asked for is known only when it is asked for.",
        )
        return function
