"""Maintenance on the emulator: the rows stay, what nobody names goes, and only that."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.iceberg import compaction, maintenance, shape
from millrace.iceberg import tables as iceberg
from millrace.iceberg.maintenance import Maintained
from tests.support import lake_files
from tests.support.commits import (
    ACME,
    FIRST,
    GLOBEX,
    NOTE,
    SECOND,
    base,
    commit,
    counted,
    opened,
    silver,
)
from tests.support.emulator import Lake
from tests.support.functions import function
from tests.support.lake_files import SILVER, keep_batch, keep_plan, part

LATER = timedelta(days=30)


def run(lake: Lake, name: str = SILVER, after: timedelta = LATER, failed: tuple[str, ...] = ()) -> Maintained:
    return maintenance.maintain(
        iceberg.catalog(lake.environment, lake.bucket),
        Objects(lake.s3, lake.bucket),
        name,
        clock.now() + after,
        keep_days=7,
        keep_snapshots=2,
        failed_optimizers=lambda _: failed,
    )


def test_old_snapshots_and_their_files_go_and_the_rows_stay(lake: Lake) -> None:
    for number in range(5):
        silver(lake, f"r{number}", (ACME, FIRST, 5 + number), (GLOBEX, SECOND, 3))
    before = counted(lake)
    done = run(lake)
    assert (done.by, done.expired, done.compacted) == ("millrace", 3, 0)
    assert done.removed >= 6, "the data files of three snapshots, and their manifests"
    table = opened(lake)
    assert counted(lake) == before == {(ACME, FIRST): 9, (GLOBEX, SECOND): 3}
    assert [counted(lake, snapshot_id=s.id)[ACME, FIRST] for s in table.snapshots()] == [8, 9]
    assert len([key for key in lake.keys("processed/") if key.endswith(".parquet")]) == 4
    assert run(lake) == Maintained(SILVER, "millrace"), "nothing is left to do"
    silver(lake, "r9", (ACME, FIRST, 1))
    assert counted(lake) == {(ACME, FIRST): 1, (GLOBEX, SECOND): 3}, "and the table takes the next run"


def test_what_is_young_stays(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    keep_plan(lake, "r2", [(ACME, FIRST)], base(lake))
    part(lake, "r2", ACME, FIRST, 6)
    keys = lake.keys("processed/")
    assert run(lake, after=timedelta(days=2)) == Maintained(SILVER, "millrace")
    assert lake.keys("processed/") == keys, "a run that is still going has written it"


def test_what_a_crash_left_is_found_and_only_in_this_table(lake: Lake) -> None:
    silver(lake, "r1", (ACME, FIRST, 5))
    orphan = part(lake, "crashed", ACME, FIRST, 5)
    # Beside it, with a name that begins like it: another table's.
    beside = part(lake, "r1", ACME, FIRST, 5, name=f"{SILVER}0")
    live = {file.path for file in opened(lake).files()}
    done = run(lake)
    assert done.removed >= 1
    left = {f"s3://{lake.bucket}/{key}" for key in lake.keys("processed/") if key.endswith(".parquet")}
    assert orphan.file not in left
    assert left == live | {beside.file}


def test_many_small_files_become_one_with_the_same_rows(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    parts = [part(lake, "r1", ACME, FIRST, 10, number=n, start=n * 10) for n in range(10)]
    keep_batch(lake, "r1", [*parts, part(lake, "r1", GLOBEX, FIRST, 4)])
    commit(lake, "r1")
    keep_plan(lake, "r2", [(GLOBEX, SECOND)], base(lake))
    data = lake_files.rows(GLOBEX, SECOND, 1).append_column("note", [["later"]])
    keep_batch(lake, "r2", [part(lake, "r2", GLOBEX, SECOND, 1, data=data)])
    commit(lake, "r2", contract=lake_files.table(more=(NOTE,)))
    before = opened(lake).table.scan().to_arrow().sort_by("event_id").to_pylist()
    assert run(lake).compacted == 1
    table = opened(lake)
    assert sorted((f.org, f.day, f.rows) for f in table.files()) == [
        (ACME, FIRST, 100),
        (GLOBEX, FIRST, 4),
        (GLOBEX, SECOND, 1),
    ]
    assert table.table.scan().to_arrow().sort_by("event_id").to_pylist() == before
    newest = table.snapshots()[-1]
    assert newest.properties[compaction.PROPERTY] == "10"
    assert "millrace.run" not in newest.properties
    silver(lake, "r3", (ACME, FIRST, 7))
    assert counted(lake)[ACME, FIRST] == 7


def test_an_absent_list_is_not_merged_into_an_empty_one(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    parts = []
    for number in range(10):
        rows = lake_files.rows(ACME, FIRST, 2, start=number * 2).to_pylist()
        rows[0]["items"], rows[1]["items"] = None, [] if number % 2 else [{"sku": "a", "price": None}]
        data = pa.Table.from_pylist(rows, lake_files.ARROW)
        parts.append(part(lake, "r1", ACME, FIRST, 2, number=number, data=data))
    keep_batch(lake, "r1", parts)
    commit(lake, "r1")
    assert run(lake).compacted == 1
    (file,) = opened(lake).files()
    # Not by pyiceberg, which makes empty lists of absent ones.
    with opened(lake).table.io.new_input(file.path).open() as source:
        items = pq.ParquetFile(source).read(["items"])["items"].to_pylist()
    assert Counter(map(str, items)) == {"None": 10, "[]": 5, "[{'sku': 'a', 'price': None}]": 5}


def test_a_partition_that_changed_meanwhile_is_not_merged(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 10, number=n) for n in range(8)])
    commit(lake, "r1")
    seen = opened(lake)
    (crowd,) = compaction.crowded(seen.files()).values()
    silver(lake, "r2", (ACME, FIRST, 3))
    catalog = iceberg.catalog(lake.environment, lake.bucket)
    assert not compaction.compact(catalog, seen, (ACME, FIRST), crowd)
    assert counted(lake) == {(ACME, FIRST): 3}


def test_a_run_that_planned_before_a_merge_conflicts_and_loses_nothing(lake: Lake) -> None:
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 10, number=n) for n in range(8)])
    commit(lake, "r1")
    start = base(lake)
    run(lake)
    assert silver(lake, "r2", (ACME, FIRST, 3), bases=start).status == "conflict"
    assert silver(lake, "r3", (ACME, FIRST, 3)).status == "committed"


def test_where_glue_keeps_a_table_we_do_not_until_it_fails(lake: Lake) -> None:
    for number in range(5):
        silver(lake, f"r{number}", (ACME, FIRST, 5 + number))
    with opened(lake).table.transaction() as change:
        change.set_properties({"millrace.optimizers": "glue"})
    assert run(lake) == Maintained(SILVER, "glue")
    before = counted(lake)
    done = run(lake, failed=("retention",))
    assert (done.by, done.expired, done.failed) == ("millrace", 3, ("retention",))
    assert done.removed >= 3
    assert counted(lake) == before
    assert run(lake) == Maintained(SILVER, "glue"), "mended, it is Glue's again"


def test_manifests_stay_few(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each commit adds one or two; without merging, and with those that only name what is gone, there would be 9."""
    monkeypatch.setattr("millrace.iceberg.replace.MANIFESTS", 3)
    for number in range(6):
        silver(lake, f"r{number}", (ACME, f"2026-11-{number // 2 + 1:02}", 2))
    table = opened(lake).table
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(table.io)) <= 4
    assert sum(counted(lake).values()) == 6


def test_the_handlers(lake: Lake, bundle: Path) -> None:
    from millrace.contracts import registry

    assert SILVER in registry.load().tables()
    contract = registry.load().tables()[SILVER]
    keep_plan(lake, "r1", [(ACME, FIRST)], {})
    data = lake_files.complete(contract, lake_files.rows(ACME, FIRST, 5).drop_columns(["amount", "items"]))
    keep_batch(lake, "r1", [part(lake, "r1", ACME, FIRST, 5, data=data)])
    with function("commit_table", lake.environ) as committed:
        answer = committed({"runId": "r1", "table": SILVER}, None)
        assert committed({"runId": "r1", "table": SILVER}, None) == answer
    assert (answer["table"], answer["status"], answer["rows"]) == (SILVER, "committed", 5)
    table = opened(lake)
    assert answer["snapshot"] == table.snapshot_id
    result = dict(table.columns)
    assert list(result)[: len(contract.columns)] == [column.name for column in contract.columns]
    with function("maintain_table", lake.environ) as maintained:
        assert maintained({"list": True}, None) == {"tables": [SILVER]}
        assert maintained({"table": SILVER}, None) == {
            "table": SILVER,
            "by": "millrace",
            "expired": 0,
            "removed": 0,
            "compacted": 0,
            "unmerged": 0,
            "failed": (),
        }
        with pytest.raises(PermanentError, match=r"there is no table silver\.gone_v1"):
            maintained({"table": "silver.gone_v1"}, None)


def test_every_contract_makes_a_table(lake: Lake, bundle: Path) -> None:
    """The DuckDB types that the workers write are those that the opened table names."""
    from millrace.contracts import registry
    from millrace.contracts.columns import duckdb_type

    catalog = iceberg.catalog(lake.environment, lake.bucket)
    tables: dict[str, Any] = dict(registry.load().tables())
    assert tables
    for name, contract in tables.items():
        made = shape.open_or_create(catalog, contract)
        assert made.name == name
        assert made.columns == [(c.name, duckdb_type(c.type)) for c in contract.columns]
