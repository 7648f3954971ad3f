"""The Iceberg tables of the lake in the Glue catalog: opened, and their files by tenant and day.

Imports pyiceberg, so only workers with its layer, the command line and tests import this.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import boto3
from botocore.config import Config
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.manifest import DataFile as IcebergFile
from pyiceberg.manifest import ManifestContent, ManifestFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.table import StaticTable, Table, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.update import TableUpdate
from pyiceberg.transforms import DayTransform
from pyiceberg.types import DecimalType, IcebergType, ListType, MapType, StructType

from millrace.core import clock
from millrace.core.aws import calling
from millrace.core.errors import PermanentError
from millrace.core.sql import identifier
from millrace.iceberg.data_file import DataFile
from millrace.iceberg.layout import DUCKDB, ORG_COLUMN, READERS, database, split

CONNECT_SECONDS = 2
READ_SECONDS = 30


@dataclass(frozen=True, slots=True)
class IcebergCatalog:
    """The catalog of an environment, and the bucket its tables lie in."""

    environment: str
    bucket: str
    glue: GlueCatalog

    def identifier(self, name: str) -> tuple[str, str]:
        """Database and table of a full name such as `silver.order_created_v1`."""
        layer, table = split(name)
        return database(self.environment, layer), table


@dataclass(frozen=True, slots=True)
class SnapshotInfo:
    """A snapshot of a table. `properties` are its summary's, ours among them (`millrace.run` …)."""

    id: int
    parent: int | None
    at: datetime
    operation: str
    properties: dict[str, str]


class _Transaction(Transaction):
    """pyiceberg's own applies all that is staged, and copies the whole table, each time somebody looks: forty times a commit."""

    _seen: tuple[TableMetadata, tuple[TableUpdate, ...]] | None = None
    _metadata: TableMetadata

    @property
    def table_metadata(self) -> TableMetadata:
        base, updates = self._table.metadata, self._updates
        if self._seen is None or self._seen[0] is not base or self._seen[1] is not updates:
            self._metadata, self._seen = super().table_metadata, (base, updates)
        return self._metadata


class OpenTable:
    """A table as it was when it was opened: a later commit is seen only by opening it again."""

    def __init__(self, name: str, table: Table) -> None:
        self.name, self.table = name, table

    @property
    def metadata_location(self) -> str:
        return self.table.metadata_location

    @property
    def snapshot_id(self) -> int | None:
        """The current snapshot; None before the first commit."""
        snapshot = self.table.current_snapshot()
        return snapshot.snapshot_id if snapshot is not None else None

    @property
    def properties(self) -> dict[str, str]:
        return dict(self.table.properties)

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Name and DuckDB type of each column, in the order of the current schema."""
        return [(field.name, duckdb_type(field.field_type)) for field in self.table.schema().fields]

    def transaction(self) -> Transaction:
        """An empty transaction of the table."""
        return _Transaction(self.table)

    def snapshots(self) -> list[SnapshotInfo]:
        """Every snapshot that is kept, oldest first."""
        return sorted((_info(snapshot) for snapshot in self.table.snapshots()), key=lambda info: info.at)

    def files(self, snapshot_id: int | None = None, at: datetime | None = None) -> list[DataFile]:
        """The data files of a snapshot, of the last one by default.

        Args:
            snapshot_id: of this snapshot.
            at: of the snapshot that was current at this moment; none before the first.

        Raises:
            PermanentError: there is no such snapshot (any more), or another program has deleted rows by delete files.
        """
        snapshot = self._snapshot(snapshot_id, at)
        if snapshot is None:
            return []
        with ThreadPoolExecutor(READERS) as pool:
            held = pool.map(self._of, snapshot.manifests(self.table.io))
            return [file for files in held for file in files]

    def _snapshot(self, snapshot_id: int | None, at: datetime | None) -> Snapshot | None:
        if snapshot_id is not None:
            snapshot = self.table.snapshot_by_id(snapshot_id)
            if snapshot is None:
                raise PermanentError(f"{self.name} has no snapshot {snapshot_id} (any more)")
            return snapshot
        if at is not None:
            return self.table.snapshot_as_of_timestamp(clock.epoch_millis(at))
        return self.table.current_snapshot()

    def _of(self, manifest: ManifestFile) -> list[DataFile]:
        if manifest.content != ManifestContent.DATA:
            if manifest.has_added_files() or manifest.has_existing_files():
                raise PermanentError(
                    f"{self.name} has delete files, which Millrace does not write and does not read: "
                    "compact the table with the program that made them"
                )
            return []
        spec = self.table.specs()[manifest.partition_spec_id]
        entries = manifest.fetch_manifest_entry(self.table.io, discard_deleted=True)
        return [data_file(self.table, spec, entry.data_file) for entry in entries]


def catalog(environment: str, bucket: str) -> IcebergCatalog:
    """The Glue catalog, with the endpoint, keys and region that boto3 has; made anew for each invocation.

    Args:
        environment: `local`, `dev`, `staging` or `prod`.
        bucket: the lake's.
    """
    session = boto3.Session()
    # One try a call: an UpdateTable that timed out may have been done, and a second try of botocore's would be answered that
    # somebody else changed the table, on which pyiceberg removes the manifests of what is committed. The caller tries again.
    config = Config(
        connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1}
    )
    return IcebergCatalog(
        environment,
        bucket,
        GlueCatalog("millrace", client=session.client("glue", config=config), **_properties(session)),
    )


def open_table(catalog: IcebergCatalog, name: str) -> OpenTable | None:
    """A table by its full name; None where there is none.

    Raises:
        MillraceError: Glue did not answer.
    """
    try:
        with calling(f"open {name}"):
            return OpenTable(name, catalog.glue.load_table(catalog.identifier(name)))
    except NoSuchTableError:
        return None


def open_metadata(catalog: IcebergCatalog, name: str, location: str) -> OpenTable:
    """A table as one of its metadata files has it.

    Raises:
        FileNotFoundError: that file is gone; only the last hundred are kept.
    """
    return OpenTable(name, StaticTable.from_metadata(location, dict(catalog.glue.properties)))


def data_file(table: Table, spec: PartitionSpec, file: IcebergFile) -> DataFile:
    """A file's entry with the tenant and day of its partition."""
    org, day = "", None
    for position, field in enumerate(spec.fields):
        value = file.partition[position]
        if isinstance(field.transform, DayTransform):
            day = None if value is None else _day(value).isoformat()
        elif table.schema().find_column_name(field.source_id) == ORG_COLUMN:
            org = str(value)
    return DataFile(file.file_path, org, day, file.record_count, file.file_size_in_bytes, file)


def duckdb_type(of: IcebergType) -> str:
    """An Iceberg type as DuckDB writes it: `STRUCT("product_id" VARCHAR)[]`."""
    if isinstance(of, ListType):
        return f"{duckdb_type(of.element_type)}[]"
    if isinstance(of, StructType):
        return f"STRUCT({', '.join(f'{identifier(f.name)} {duckdb_type(f.field_type)}' for f in of.fields)})"
    if isinstance(of, MapType):
        return f"MAP({duckdb_type(of.key_type)}, {duckdb_type(of.value_type)})"
    if isinstance(of, DecimalType):
        return f"DECIMAL({of.precision},{of.scale})"
    return DUCKDB[str(of)]


def _day(value: Any) -> date:
    # A manifest that was read holds days since 1970, one that pyiceberg has just made may hold a date.
    return value if isinstance(value, date) else clock.EPOCH.date() + timedelta(days=int(value))


def _info(snapshot: Snapshot) -> SnapshotInfo:
    summary = snapshot.summary
    return SnapshotInfo(
        id=snapshot.snapshot_id,
        parent=snapshot.parent_snapshot_id,
        at=clock.from_epoch_millis(snapshot.timestamp_ms),
        operation=summary.operation.value if summary is not None else "",
        properties=dict(summary.additional_properties) if summary is not None else {},
    )


def _properties(session: boto3.Session) -> dict[str, str]:
    """How pyarrow reaches S3: the same keys, region and endpoint as boto3, which finds profiles that pyarrow does not."""
    properties = {"s3.region": session.region_name or "us-east-1"}
    credentials = session.get_credentials()
    if credentials is not None:
        keys = credentials.get_frozen_credentials()
        properties |= {"s3.access-key-id": keys.access_key, "s3.secret-access-key": keys.secret_key}
        if keys.token:
            properties["s3.session-token"] = keys.token
    endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        properties |= {"s3.endpoint": endpoint, "s3.force-virtual-addressing": "false"}
    return properties
