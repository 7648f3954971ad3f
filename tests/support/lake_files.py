"""Small Parquet files of a table and the documents that name them, as workers write them."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import boto3
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts.columns import Array, Column, Scalar, Struct
from millrace.contracts.tables import LakeTable
from millrace.core.objects import Objects
from millrace.iceberg import layout, shape
from millrace.quality.result import CheckResult
from millrace.runs.documents import (
    Failure,
    Part,
    Plan,
    Prepared,
    RawObject,
    SilverBatch,
    TableChunk,
    TenantDay,
    Unit,
    Work,
)
from millrace.runs.store import RunStore
from tests.support.emulator import Lake

SILVER, BUILT = "silver.order_created_v1", "marts.orders"
COLUMNS = (
    Column("event_id", None, Scalar("string"), True, "The id. " + "x" * 300, unique=True),
    Column("event_time", None, Scalar("timestamptz"), True, "When."),
    Column("org_id", None, Scalar("string"), True, "Whose."),
    Column("amount", None, Scalar("decimal"), False, ""),
    Column(
        "items",
        None,
        Array(Struct((("sku", Scalar("string"), True), ("price", Scalar("decimal"), False)))),
        False,
        "",
    ),
)
ARROW = pa.schema(
    [
        ("event_id", pa.string()),
        ("event_time", pa.timestamp("us", "UTC")),
        ("org_id", pa.string()),
        ("amount", pa.decimal128(18, 4)),
        ("items", pa.list_(pa.struct([("sku", pa.string()), ("price", pa.decimal128(18, 4))]))),
    ]
)


def table(name: str = SILVER, *, grain: Any = "day", more: tuple[Column, ...] = ()) -> LakeTable:
    """A contract; `more` are columns that a later minor adds."""
    layer, short = layout.split(name)
    time = "event_time" if grain == "day" else None
    return LakeTable(layer, short, (*COLUMNS, *more), grain, time, "hourly", "Orders.", "team")


def rows(org: str, day: str, count: int, start: int = 0) -> pa.Table:
    """Rows of a tenant's day; the ids count from `start`."""
    midnight = datetime.fromisoformat(day).replace(tzinfo=UTC)
    return pa.Table.from_pylist(
        [
            {
                "event_id": f"{org}-{day}-{start + n}",
                "event_time": midnight + timedelta(seconds=n % 86_400),
                "org_id": org,
                "amount": Decimal(n),
                "items": [{"sku": "a", "price": Decimal("1.5")}],
            }
            for n in range(count)
        ],
        schema=ARROW,
    )


def complete(contract: LakeTable, data: pa.Table) -> pa.Table:
    """Rows with some value in every column that the contract requires and they lack."""
    missing = shape.never_null(contract) - set(data.column_names)
    for field in shape.schema(contract, ()).as_arrow():
        if field.name in missing:
            value = "2026-11-20T00:00:00Z" if pa.types.is_timestamp(field.type) else "1"
            data = data.append_column(field.name, pa.array([value] * len(data)).cast(field.type))
    return data


def write(lake: Lake, path: str, table: pa.Table) -> None:
    """Puts a table as Parquet, zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd")
    bucket, _, key = path.removeprefix("s3://").partition("/")
    boto3.client("s3", endpoint_url=lake.endpoint).put_object(
        Bucket=bucket, Key=key, Body=sink.getvalue().to_pybytes()
    )


def part(
    lake: Lake,
    run: str,
    org: str,
    day: str | None,
    count: int,
    *,
    name: str = SILVER,
    number: int = 0,
    start: int = 0,
    data: pa.Table | None = None,
    failed: int = 0,
) -> Part:
    """Writes a data file and gives its part; `failed` rows fail a blocking check."""
    file = None
    if count:
        file = layout.data_file(lake.bucket, name, run, org, day, number)
        write(lake, file, data if data is not None else rows(org, day or "2026-11-20", count, start))
    checks = (CheckResult("amount is not negative", "blocking", failed, count),)
    manifest = f"m-{run}" if name == SILVER else ""
    return Part(name, org, day, file, count + 1, count, duplicates=1, checks=checks, manifest=manifest)


def keep_plan(
    lake: Lake, run: str, days: list[tuple[str, str]], bases: dict[str, str | None], batches: int = 1
) -> Plan:
    """Keeps a plan of these tenant-days, all in each of `batches` batches."""
    partitions = tuple(TenantDay(org, day, (RawObject("raw/x", 1),), None, f"m-{run}") for org, day in days)
    units = tuple(Unit(org, day, 0, 1) for org, day in days)
    plan = Plan(run, "2026-11-21T00:00:00.000Z", ("hourly",), partitions, (units,) * batches, (), bases)
    store(lake).put_plan(plan)
    return plan


def keep_batch(
    lake: Lake, run: str, parts: list[Part], failures: tuple[Failure, ...] = (), n: int = 0
) -> None:
    """Keeps what came of a batch."""
    store(lake).put_silver(SilverBatch(run, n, tuple(parts), failures))


def keep_built(
    lake: Lake,
    run: str,
    parts: list[Part],
    *,
    base: str | None,
    partitions: list[tuple[str, str | None]] | None = None,
    failures: tuple[Failure, ...] = (),
    whole: bool = False,
    definition: str = "d1",
) -> None:
    """Keeps what a table was to be built of, and what came of its one chunk."""
    chosen = [(p.org, p.day) for p in parts] if partitions is None else partitions
    chunk = tuple(Work(org, day) for org, day in chosen)
    store(lake).put_prepared(Prepared(run, BUILT, "ready", "", definition, base, (), (chunk,), whole=whole))
    store(lake).put_chunk(TableChunk(run, BUILT, 0, tuple(parts), failures))


def store(lake: Lake) -> RunStore:
    """The documents of runs."""
    return RunStore(Objects(lake.s3, lake.bucket))
