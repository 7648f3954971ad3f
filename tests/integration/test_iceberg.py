"""Tables opened from the catalog: columns as DuckDB has them, files by tenant and day, snapshots."""

from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, IdentityTransform
from pyiceberg.types import (
    DecimalType,
    IntegerType,
    ListType,
    NestedField,
    StringType,
    StructType,
    TimestamptzType,
)

from millrace.core.errors import PermanentError
from millrace.iceberg import tables
from tests.support.emulator import Lake

ITEMS = ListType(
    7, StructType(NestedField(8, "sku", StringType()), NestedField(9, "price", DecimalType(18, 4))), False
)
SCHEMA = Schema(
    NestedField(1, "org_id", StringType()),
    NestedField(2, "event_time", TimestamptzType()),
    NestedField(3, "amount", DecimalType(18, 4)),
    NestedField(4, "count", IntegerType()),
    NestedField(5, "items", ITEMS),
)
SPEC = PartitionSpec(
    PartitionField(1, 1000, IdentityTransform(), "org_id"), PartitionField(2, 1001, DayTransform(), "day")
)


def test_a_table_that_is_not_there_is_none(lake: Lake) -> None:
    assert tables.open_table(tables.catalog("local", lake.bucket), "silver.nothing") is None


def test_files_columns_and_snapshots(lake: Lake) -> None:
    catalog = tables.catalog("local", lake.bucket)
    location = f"s3://{lake.bucket}/t"
    made = catalog.glue.create_table(
        catalog.identifier("silver.t"), SCHEMA, location, SPEC, properties={"format-version": "2"}
    )
    opened = tables.open_table(catalog, "silver.t")
    assert opened is not None
    assert opened.snapshot_id is None
    assert not opened.files()
    assert not opened.snapshots()
    for org, day in (("org_acme", 20), ("org_globex_with_a_long_name", 21)):
        time = datetime(2026, 11, day, 23, 59, 59, 999999, UTC)
        table = pa.table(
            {
                "org_id": [org],
                "event_time": pa.array([time], pa.timestamp("us", "UTC")),
                "count": pa.array([1], pa.int32()),
            }
        )
        path = f"{location}/data/{org}.parquet"
        with made.io.new_output(path).create() as sink:
            pq.write_table(table, sink)
        made.add_files([path], snapshot_properties={"millrace.run": f"run-{day}"})
    opened = tables.open_table(catalog, "silver.t")
    assert opened is not None
    assert opened.columns == [
        ("org_id", "VARCHAR"),
        ("event_time", "TIMESTAMPTZ"),
        ("amount", "DECIMAL(18,4)"),
        ("count", "INTEGER"),
        ("items", 'STRUCT("sku" VARCHAR, "price" DECIMAL(18,4))[]'),
    ]
    assert {(f.org, f.day, f.rows) for f in opened.files()} == {
        ("org_acme", "2026-11-20", 1),
        ("org_globex_with_a_long_name", "2026-11-21", 1),
    }
    first, second = opened.snapshots()
    assert (first.properties["millrace.run"], second.id) == ("run-20", opened.snapshot_id)
    assert [f.org for f in opened.files(first.id)] == ["org_acme"]
    assert [f.org for f in opened.files(at=first.at)] == ["org_acme"]
    assert opened.files(at=first.at - timedelta(seconds=1)) == []
    with pytest.raises(PermanentError, match="no snapshot 7"):
        opened.files(7)
    old = tables.open_metadata(catalog, "silver.t", opened.table.metadata.metadata_log[0].metadata_file)
    assert old.files() == []
    with pytest.raises(FileNotFoundError):
        tables.open_metadata(catalog, "silver.t", f"{location}/metadata/gone.metadata.json")
