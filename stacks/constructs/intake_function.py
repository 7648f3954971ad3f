"""A function that takes events: whatever the way in, it writes to the same places with the same rights."""

from collections.abc import Mapping

from aws_cdk import Duration
from constructs import Construct

from millrace.core.prefixes import QUARANTINE
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.storage import StorageStack


class IntakeFunction(PlatformFunction):
    """Appends to Events and to the log, keeps what it refuses, unwraps the keys of tenants."""

    def __init__(
        self,
        scope: Construct,
        stem: str,
        *,
        fleet: Fleet,
        storage: StorageStack,
        description: str,
        timeout: Duration | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(
            scope,
            stem,
            fleet=fleet,
            description=description,
            memory_mb=1769,  # one whole processor; validation is what takes the time
            timeout=timeout or Duration.seconds(29),
            variables={
                "events_table": storage.events.table.table_name,
                "metadata_table": storage.metadata.table.table_name,
                "lake_bucket": storage.lake.bucket_name,
                "event_stream_arn": storage.stream.stream_arn,
                "tenant_key_id": storage.tenant_key.key_id,
                **(variables or {}),
            },
        )
        self.allow("dynamodb:PutItem", on=[storage.events.table.table_arn])
        self.allow("kinesis:PutRecords", on=[storage.stream.stream_arn])
        self.allow(
            "dynamodb:BatchWriteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            on=[storage.metadata.table.table_arn],
        )
        self.allow("kms:Decrypt", "kms:GenerateDataKey", on=[storage.tenant_key.key_arn])
        self.allow_use_of(storage.data_key)
        self.allow_prefix(
            "s3:PutObject",
            bucket=storage.lake,
            prefix=QUARANTINE,
            reason="Each request's refused events become one object, named by tenant, day and request.",
        )

    def allow_replay(self, storage: StorageStack) -> None:
        """Lets the function find refused events, read them and close them."""
        self.allow("dynamodb:Query", "dynamodb:UpdateItem", on=[storage.metadata.table.table_arn])
        self.allow_prefix(
            "s3:GetObject",
            bucket=storage.lake,
            prefix=QUARANTINE,
            reason="Which refused requests are replayed is known only when it is asked for.",
        )
