"""Commits to a table whose contract has changed: columns come, types widen, and old rows stay readable."""

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from pyiceberg.types import StructType

from millrace.contracts.columns import Array, Column, Scalar
from millrace.contracts.tables import LakeTable
from millrace.lake.duck import S3Access, connect, create_view
from millrace.runs.documents import Committed, Failure
from tests.support import lake_files
from tests.support.commits import ACME, FIRST, GLOBEX, NOTE, SECOND, base, commit, counted, opened, silver
from tests.support.emulator import Lake
from tests.support.lake_files import BUILT, COLUMNS, keep_batch, keep_built, keep_plan, part, rows


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


def test_a_new_table_says_what_its_contract_says(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 1))
    made = opened(lake).table
    fields = {field.name: field for field in made.schema().fields}
    assert {name for name, field in fields.items() if field.required} == {"event_id", "event_time", "org_id"}
    assert made.schema().identifier_field_names() == {"event_id", "event_time", "org_id"}
    assert fields["event_time"].doc == "When."
    assert made.properties.items() >= {"comment": "Orders.", "owner": "team"}.items()
    glue = lake.glue.get_table(DatabaseName="millrace_local_silver", Name="order_created_v1")["Table"]
    assert glue["Description"] == "Orders."
    comments = {column["Name"]: column.get("Comment") for column in glue["StorageDescriptor"]["Columns"]}
    assert comments["event_time"] == "When."
    item = made.schema().find_type("items.element")
    assert isinstance(item, StructType)
    assert all(field.optional for field in item.fields)


def test_a_table_of_before_takes_what_its_contract_says_and_keeps_its_files(lake: Lake) -> None:
    old = replace(lake_files.table(), columns=tuple(replace(c, required=False) for c in COLUMNS))
    silver(lake, "r1", (ACME, FIRST, 3), (GLOBEX, FIRST, 1), contract=old)
    before = opened(lake)
    assert not any(field.required for field in before.table.schema().fields)
    assert not before.table.schema().identifier_field_ids
    silver(lake, "r2", (ACME, SECOND, 2))
    after = opened(lake)
    assert required(lake) == {"event_id", "event_time", "org_id"}
    assert after.table.schema().identifier_field_names() == {"event_id", "event_time", "org_id"}
    assert {file.path for file in before.files()} < {file.path for file in after.files()}
    assert len(after.table.scan().to_arrow()) == 6
    assert len(after.table.scan(snapshot_id=before.snapshot_id).to_arrow()) == 4
    metadata = base(lake)
    assert silver(lake, "r2", (ACME, SECOND, 2)).status == "committed"
    assert base(lake) == metadata


def test_a_field_that_a_file_has_nulls_of_stays_optional_until_the_file_is_gone(lake: Lake) -> None:
    loose = lake_files.table(more=(replace(NOTE, required=False),))
    strict = lake_files.table(more=(replace(NOTE, required=True),))
    noted = rows(ACME, SECOND, 2).append_column("note", [["a", "b"]])
    silver(lake, "r1", (ACME, FIRST, 1), contract=loose)
    kept(lake, "r2", SECOND, noted, strict)
    assert "note" not in required(lake), "the file of r1 has no such column"
    kept(lake, "r3", FIRST, rows(ACME, FIRST, 1).append_column("note", [["c"]]), strict)
    assert "note" in required(lake)
    refused = kept(lake, "r4", FIRST, rows(ACME, FIRST, 1), strict)
    assert "it lacks the required column note" in refused.left_out[0].error
    without = rows(ACME, FIRST, 1).append_column("note", pa.array([None], pa.string()))
    refused = kept(lake, "r5", FIRST, without, strict)
    assert "1 rows have no note, which is required" in refused.left_out[0].error
    assert kept(lake, "r6", FIRST, without, loose).status == "committed"
    assert "note" not in required(lake), "the contract no longer requires it"
    # The deploy is taken back: what is in the table stays true.
    kept(lake, "r7", SECOND, noted, strict)
    assert "note" not in required(lake)
    assert Counter(opened(lake).table.scan().to_arrow()["note"].to_pylist()) == {None: 1, "a": 1, "b": 1}


def test_a_required_column_that_a_contract_drops_becomes_optional(lake: Lake) -> None:
    strict = lake_files.table(more=(replace(NOTE, required=True, unique=True),))
    kept(lake, "r1", FIRST, rows(ACME, FIRST, 1).append_column("note", [["a"]]), strict)
    assert "note" in required(lake)
    silver(lake, "r2", (ACME, SECOND, 1))
    assert "note" not in required(lake)
    assert Counter(opened(lake).table.scan().to_arrow()["note"].to_pylist()) == {None: 1, "a": 1}


def kept(lake: Lake, run: str, day: str, data: pa.Table, contract: LakeTable) -> Committed:
    keep_plan(lake, run, [(ACME, day)], base(lake))
    keep_batch(lake, run, [part(lake, run, ACME, day, len(data), data=data)])
    return commit(lake, run, contract=contract)


def required(lake: Lake) -> set[str]:
    return {field.name for field in opened(lake).table.schema().fields if field.required}
