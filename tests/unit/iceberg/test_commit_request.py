"""What a run asks a table to take: whole tenant-days, nothing lost, nothing that failed a check."""

import dataclasses
from typing import Any

import pytest

from millrace.iceberg import commit_request
from millrace.iceberg.commit_request import CommitRequest, LeftOut
from millrace.quality.result import CheckResult
from millrace.runs.documents import Failure, Part, Prepared, SilverBatch, TableChunk, Work

TABLE, DAY = "silver.t_v1", "2026-11-21"


def part(org: str, day: str | None = DAY, rows: int = 5, **more: Any) -> Part:
    file = f"s3://lake/{org}-{day}-{rows}" if rows else None
    return dataclasses.replace(Part(TABLE, org, day, file, rows, rows, manifest=f"h-{org}"), **more)


def silver(*batches: tuple[list[Part], list[Failure]]) -> CommitRequest:
    made = [SilverBatch("r", n, tuple(parts), tuple(failures)) for n, (parts, failures) in enumerate(batches)]
    return commit_request.of_silver("s3://base", made, TABLE)


def test_all_buckets_of_a_tenant_day_or_none() -> None:
    whole = silver(([part("a")], []), ([part("a", rows=2), part("b")], []))
    assert {key: len(parts) for key, parts in whole.parts.items()} == {("a", DAY): 2, ("b", DAY): 1}
    assert (whole.base, whole.left_out) == ("s3://base", ())
    failed = silver(([part("a")], []), ([part("b")], [Failure("a", DAY, "corrupt")]))
    assert set(failed.parts) == {("b", DAY)}
    assert failed.left_out == (LeftOut(("a", DAY), "failed", "corrupt"),)


def test_other_tables_parts_are_not_ours() -> None:
    request = silver(([part("a"), part("a", table="silver.other_v1")], []))
    assert [p.table for p in request.all_parts] == [TABLE]


@pytest.mark.parametrize(
    ("change", "reason", "text"),
    [
        ({"rows_in": 6}, "failed", "do not balance: 6 in, 5 out"),
        ({"duplicates": 1}, "failed", "do not balance"),
        ({"dead": 2, "duplicates": 1, "rows_in": 8}, None, ""),
        ({"file": None}, "failed", "5 rows and the file None"),
        ({"checks": (CheckResult("c", "blocking", 1, 5),)}, "blocked", "the check c failed on 1 of 5 rows"),
        ({"checks": (CheckResult("c", "warning", 5, 5),)}, None, ""),
    ],
)
def test_what_is_wrong_with_a_part_leaves_its_tenant_day_out(
    change: dict[str, Any], reason: str | None, text: str
) -> None:
    request = silver(([part("a", **change)], []), ([part("b")], []))
    assert ("b", DAY) in request.parts
    assert [out.reason for out in request.left_out] == ([reason] if reason else [])
    assert all(text in out.error for out in request.left_out)


def test_the_manifest_is_of_what_is_committed() -> None:
    both = silver(([part("a")], []), ([part("b")], [])).manifest
    assert len(both) == 64
    assert both == silver(([part("b")], []), ([part("a", rows=9), part("a", rows=2)], [])).manifest
    assert both != silver(([part("a")], [])).manifest
    assert both != silver(([part("a", manifest="x")], []), ([part("b")], [])).manifest
    assert silver(([part("a", manifest="")], [])).manifest == "", "a built table has none"


def built(
    partitions: list[tuple[str, str | None]], parts: list[Part], failures: list[Failure], **how: Any
) -> CommitRequest:
    chunk = tuple(Work(org, day) for org, day in partitions)
    prepared = Prepared("r", TABLE, "ready", "", "d", None, (), (chunk,), **how)
    return commit_request.of_built(prepared, [TableChunk("r", TABLE, 0, tuple(parts), tuple(failures))])


def test_a_whole_replaces_everything_but_what_failed() -> None:
    present = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]
    partitions: list[tuple[str, str | None]] = [("a", "1"), ("b", "1"), ("c", "1")]
    found = built(partitions, [part("a", "1")], [Failure("b", "1", "x"), Failure("c", None, "y")], whole=True)
    assert found.replaces(present) == {("a", "1"), ("a", "2")}
    assert built(partitions, [part("a", "1")], [], whole=False).replaces(present) == {("a", "1")}


def test_a_conflict_is_left_out_as_well() -> None:
    found = built([("a", "1"), ("b", "1")], [part("a", "1"), part("b", "1")], [], whole=True)
    rest = found.without([LeftOut(("a", "1"), "conflict", "changed")])
    assert rest.replaces([("a", "1"), ("z", "9")]) == {("b", "1"), ("z", "9")}


@pytest.mark.parametrize(
    ("reasons", "expected"),
    [
        ([], "unchanged"),
        (["conflict"], "conflict"),
        (["conflict", "blocked"], "blocked"),
        (["conflict", "blocked", "failed"], "failed"),
    ],
)
def test_the_gravest_reason_is_the_status(reasons: list[Any], expected: str) -> None:
    left = tuple(LeftOut(("a", None), reason, "") for reason in reasons)
    assert CommitRequest({}, left, None).unchanged_status() == expected
