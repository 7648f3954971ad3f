"""Commits to Iceberg tables on the emulator: replaced as a whole, repeated without harm, fenced, apart by tenant."""

import threading
from typing import Any

import pytest

from millrace.iceberg import manifest_entries
from millrace.iceberg import tables as iceberg
from millrace.iceberg.layout import RUN
from millrace.iceberg.tables import open_table
from millrace.runs.documents import Failure
from tests.support import lake_files
from tests.support.commits import (
    ACME,
    FIRST,
    GLOBEX,
    SECOND,
    base,
    commit,
    committer,
    counted,
    opened,
    silver,
)
from tests.support.emulator import Lake
from tests.support.lake_files import SILVER, keep_batch, keep_plan, part, rows


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
    before = opened(lake).snapshot_id
    done = silver(lake, "r2", (ACME, FIRST, 6))
    assert (done.rows, done.total_rows, done.base_snapshot) == (6, 16, before)
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
    repeated = commit(lake, "r1")
    assert (repeated.status, repeated.snapshot, repeated.rows, repeated.total_rows, repeated.landed) == (
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


def test_files_of_a_partition_that_others_changed_are_not_read(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    silver(lake, "r0", (ACME, FIRST, 1))
    start = base(lake)
    silver(lake, "r1", (ACME, FIRST, 5), bases=start)
    paths: list[str] = []
    fetch = manifest_entries.fetch

    def fetched(io: Any, path: str) -> Any:
        paths.append(path)
        return fetch(io, path)

    monkeypatch.setattr(manifest_entries, "fetch", fetched)
    second = silver(lake, "r2", (ACME, FIRST, 6), (ACME, SECOND, 2), bases=start)
    assert [left.day for left in second.left_out] == [FIRST]
    assert paths == [committed.file for committed in second.landed]


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
