"""Which snapshots go and which partitions are merged."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from millrace.iceberg.compaction import crowded
from millrace.iceberg.data_file import DataFile
from millrace.iceberg.maintenance import expirable
from millrace.iceberg.tables import SnapshotInfo

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def snapshot(number: int, days: float) -> SnapshotInfo:
    return SnapshotInfo(number, None, NOW - timedelta(days=days), "overwrite", {})


@given(st.lists(st.floats(0, 30), max_size=30), st.integers(0, 10), st.floats(0, 30))
def test_the_young_the_newest_and_the_current_stay(ages: list[float], keep: int, days: float) -> None:
    snapshots = [snapshot(number, age) for number, age in enumerate(ages)]
    current = 0 if snapshots else None
    before = NOW - timedelta(days=days)
    gone = {found.id for found in expirable(snapshots, current, before, keep)}
    newest = sorted(snapshots, key=lambda found: found.at, reverse=True)
    stay = {found.id for found in newest[: max(1, keep)]} | {0} | {s.id for s in snapshots if s.at >= before}
    assert gone == {found.id for found in snapshots} - stay


def file(org: str, number: int, size: int) -> DataFile:
    return DataFile(f"{org}-{number}", org, "2026-11-21", 1, size, cast(Any, None))


def test_only_many_small_files_of_one_partition_are_merged_up_to_a_bound() -> None:
    files = [file("a", n, 10) for n in range(8)] + [file("a", 9, 500)] + [file("b", n, 10) for n in range(7)]
    found = crowded(files, min_files=8, small_bytes=100, max_bytes=1000)
    assert {partition: len(held) for partition, held in found.items()} == {("a", "2026-11-21"): 8}
    (held,) = (crowded(files, min_files=2, small_bytes=100, max_bytes=25)[("a", "2026-11-21")],)
    assert sum(f.bytes for f in held) == 20
