"""The functions of a run, each with the rights of its step."""

from collections.abc import Mapping

from aws_cdk import Duration
from constructs import Construct

from millrace.core.prefixes import CURATED, DEAD_LETTERS, FEATURE_STATES, LINEAGE, PROCESSED, RAW, RUNS
from stacks.constructs.fleet import Fleet
from stacks.constructs.platform_function import PlatformFunction
from stacks.constructs.table_optimizers import TableOptimizers
from stacks.storage import StorageStack

DUCKDB = ("runtime", "duckdb")
ICEBERG = ("runtime", "lake", "iceberg")
# Glue's part of a commit; the check of the version that it replaces is Glue's own.
READS_TABLES = ("glue:GetDatabase", "glue:GetTable", "glue:GetTables")
WRITES_TABLES = (*READS_TABLES, "glue:CreateTable", "glue:UpdateTable")
TABLES_REASON = "Tables are made from contracts while the platform runs, so only their database is known."
# A unit of work is up to a million rows; what takes longer than Lambda's longest is a fault, and is named as one.
WORKER = Duration.minutes(15)


class LakeFunctions:
    """Makes the functions in the stack; each is an attribute by its stem."""

    def __init__(
        self, scope: Construct, *, fleet: Fleet, storage: StorageStack, databases: Mapping[str, str]
    ) -> None:
        """Makes them.

        Args:
            scope: the stack.
            fleet: the stack's.
            storage: tables and the lake.
            databases: layer → name of its Glue database.
        """
        self._scope, self._fleet, self._storage = scope, fleet, storage
        self._databases = [name for layer, name in databases.items() if layer != "raw"]
        self._lakehouse = fleet.settings.lakehouse
        self.plan_run = self._plan_run()
        self.transform_partitions = self._transform_partitions()
        self.commit_table = self._commit_table()
        self.prepare_table = self._prepare_table()
        self.build_table = self._build_table()
        self.pin_sources = self._pin_sources()
        self.materialize_features = self._materialize_features()
        self.publish_run = self._publish_run()
        self.maintain_table = self._maintain_table()
        self.plan_backfill = self._plan_backfill()

    def _plan_run(self) -> PlatformFunction:
        function = self._step(
            "plan_run",
            "Finds the tenant-days that a run takes in, from the manifest, and puts them into portions.",
            memory_mb=1024,
            variables=self._metadata,
        )
        function.allow("dynamodb:Query", on=[self._storage.metadata.table.table_arn])
        function.allow_tables(*READS_TABLES, databases=self._databases, reason=TABLES_REASON)
        return function

    def _transform_partitions(self) -> PlatformFunction:
        function = self._worker("transform_partitions", "Makes silver's rows of a portion of tenant-days.")
        self._read(function, RAW)
        # What it has written it measures: the checks of quality are over the file itself.
        self._read(function, PROCESSED)
        self._write(function, PROCESSED)
        self._write(function, f"{DEAD_LETTERS}transform_partitions/")
        return function

    def _commit_table(self) -> PlatformFunction:
        optimizers = None
        if self._lakehouse.optimizers:
            optimizers = TableOptimizers(
                self._scope,
                "Optimizers",
                lake=self._storage.lake,
                key=self._storage.data_key,
                databases=self._databases,
            )
        function = self._step(
            "commit_table",
            "Replaces the partitions of a table that a run holds, in one transaction.",
            memory_mb=1769,
            timeout=WORKER,
            layers=ICEBERG,
            variables={"optimizer_role_arn": optimizers.role.role_arn} if optimizers else None,
        )
        if optimizers is not None:
            optimizers.let_make(function, self._databases)
        self._keep_tables(
            function,
            deleted="A commit that another came before takes its manifests away, and only so many versions of a table's metadata are kept.",
        )
        return function

    def _prepare_table(self) -> PlatformFunction:
        function = self._step(
            "prepare_table",
            "Finds what a table is built of, and for which tenants and days.",
            memory_mb=1769,
            layers=ICEBERG,
        )
        self._read_tables(function)
        return function

    def _build_table(self) -> PlatformFunction:
        function = self._worker("build_table", "Runs a table's SQL over one tenant after the other.")
        self._read(function, PROCESSED)
        self._read(function, CURATED)
        self._write(function, CURATED)
        return function

    def _pin_sources(self) -> PlatformFunction:
        function = self._step(
            "pin_sources",
            "Writes down which snapshots of the tables a run reads features from.",
            memory_mb=1769,
            layers=ICEBERG,
        )
        self._read_tables(function)
        return function

    def _materialize_features(self) -> PlatformFunction:
        features = self._storage.features.table
        function = self._worker(
            "materialize_features",
            "Brings a tenant's newest features into the online store.",
            layers=("runtime", "lake", "duckdb"),
            variables={"feature_store_table": features.table_name},
        )
        function.allow(
            "dynamodb:BatchWriteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:UpdateItem",
            on=[features.table_arn],
        )
        for prefix in (PROCESSED, CURATED):
            self._read(function, prefix)
        self._write(function, FEATURE_STATES)
        return function

    def _publish_run(self) -> PlatformFunction:
        function = self._step(
            "publish_run",
            "Says what a run did: summary, lineage, catalog, quality; what is done is no longer pending.",
            memory_mb=1769,
            variables={**self._metadata, "events_table": self._storage.events.table.table_name},
        )
        function.allow(
            "dynamodb:BatchWriteItem",
            "dynamodb:DeleteItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:UpdateItem",
            on=[self._storage.metadata.table.table_arn],
        )
        function.allow("dynamodb:PutItem", on=[self._storage.events.table.table_arn])
        self._read(function, f"{DEAD_LETTERS}transform_partitions/")
        self._write(function, LINEAGE)
        return function

    def _maintain_table(self) -> PlatformFunction:
        function = self._step(
            "maintain_table",
            "Expires a table's old snapshots and removes files that no snapshot names.",
            memory_mb=1769,
            timeout=WORKER,
            layers=ICEBERG,
        )
        self._keep_tables(
            function, deleted="Files that no snapshot names any more are known when they are looked for."
        )
        return function

    def _read_tables(self, function: PlatformFunction) -> None:
        """Lets a function open tables and their files."""
        for prefix in (PROCESSED, CURATED):
            self._read(function, prefix)
        function.allow_tables(*READS_TABLES, databases=self._databases, reason=TABLES_REASON)

    def _keep_tables(self, function: PlatformFunction, *, deleted: str) -> None:
        """Lets a function change tables and their files; `deleted` says why it takes some away."""
        for prefix in (PROCESSED, CURATED):
            self._read(function, prefix)
            self._write(function, prefix)
            function.allow_prefix("s3:DeleteObject", bucket=self._storage.lake, prefix=prefix, reason=deleted)
        function.allow_tables(*WRITES_TABLES, databases=self._databases, reason=TABLES_REASON)

    def _plan_backfill(self) -> PlatformFunction:
        return self._step(
            "plan_backfill", "Finds the days of a backfill that are still to be done.", memory_mb=512
        )

    @property
    def _metadata(self) -> dict[str, str]:
        return {"metadata_table": self._storage.metadata.table.table_name}

    def _worker(
        self,
        stem: str,
        description: str,
        *,
        layers: tuple[str, ...] = DUCKDB,
        variables: Mapping[str, str] | None = None,
    ) -> PlatformFunction:
        return self._step(
            stem,
            description,
            memory_mb=self._lakehouse.worker_memory_mb,
            storage_mb=self._lakehouse.worker_storage_mb,
            timeout=WORKER,
            layers=layers,
            variables={
                "memory_mb": str(self._lakehouse.worker_memory_mb),
                # The rest of /tmp is Python's and whatever else writes there.
                "temp_mb": str(self._lakehouse.worker_storage_mb - 512),
                **(variables or {}),
            },
        )

    def _step(
        self,
        stem: str,
        description: str,
        *,
        memory_mb: int,
        timeout: Duration | None = None,
        layers: tuple[str, ...] = ("runtime",),
        variables: Mapping[str, str] | None = None,
        storage_mb: int | None = None,
    ) -> PlatformFunction:
        function = PlatformFunction(
            self._scope,
            stem,
            fleet=self._fleet,
            description=description,
            memory_mb=memory_mb,
            timeout=timeout or Duration.minutes(5),
            layers=layers,
            variables={"lake_bucket": self._storage.lake.bucket_name, **(variables or {})},
            storage_mb=storage_mb,
        )
        function.allow_use_of(self._storage.data_key)
        # Without it an object that is not there is refused instead of missed, and a run's documents could not be found.
        function.allow("s3:ListBucket", on=[self._storage.lake.bucket_arn])
        function.allow_prefix(
            "s3:GetObject",
            "s3:PutObject",
            bucket=self._storage.lake,
            prefix=RUNS,
            reason="What the steps of a run tell each other lies below the run's name.",
        )
        return function

    def _read(self, function: PlatformFunction, prefix: str) -> None:
        function.allow_prefix(
            "s3:GetObject",
            bucket=self._storage.lake,
            prefix=prefix,
            reason="Which objects a run reads is written in its plan and in the tables' metadata.",
        )

    def _write(self, function: PlatformFunction, prefix: str) -> None:
        function.allow_prefix(
            "s3:PutObject",
            bucket=self._storage.lake,
            prefix=prefix,
            reason="Objects are named by table, run, tenant and day.",
        )
