"""Commits to a table whose contract has changed: columns come, types widen, and old rows stay readable."""

from collections import Counter
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from millrace.contracts.columns import Array, Column, Scalar
from millrace.lake.duck import S3Access, connect, create_view
from millrace.runs.documents import Failure
from tests.support import lake_files
from tests.support.commits import ACME, FIRST, GLOBEX, NOTE, SECOND, base, commit, counted, opened, silver
from tests.support.emulator import Lake
from tests.support.lake_files import BUILT, keep_batch, keep_built, keep_plan, part, rows


def test_a_column_is_added_and_old_rows_stay_readable(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    keep_plan(lake, "r2", [(ACME, SECOND)], base(lake))
    data = rows(ACME, SECOND, 2).append_column("note", [["a", "b"]])
    keep_batch(lake, "r2", [part(lake, "r2", ACME, SECOND, 2, data=data)])
    done = commit(lake, "r2", contract=lake_files.table(more=(NOTE,)))
    assert done.columns[-1] == "note"
    notes = opened(lake).table.scan().to_arrow()["note"].to_pylist()
    assert Counter(notes) == {None: 5, "a": 1, "b": 1}
    # An older worker, still without the column.
    silver(lake, "r3", (GLOBEX, SECOND, 1))
    assert opened(lake).columns[-1] == ("note", "VARCHAR"), "nothing is dropped"


@pytest.mark.parametrize(
    ("before", "after", "lands"),
    [("int", "long", True), ("long", "int", True), ("int", "string", False), ("string", "list", False)],
)
def test_a_type_may_widen_and_nothing_else(lake: Lake, before: str, after: str, lands: bool) -> None:
    import pyarrow as pa

    arrow = {
        "int": pa.array([7], pa.int32()),
        "long": pa.array([7], pa.int64()),
        "string": pa.array(["7"]),
        "list": pa.array([["7"]]),
    }
    for run, day, kind in (("r1", FIRST, before), ("r2", SECOND, after)):
        keep_plan(lake, run, [(ACME, day)], base(lake))
        data = rows(ACME, day, 1).append_column("count", arrow[kind])
        keep_batch(lake, run, [part(lake, run, ACME, day, 1, data=data)])
        type_ = Array(Scalar("string")) if kind == "list" else Scalar(kind)
        contract = lake_files.table(more=(Column("count", None, type_, False, ""),))
        done = commit(lake, run, contract=contract)
    if lands:
        assert done.status == "committed"
        assert opened(lake).table.scan().to_arrow()["count"].to_pylist() == [7, 7]
    else:
        assert done.status == "failed"
        assert "cannot become what its contract says" in done.left_out[0].error
        assert counted(lake) == {(ACME, FIRST): 1}


@pytest.mark.parametrize(
    ("before", "after", "held", "sum_"),
    [
        ("decimal", "decimal(38,4)", Decimal("7.5000"), Decimal(10) ** 24 + Decimal("0.0001")),
        ("long", "decimal(38,0)", 2**63 - 1, 10**36),
        ("int", "decimal(38,0)", 7, 10**36),
    ],
)
def test_a_column_that_sums_outgrew_grows(lake: Lake, before: str, after: str, held: Any, sum_: Any) -> None:
    """Made anew for one tenant; another's rows could not be, and are read as they were."""
    kinds = {"int": "INTEGER", "long": "BIGINT", "decimal": "DECIMAL(18,4)"}
    plan = (("r1", ACME, before, held), ("r1", GLOBEX, before, held), ("r2", ACME, after, sum_))
    for run in ("r1", "r2"):
        parts = []
        for _, org, kind, value in (one for one in plan if one[0] == run):
            typed = kinds.get(kind, kind)
            data = duckdb.execute(
                f"SELECT 'e' AS event_id, TIMESTAMPTZ '{FIRST} 00:00:00+00' AS event_time, '{org}' AS org_id, "
                f"CAST('{value}' AS {typed}) AS total"
            ).to_arrow_table()
            parts.append(part(lake, run, org, FIRST, 1, name=BUILT, data=data))
        failures = (Failure(GLOBEX, FIRST, "no"),) if run == "r2" else ()
        partitions: list[tuple[str, str | None]] = [(ACME, FIRST), (GLOBEX, FIRST)]
        held_by = base(lake, BUILT)[BUILT]
        keep_built(
            lake,
            run,
            parts,
            base=held_by,
            partitions=partitions,
            failures=failures,
            whole=run == "r2",
            definition=run,
        )
        column = Column("total", None, Scalar(after if run == "r2" else before), False, "")
        done = commit(lake, run, BUILT, lake_files.table(BUILT, more=(column,)))
        assert done.status == "committed", done.left_out
    assert [failure.org for failure in done.left_out] == [GLOBEX]
    table = opened(lake, BUILT)
    typed = dict(table.columns)["total"]
    assert typed == after.upper()
    first = table.snapshots()[0].id
    for snapshot, wanted in ((None, {ACME: sum_, GLOBEX: held}), (first, {ACME: held, GLOBEX: held})):
        connection = connect(
            memory_mb=200, threads=1, s3=S3Access("test", "test", "us-east-1", endpoint=lake.endpoint)
        )
        files = [file.path for file in table.files(snapshot_id=snapshot)]
        create_view(connection, "marts.orders", table.columns, files)
        assert dict(connection.execute("SELECT org_id, total FROM marts.orders").fetchall()) == wanted
