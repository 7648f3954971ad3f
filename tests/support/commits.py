"""Runs of silver committed to Iceberg tables of the emulator, and what the tables hold then."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from millrace.contracts.columns import Column, Scalar
from millrace.contracts.tables import LakeTable
from millrace.iceberg import tables as iceberg
from millrace.iceberg.commit import Committer
from millrace.iceberg.tables import OpenTable, open_table
from millrace.runs.documents import Committed
from tests.support import lake_files
from tests.support.emulator import Lake
from tests.support.lake_files import BUILT, SILVER, keep_batch, keep_plan, part

ACME, GLOBEX = "org_acme", "org_globex"
FIRST, SECOND = "2026-11-20", "2026-11-21"
NOTE = Column("note", None, Scalar("string"), False, "")


def opened(lake: Lake, name: str = SILVER) -> OpenTable:
    table = open_table(iceberg.catalog(lake.environment, lake.bucket), name)
    assert table is not None
    return table


def base(lake: Lake, name: str = SILVER) -> dict[str, str | None]:
    table = open_table(iceberg.catalog(lake.environment, lake.bucket), name)
    return {name: table.metadata_location if table is not None else None}


def committer(
    lake: Lake,
    contract: LakeTable | None = None,
    optimize: Callable[[OpenTable], Mapping[str, str]] = lambda _: {},
) -> Committer:
    tables = {SILVER: lake_files.table(), BUILT: lake_files.table(BUILT)}
    if contract is not None:
        tables[contract.full_name] = contract
    catalog = iceberg.catalog(lake.environment, lake.bucket)
    return Committer(lake_files.store(lake), catalog, tables, optimize)


def commit(lake: Lake, run: str, name: str = SILVER, contract: LakeTable | None = None) -> Committed:
    return committer(lake, contract).commit(run, name)


def silver(
    lake: Lake,
    run: str,
    *sizes: tuple[str, str, int],
    bases: dict[str, str | None] | None = None,
    contract: LakeTable | None = None,
) -> Committed:
    """A whole run of silver: planned, written, committed."""
    keep_plan(lake, run, [size[:2] for size in sizes], base(lake) if bases is None else bases)
    keep_batch(lake, run, [part(lake, run, *size) for size in sizes])
    return commit(lake, run, contract=contract)


def counted(lake: Lake, name: str = SILVER, **request: Any) -> dict[tuple[str, str | None], int]:
    """Rows by partition, read from the files themselves."""
    table = opened(lake, name)
    snapshot = request.get("snapshot_id", table.snapshot_id)
    arrow = table.table.scan(snapshot_id=snapshot).to_arrow()
    days = arrow["event_time"].cast("timestamp[us]").cast("date32").to_pylist()
    return dict(
        Counter((org, day.isoformat()) for org, day in zip(arrow["org_id"].to_pylist(), days, strict=True))
    )
