"""What a table takes of a run: whole tenant-days, nothing lost, nothing that failed a check."""

import dataclasses
from typing import Any

import pytest

from millrace.iceberg import commit_rules
from millrace.iceberg.commit_rules import LeftOut
from millrace.quality.result import CheckResult
from millrace.runs.documents import (
    Failure,
    Part,
    Plan,
    Prepared,
    SilverBatch,
    TableChunk,
    TenantDay,
    Unit,
    Work,
)

TABLE, DAY = "silver.t_v1", "2026-11-21"


def part(org: str, day: str | None = DAY, rows: int = 5, **more: Any) -> Part:
    file = f"s3://lake/{org}-{day}-{rows}" if rows else None
    return dataclasses.replace(Part(TABLE, org, day, file, rows, rows), **more)


def plan(*batches: tuple[Unit, ...], hashes: str = "h") -> Plan:
    days = {(unit.org, unit.day) for batch in batches for unit in batch}
    partitions = tuple(TenantDay(org, day, (), None, f"{hashes}-{org}") for org, day in sorted(days))
    return Plan("r", "", (), partitions, batches, (), {TABLE: "s3://base"})


def units(org: str, buckets: int = 1) -> tuple[Unit, ...]:
    return tuple(Unit(org, DAY, bucket, buckets) for bucket in range(buckets))


def silver(planned: Plan, *batches: tuple[list[Part], list[Failure]]) -> commit_rules.Landing:
    made = [SilverBatch("r", n, tuple(parts), tuple(failures)) for n, (parts, failures) in enumerate(batches)]
    return commit_rules.of_silver(planned, made, TABLE)


def test_all_buckets_of_a_tenant_day_or_none() -> None:
    planned = plan(units("a", 2)[:1], (*units("a", 2)[1:], *units("b")))
    whole = silver(planned, ([part("a")], []), ([part("a", rows=2), part("b")], []))
    assert {key: len(parts) for key, parts in whole.parts.items()} == {("a", DAY): 2, ("b", DAY): 1}
    assert (whole.base, whole.left_out) == ("s3://base", ())
    failed = silver(planned, ([part("a")], []), ([part("b")], [Failure("a", DAY, "corrupt")]))
    assert set(failed.parts) == {("b", DAY)}
    assert failed.left_out == (LeftOut(("a", DAY), "failed", "corrupt"),)
    unended = silver(planned, ([part("a")], []))
    assert unended.parts == {}
    assert [out.partition for out in unended.left_out] == [("a", DAY)]


def test_other_tables_parts_are_not_ours() -> None:
    found = silver(plan(units("a")), ([part("a"), part("a", table="silver.other_v1")], []))
    assert [p.table for parts in found.parts.values() for p in parts] == [TABLE]


@pytest.mark.parametrize(
    ("change", "reason", "said"),
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
    change: dict[str, Any], reason: str | None, said: str
) -> None:
    found = silver(plan(units("a"), units("b")), ([part("a", **change)], []), ([part("b")], []))
    assert ("b", DAY) in found.parts
    assert [out.reason for out in found.left_out] == ([reason] if reason else [])
    assert all(said in out.error for out in found.left_out)


def test_the_hash_is_of_what_lands() -> None:
    planned = plan(units("a"), units("b"))
    both = silver(planned, ([part("a")], []), ([part("b")], [])).manifest
    assert both == silver(planned, ([part("a", rows=9)], []), ([part("b")], [])).manifest
    assert both != silver(planned, ([part("a")], []), ([], [])).manifest
    assert (
        both
        != silver(plan(units("a"), units("b"), hashes="x"), ([part("a")], []), ([part("b")], [])).manifest
    )


def built(
    works: list[tuple[str, str | None]], parts: list[Part], failures: list[Failure], **how: Any
) -> commit_rules.Landing:
    chunk = tuple(Work(org, day) for org, day in works)
    prepared = Prepared("r", TABLE, "ready", "", "d", None, (), (chunk,), **how)
    return commit_rules.of_built(prepared, [TableChunk("r", TABLE, 0, tuple(parts), tuple(failures))])


def test_a_whole_replaces_everything_but_what_failed() -> None:
    present = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")]
    works: list[tuple[str, str | None]] = [("a", "1"), ("b", "1"), ("c", "1")]
    found = built(works, [part("a", "1")], [Failure("b", "1", "x"), Failure("c", None, "y")], whole=True)
    assert found.replaces(present) == {("a", "1"), ("a", "2")}
    assert built(works, [part("a", "1")], [], whole=False).replaces(present) == {("a", "1")}


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
    left = [LeftOut(("a", None), reason, "") for reason in reasons]
    assert commit_rules.status((), left) == expected
    assert commit_rules.status((part("a"),), left) == "committed"
