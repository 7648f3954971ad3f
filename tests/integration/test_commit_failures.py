"""Commits when Glue answers late or not at all, and files as DuckDB writes them."""

from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from millrace.contracts import registry
from millrace.contracts.columns import Scalar, Type, duckdb_type
from millrace.core.errors import RetryableError
from millrace.iceberg import exchange, layout, retry, shape
from millrace.iceberg import tables as iceberg
from millrace.iceberg.commit import Committer
from millrace.iceberg.tables import OpenTable
from millrace.lake import duck
from millrace.runs.documents import Part
from tests.support import lake_files
from tests.support.commits import ACME, FIRST, SECOND, base, committer, counted, opened, silver
from tests.support.emulator import Lake
from tests.support.lake_files import SILVER, keep_batch, keep_plan, part

# A value of each type that does not take `1`.
VALUES: dict[Type, str] = {Scalar("timestamptz"): f"'{FIRST} 12:00:00+00'", Scalar("date"): f"'{FIRST}'"}


def planned(lake: Lake, run: str, count: int) -> Committer:
    keep_plan(lake, run, [(ACME, FIRST)], base(lake))
    keep_batch(lake, run, [part(lake, run, ACME, FIRST, count)])
    return committer(lake)


def answers(mine: Committer, monkeypatch: pytest.MonkeyPatch, error: Exception, *, landed: bool) -> None:
    """The next UpdateTable ends with `error`; whether Glue had done it by then."""
    glue = mine._catalog.glue.glue
    update = glue.update_table

    def once(**request: Any) -> Any:
        monkeypatch.setattr(glue, "update_table", update)
        if landed:
            update(**request)
        raise error

    monkeypatch.setattr(glue, "update_table", once)


def test_an_answer_that_is_lost_is_found_again(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    mine = planned(lake, "r2", 6)
    answers(mine, monkeypatch, ReadTimeoutError(endpoint_url="glue"), landed=True)
    with pytest.raises(RetryableError, match="ReadTimeoutError"):
        mine.commit("r2", SILVER)
    assert counted(lake) == {(ACME, FIRST): 6}, "it had landed, and its manifests are there"
    done = committer(lake).commit("r2", SILVER)
    assert (done.status, done.rows, done.snapshot) == ("committed", 6, opened(lake).snapshot_id)
    assert len(opened(lake).snapshots()) == 2


def test_glue_is_asked_once_a_call(lake: Lake) -> None:
    """botocore would send a lost UpdateTable again, and be told that somebody else changed the table."""
    config = iceberg.catalog("local", lake.bucket).glue.glue.meta.config
    assert config.retries["total_max_attempts"] == 1


def test_a_throttled_commit_lands_with_the_next_call(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    mine = planned(lake, "r2", 6)
    throttled = ClientError({"Error": {"Code": "ThrottlingException"}}, "UpdateTable")
    answers(mine, monkeypatch, throttled, landed=False)
    with pytest.raises(RetryableError):
        mine.commit("r2", SILVER)
    assert counted(lake) == {(ACME, FIRST): 5}
    assert mine.commit("r2", SILVER).status == "committed"
    assert counted(lake) == {(ACME, FIRST): 6}


def test_what_glue_calls_wrong_is_an_outcome(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    mine = planned(lake, "r2", 6)
    wrong = ClientError({"Error": {"Code": "ValidationException", "Message": "no"}}, "UpdateTable")
    answers(mine, monkeypatch, wrong, landed=False)
    done = mine.commit("r2", SILVER)
    assert done.status == "failed"
    assert "ValidationException" in done.left_out[0].error
    assert counted(lake) == {(ACME, FIRST): 5}


def test_others_who_always_come_first_end_it(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    mine = planned(lake, "r2", 6)
    monkeypatch.setattr(retry, "FIRST_PAUSE_SECONDS", 0)
    glue, tries = mine._catalog.glue.glue, list[str]()

    def always(**request: Any) -> Any:
        tries.append(request["VersionId"])
        raise glue.exceptions.ConcurrentModificationException({"Error": {"Code": "x"}}, "UpdateTable")

    monkeypatch.setattr(glue, "update_table", always)
    with pytest.raises(RetryableError, match="others came first 10 times"):
        mine.commit("r2", SILVER)
    assert len(tries) == 10
    assert counted(lake) == {(ACME, FIRST): 5}


def test_what_keeps_a_table_in_shape_is_made_when_its_commit_is_staged(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 5)])
    calls: list[str] = []

    def optimize(table: OpenTable) -> dict[str, str]:
        calls.append(table.name)
        return {"millrace.optimizers": "glue"}

    mine = committer(lake, optimize=optimize)
    with monkeypatch.context() as patch:
        patch.setattr(exchange, "stage", Mock(side_effect=OSError("the store is away")))
        with pytest.raises(RetryableError, match="the store is away"):
            mine.commit("r1", SILVER)
    assert calls == []
    assert mine.commit("r1", SILVER).status == "committed"
    assert calls == [SILVER]
    assert opened(lake).properties["millrace.optimizers"] == "glue"


def test_a_missing_database_is_said(lake: Lake) -> None:
    lake.glue.delete_database(Name="millrace_local_silver")
    done = silver(lake, "r1", (ACME, FIRST, 5))
    assert done.status == "failed"
    assert "no database in Glue" in done.left_out[0].error


def test_a_base_that_is_no_longer_kept_is_a_conflict(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    start = base(lake)
    silver(lake, "r2", (ACME, SECOND, 1))
    location = start[SILVER]
    assert location is not None
    lake.s3.delete_object(Bucket=lake.bucket, Key=location.removeprefix(f"s3://{lake.bucket}/"))
    assert silver(lake, "r3", (ACME, FIRST, 6), bases=start).status == "conflict"


def test_nothing_changes_nothing(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5), (ACME, SECOND, 1))
    before = base(lake)
    keep_plan(lake, "r2", [(ACME, FIRST)], before)
    keep_batch(lake, "r2", [part(lake, "r2", ACME, FIRST, 5, failed=1)])
    assert committer(lake).commit("r2", SILVER).status == "blocked"
    assert base(lake) == before, "not even new metadata"


@pytest.mark.parametrize("org", ["org_acme", "org_" + "x" * 200])
def test_files_as_duckdb_writes_them(lake: Lake, bundle: Path, org: str, tmp_path: Path) -> None:
    """Every type of every contract, and no more values than it requires; the partition is in the file's statistics."""
    tables = dict(registry.load().tables())
    connection = duck.connect(
        memory_mb=500, threads=1, temp_dir=tmp_path, s3=duck.S3Access.from_environment()
    )
    store = lake_files.store(lake)
    by_day = [table for table in tables.values() if table.layer == "silver"]
    keep_plan(lake, "r1", [(org, FIRST)], {})
    parts = []
    for table in by_day:
        known = {"org_id": f"'{org}'", "event_time": f"TIMESTAMPTZ '{FIRST} 23:59:59.999999+00'"}
        required = {c.name: VALUES.get(c.type, "'1'") for c in table.columns if c.required}
        known = {name: required[name] for name in shape.never_null(table)} | known
        columns = ", ".join(
            f'{known.get(c.name, "NULL")}::{duckdb_type(c.type)} AS "{c.name}"' for c in table.columns
        )
        file = layout.data_file(lake.bucket, table.full_name, "r1", org, FIRST, 0)
        connection.execute(f"COPY (SELECT {columns}) TO '{file}' (FORMAT parquet, COMPRESSION zstd)")
        parts.append(Part(table.full_name, org, FIRST, file, 1, 1))
    keep_batch(lake, "r1", parts)
    mine = Committer(store, iceberg.catalog(lake.environment, lake.bucket), tables)
    done = [mine.commit("r1", table.full_name) for table in by_day]
    assert {(d.table, d.status, d.left_out) for d in done} == {(d.table, "committed", ()) for d in done}
    connection.close()
