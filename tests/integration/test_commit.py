"""Commits to Iceberg tables on the emulator: replaced as a whole, repeated without harm, fenced, apart by tenant."""

import threading
from collections import Counter
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from millrace.contracts.columns import Array, Column, Scalar
from millrace.contracts.tables import LakeTable
from millrace.iceberg import tables as iceberg
from millrace.iceberg.commit import Committer
from millrace.iceberg.layout import RUN
from millrace.iceberg.tables import OpenTable, open_table
from millrace.lake import table_portions as works
from millrace.lake.duck import S3Access, connect, create_view
from millrace.runs.documents import Committed, Failure
from tests.support import lake_files
from tests.support.emulator import Lake
from tests.support.lake_files import BUILT, SILVER, keep_batch, keep_built, keep_plan, part, rows

ACME, GLOBEX = "org_acme", "org_globex"
FIRST, SECOND = "2026-11-20", "2026-11-21"
NOTE = Column("note", None, Scalar("string"), False, "")


def opened(lake: Lake, name: str = SILVER) -> OpenTable:
    found = open_table(iceberg.catalog(lake.environment, lake.bucket), name)
    assert found is not None
    return found


def base(lake: Lake, name: str = SILVER) -> dict[str, str | None]:
    found = open_table(iceberg.catalog(lake.environment, lake.bucket), name)
    return {name: found.metadata_location if found is not None else None}


def committer(lake: Lake, contract: LakeTable | None = None) -> Committer:
    tables = {SILVER: lake_files.table(), BUILT: lake_files.table(BUILT)}
    if contract is not None:
        tables[contract.full_name] = contract
    return Committer(lake_files.store(lake), iceberg.catalog(lake.environment, lake.bucket), tables)


def commit(lake: Lake, run: str, name: str = SILVER, contract: LakeTable | None = None) -> Committed:
    return committer(lake, contract).commit(run, name)


def silver(
    lake: Lake, run: str, *sizes: tuple[str, str, int], bases: dict[str, str | None] | None = None
) -> Committed:
    """A whole run of silver: planned, written, committed."""
    keep_plan(lake, run, [size[:2] for size in sizes], base(lake) if bases is None else bases)
    keep_batch(lake, run, [part(lake, run, *size) for size in sizes])
    return commit(lake, run)


def counted(lake: Lake, name: str = SILVER, **asked: Any) -> dict[tuple[str, str | None], int]:
    """Rows by partition, read from the files themselves."""
    table = opened(lake, name)
    snapshot = asked.get("snapshot_id", table.snapshot_id)
    arrow = table.table.scan(snapshot_id=snapshot).to_arrow()
    days = arrow["event_time"].cast("timestamp[us]").cast("date32").to_pylist()
    return dict(
        Counter((org, day.isoformat()) for org, day in zip(arrow["org_id"].to_pylist(), days, strict=True))
    )


def test_a_table_is_made_as_its_contract_says(lake: Lake) -> None:
    done = silver(lake, "r1", (ACME, FIRST, 5), (GLOBEX, SECOND, 7))
    assert (done.status, done.rows, done.total_rows, done.left_out) == ("committed", 12, 12, ())
    table = opened(lake)
    assert table.metadata_location.startswith(f"s3://{lake.bucket}/processed/analytics/order_created_v1/")
    assert [str(field.transform) for field in table.table.spec().fields] == ["identity", "day"]
    assert table.properties["commit.retry.num-retries"] == "0"
    assert table.properties["write.metadata.previous-versions-max"] == "100"
    assert table.columns[-1] == ("items", 'STRUCT("sku" VARCHAR, "price" DECIMAL(18,4))[]')
    (snapshot,) = table.snapshots()
    assert (snapshot.id, done.snapshot) == (table.snapshot_id, table.snapshot_id)
    told = {name: value for name, value in snapshot.properties.items() if name.startswith("millrace.")}
    assert len(told.pop("millrace.manifest")) == 64
    assert told == {
        RUN: "r1",
        "millrace.rows-in": "14",
        "millrace.rows": "12",
        "millrace.duplicates": "2",
        "millrace.dead": "0",
    }
    assert all(len(c.get("Comment", "")) <= 255 for c in glue_columns(lake)), "Glue takes no more"
    assert done == lake_files.store(lake).committed("r1", SILVER)


def glue_columns(lake: Lake) -> list[dict[str, Any]]:
    found = lake.glue.get_table(DatabaseName="millrace_local_silver", Name="order_created_v1")
    columns: list[dict[str, Any]] = found["Table"]["StorageDescriptor"]["Columns"]
    return columns


def test_a_rerun_replaces_what_it_holds_and_nothing_else(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5), (ACME, SECOND, 3), (GLOBEX, FIRST, 7))
    others = {f.path for f in opened(lake).files() if (f.org, f.day) != (ACME, FIRST)}
    done = silver(lake, "r2", (ACME, FIRST, 6))
    assert (done.rows, done.total_rows) == (6, 16)
    assert counted(lake) == {(ACME, FIRST): 6, (ACME, SECOND): 3, (GLOBEX, FIRST): 7}
    assert {f.path for f in opened(lake).files() if (f.org, f.day) != (ACME, FIRST)} == others
    silver(lake, "r3", (ACME, FIRST, 6))
    assert counted(lake)[ACME, FIRST] == 6, "the same interval again gives the same rows"


def test_every_snapshot_holds_every_tenant_day(lake: Lake) -> None:
    for number in range(4):
        silver(lake, f"r{number}", (ACME, FIRST, 5 + number), (GLOBEX, FIRST, 2))
    snapshots = opened(lake).snapshots()
    assert len(snapshots) == 4, "one a commit: none without the rows"
    assert [counted(lake, snapshot_id=s.id)[ACME, FIRST] for s in snapshots] == [5, 6, 7, 8]


def test_a_call_that_is_repeated_commits_once(lake: Lake) -> None:
    first = silver(lake, "r1", (ACME, FIRST, 5))
    assert commit(lake, "r1") == first
    # The answer and its document were lost: a crash between commit and document.
    lake.s3.delete_object(Bucket=lake.bucket, Key=f"runs/r1/commits/{SILVER}.json")
    again = commit(lake, "r1")
    assert (again.status, again.snapshot, again.rows, again.total_rows, again.landed) == (
        "committed",
        first.snapshot,
        5,
        5,
        first.landed,
    )
    assert len(opened(lake).snapshots()) == 1


def test_a_crash_before_the_commit_leaves_files_that_are_in_no_table(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 5)])
    silver(lake, "r2", (ACME, FIRST, 5))
    assert counted(lake) == {(ACME, FIRST): 5}
    written = [key for key in lake.keys("processed/") if key.endswith(".parquet")]
    assert len(written) == 2


def test_two_runs_of_one_interval_leave_one_result(lake: Lake) -> None:
    silver(lake, "r0", (ACME, FIRST, 1))
    start = base(lake)
    first = silver(lake, "r1", (ACME, FIRST, 5), bases=start)
    second = silver(lake, "r2", (ACME, FIRST, 6), (ACME, SECOND, 2), bases=start)
    assert first.status == "committed"
    assert second.status == "committed", "the other day of it lands"
    (left,) = second.left_out
    assert (left.org, left.day) == (ACME, FIRST)
    assert left.error.startswith("conflict: ")
    third = silver(lake, "r3", (ACME, FIRST, 7), bases=start)
    assert (third.status, third.landed) == ("conflict", ())
    assert counted(lake) == {(ACME, FIRST): 5, (ACME, SECOND): 2}


def test_the_first_commit_of_two_makes_the_table(lake: Lake) -> None:
    outcomes = at_once(lake, [(f"r{n}", [(ACME, FIRST, 5)]) for n in range(2)])
    assert sorted(outcomes) == ["committed", "conflict"]
    assert counted(lake) == {(ACME, FIRST): 5}


def test_parallel_runs_on_other_days_all_land(lake: Lake) -> None:
    days = [f"2026-11-{day:02}" for day in range(1, 7)]
    outcomes = at_once(lake, [(f"r{day}", [(ACME, day, 5)]) for day in days])
    assert outcomes == ["committed"] * 6
    assert counted(lake) == {(ACME, day): 5 for day in days}


def at_once(lake: Lake, runs: list[tuple[str, list[tuple[str, str, int]]]]) -> list[str]:
    """Runs that were planned on the same state, committed in threads."""
    start = base(lake)
    for run, sizes in runs:
        keep_plan(lake, run, [size[:2] for size in sizes], start)
        keep_batch(lake, run, [part(lake, run, *size) for size in sizes])
    found: dict[str, str] = {}
    gate = threading.Barrier(len(runs))

    def one(run: str) -> None:
        mine = committer(lake)
        gate.wait(timeout=30)
        found[run] = mine.commit(run, SILVER).status

    threads = [threading.Thread(target=one, args=(run,)) for run, _ in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    return [found[run] for run, _ in runs]


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
        works: list[tuple[str, str | None]] = [(ACME, FIRST), (GLOBEX, FIRST)]
        held_by = base(lake, BUILT)[BUILT]
        keep_built(
            lake, run, parts, base=held_by, works=works, failures=failures, whole=run == "r2", definition=run
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


def test_a_blocking_check_leaves_the_last_good_rows(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5), (GLOBEX, FIRST, 4))
    keep_plan(lake, "r2", [(ACME, FIRST), (GLOBEX, FIRST)], base(lake))
    parts = [part(lake, "r2", ACME, FIRST, 9, failed=2), part(lake, "r2", GLOBEX, FIRST, 8)]
    keep_batch(lake, "r2", parts)
    done = commit(lake, "r2")
    assert done.status == "committed"
    assert done.left_out == (
        Failure(ACME, FIRST, "blocked: the check amount is not negative failed on 2 of 9 rows"),
    )
    assert counted(lake) == {(ACME, FIRST): 5, (GLOBEX, FIRST): 8}
    before = opened(lake).snapshot_id
    keep_plan(lake, "r3", [(ACME, FIRST)], base(lake))
    keep_batch(lake, "r3", [part(lake, "r3", ACME, FIRST, 9, failed=1)])
    assert commit(lake, "r3").status == "blocked"
    assert opened(lake).snapshot_id == before


def test_what_failed_anywhere_of_a_tenant_day_leaves_it_out(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST), (GLOBEX, FIRST), (ACME, SECOND)], {}, batches=2)
    first = [part(lake, "r1", ACME, FIRST, 5), part(lake, "r1", GLOBEX, FIRST, 4)]
    keep_batch(lake, "r1", [*first, part(lake, "r1", ACME, SECOND, 3)])
    second = [part(lake, "r1", GLOBEX, FIRST, 2, number=1, start=10)]
    keep_batch(lake, "r1", second, (Failure(ACME, FIRST, "object missing"),), n=1)
    done = commit(lake, "r1")
    assert counted(lake) == {(GLOBEX, FIRST): 6, (ACME, SECOND): 3}
    assert [f.error for f in done.left_out] == ["failed: object missing"]


def test_a_batch_that_never_ended_lands_nothing_of_its_tenant_days(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {}, batches=2)
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 5)])
    done = commit(lake, "r1")
    assert (done.status, done.left_out[0].error) == ("failed", "failed: its worker did not come to an end")
    assert open_table(iceberg.catalog("local", lake.bucket), SILVER) is None or not opened(lake).files()


@pytest.mark.parametrize("kind", ["count", "tenant", "day", "two days", "missing", "other types"])
def test_a_file_that_is_not_what_its_worker_said_is_left_out(lake: Lake, kind: str) -> None:
    import pyarrow as pa

    data = {
        "count": rows(ACME, FIRST, 4),
        "tenant": rows(GLOBEX, FIRST, 5),
        "day": rows(ACME, SECOND, 5),
        "two days": pa.concat_tables([rows(ACME, FIRST, 3), rows(ACME, SECOND, 2)]),
        "missing": rows(ACME, FIRST, 5),
        "other types": rows(ACME, FIRST, 5).set_column(3, "amount", [["a"] * 5]),
    }[kind]
    keep_plan(lake, "r1", [(ACME, FIRST), (GLOBEX, FIRST)], {})
    wrong = part(lake, "r1", ACME, FIRST, 5, data=data)
    keep_batch(lake, "r1", [wrong, part(lake, "r1", GLOBEX, FIRST, 3)])
    if kind == "missing":
        assert wrong.file is not None
        lake.s3.delete_object(Bucket=lake.bucket, Key=wrong.file.removeprefix(f"s3://{lake.bucket}/"))
    done = commit(lake, "r1")
    assert counted(lake) == {(GLOBEX, FIRST): 3}
    assert [(f.org, f.error.partition(":")[0]) for f in done.left_out] == [(ACME, "failed")]
    if kind == "other types":
        assert "decimal(18, 4) in the table, 4: amount: optional string in the file" in done.left_out[0].error


def test_all_rows_of_a_day_gone_empties_it(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5), (GLOBEX, FIRST, 1))
    done = silver(lake, "r2", (ACME, FIRST, 0))
    assert (done.status, done.rows, done.total_rows) == ("committed", 0, 1)
    assert counted(lake) == {(GLOBEX, FIRST): 1}
    assert silver(lake, "r3", (ACME, FIRST, 0)).status == "unchanged"


def test_nothing_to_do_is_unchanged_and_makes_no_table(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    keep_batch(lake, "r1", [])
    assert commit(lake, "r1").status == "unchanged"
    assert open_table(iceberg.catalog("local", lake.bucket), SILVER) is None


def test_a_table_without_a_contract_fails_by_name(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 1, name="silver.gone_v1")])
    done = commit(lake, "r1", "silver.gone_v1")
    assert (done.status, done.left_out[0].error) == ("failed", "failed: no contract describes silver.gone_v1")


def build(lake: Lake, run: str, *sizes: tuple[str, str | None, int], **how: Any) -> Committed:
    grain = how.pop("grain", "day")
    parts = [part(lake, run, *size, name=BUILT) for size in sizes]
    keep_built(lake, run, parts, base=base(lake, BUILT)[BUILT], **how)
    return commit(lake, run, BUILT, lake_files.table(BUILT, grain=grain))


def test_a_table_built_anew_as_a_whole_drops_what_is_no_more(lake: Lake) -> None:
    build(lake, "r1", (ACME, FIRST, 5), (ACME, SECOND, 4), (GLOBEX, FIRST, 3), definition="d1")
    assert opened(lake, BUILT).properties["millrace.definition"] == "d1"
    build(lake, "r2", (ACME, FIRST, 6), definition="d1")
    assert counted(lake, BUILT) == {(ACME, FIRST): 6, (ACME, SECOND): 4, (GLOBEX, FIRST): 3}
    build(lake, "r3", (ACME, FIRST, 7), whole=True, definition="d2")
    assert counted(lake, BUILT) == {(ACME, FIRST): 7}
    assert opened(lake, BUILT).properties["millrace.definition"] == "d2"


def test_a_tenant_that_failed_in_a_whole_keeps_its_rows_and_is_all_that_the_next_run_has_to_do(
    lake: Lake,
) -> None:
    build(lake, "r1", (ACME, FIRST, 5), (GLOBEX, FIRST, 3), definition="d1")
    how = {"works": [(ACME, FIRST), (GLOBEX, FIRST)], "failures": (Failure(GLOBEX, None, "memory"),)}
    done = build(lake, "r2", (ACME, FIRST, 6), whole=True, definition="d2", **how)
    assert done.status == "committed"
    assert counted(lake, BUILT) == {(ACME, FIRST): 6, (GLOBEX, FIRST): 3}
    assert opened(lake, BUILT).properties["millrace.definition"] == "d2", "else the next run does all again"
    assert works.unfinished(lake_files.store(lake).prepared("r2", BUILT), done) == {(GLOBEX, FIRST)}
    failures = tuple(Failure(org, None, "memory") for org in (ACME, GLOBEX))
    nothing = {"works": [(ACME, FIRST), (GLOBEX, FIRST)], "failures": failures}
    build(lake, "r3", whole=True, definition="d3", **nothing)
    assert opened(lake, BUILT).properties["millrace.definition"] == "d2", (
        "no snapshot leads to what is unfinished"
    )


def test_an_empty_table_remembers_its_definition(lake: Lake) -> None:
    assert build(lake, "r1", (ACME, None, 0), grain="org", whole=True, definition="d1").status == "unchanged"
    assert opened(lake, BUILT).properties["millrace.definition"] == "d1"


def test_a_table_by_tenant_has_no_days(lake: Lake) -> None:
    done = build(lake, "r1", (ACME, None, 5), (GLOBEX, None, 2), grain="org")
    assert done.status == "committed"
    assert {(f.org, f.day, f.rows) for f in opened(lake, BUILT).files()} == {
        (ACME, None, 5),
        (GLOBEX, None, 2),
    }
    build(lake, "r2", (ACME, None, 6), grain="org")
    assert {(f.org, f.rows) for f in opened(lake, BUILT).files()} == {(ACME, 6), (GLOBEX, 2)}
