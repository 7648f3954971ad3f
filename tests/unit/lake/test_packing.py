"""Portions of a run: whole, bounded, fair, and the same for the same manifest."""

import random
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import PermanentError
from millrace.lake import packing
from millrace.runs import interval
from millrace.runs.documents import RawObject, TenantDay, Unit

DAY = "2026-11-21"


def day(org: str, rows: int, date: str = DAY, objects: int = 1) -> TenantDay:
    share = [rows // objects] * (objects - 1)
    return TenantDay(
        org,
        date,
        tuple(RawObject(f"raw/{org}/{n}", count) for n, count in enumerate([*share, rows - sum(share)])),
    )


def row(place: str, key: str | None, rows: int) -> dict[str, Any]:
    named = {"object": {"S": f"s3://lake/{key}"}} if key else {}
    return {"entityId": {"S": place}, "rows": {"N": str(rows)}, **named}


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3_500)), max_size=40),
    st.integers(1, 12),
    st.integers(1, 6),
)
def test_every_unit_once_in_bounded_batches(
    sizes: list[tuple[int, int]], max_batches: int, max_units: int
) -> None:
    days = [day(f"org_{org}", rows, f"day-{n}") for n, (org, rows) in enumerate(sizes)]
    packed = packing.pack(days, max_rows=1000, max_units=max_units, max_batches=max_batches)
    assert packed.partitions == tuple(days[: len(packed.partitions)])
    assert packed.remaining == len(days) - len(packed.partitions)
    assert len(packed.batches) <= max_batches or len(packed.partitions) == 1
    assert bool(packed.partitions) == bool(days)
    rows = {(d.org, d.day): d.rows for d in days}
    found: dict[tuple[str, str], list[Unit]] = defaultdict(list)
    for batch in packed.batches:
        assert batch
        assert len(batch) <= max_units
        estimate = sum(-(-rows[unit.org, unit.day] // unit.buckets) for unit in batch)
        assert estimate <= 1000
        for unit in batch:
            found[unit.org, unit.day].append(unit)
    assert set(found) == {(d.org, d.day) for d in packed.partitions}
    for units in found.values():
        assert [unit.bucket for unit in units] == list(range(units[0].buckets))


def test_thousands_of_objects_of_which_one_tenant_has_a_hundred_times_the_rest() -> None:
    rng = random.Random(5)
    small = [day(f"org_{n:03}", rng.randrange(1, 40_000), objects=12) for n in range(300)]
    # Of an object with more than 2,000 events there are several rows.
    rows = [row(f"{n:05}#{part}", f"raw/{n}", 500) for n in range(4000) for part in range(2)]
    large = packing.tenant_day("org_large", DAY, rows, "lake")
    assert large is not None
    assert (large.rows, len(large.objects)) == (4_000_000, 4000)
    packed = packing.pack(packing.fair([large, *small]))
    assert packed.remaining == 0
    of_large = [unit for batch in packed.batches for unit in batch if unit.org == "org_large"]
    assert [unit.buckets for unit in of_large] == [4] * 4
    # As many as the rows need, and not one worker a tenant.
    assert len(packed.batches) <= 4 + 1 + sum(d.rows for d in small) // 1_000_000 * 2 + 300 // 64


def test_the_backlog_of_one_tenant_does_not_keep_others_out() -> None:
    backlog = [day("org_behind", 900_000, f"2026-{n:03}") for n in range(600)]
    packed = packing.pack(packing.fair([*backlog, day("org_small", 5)]))
    assert packed.partitions[0].day == "2026-000", "its oldest first"
    assert "org_small" in {d.org for d in packed.partitions}
    assert len(packed.batches) == packing.MAX_BATCHES
    assert packed.remaining == 601 - len(packed.partitions)


def test_many_small_objects_are_a_bound_too() -> None:
    days = [day(f"org_{n}", 100, objects=40) for n in range(10)]
    assert len(packing.pack(days, max_objects=100).partitions) == 2
    assert len(packing.pack(days[:1], max_objects=10).partitions) == 1, "the first is always taken"


def test_a_manifest_is_counted_by_object_and_hashed_by_row() -> None:
    rows = [row("b#1", "raw/b", 7), row("a#0", "raw/a", 2000), row("a#1", "raw/a", 3), row("r", None, 9)]
    found = packing.tenant_day("org_acme", DAY, rows, "lake", "token")
    assert found is not None
    assert found.objects == (RawObject("raw/a", 2003), RawObject("raw/b", 7))
    assert found.rows == 2010
    shuffled = packing.tenant_day("org_acme", DAY, [{**r, "at": {"S": "later"}} for r in rows[::-1]], "lake")
    fewer = packing.tenant_day("org_acme", DAY, rows[1:], "lake")
    assert shuffled is not None
    assert fewer is not None
    assert shuffled.manifest == found.manifest
    assert fewer.manifest != found.manifest
    assert packing.tenant_day("org_acme", DAY, [row("r", None, 9)], "lake") is None


def test_an_interval_is_whole_days_with_both_ends() -> None:
    assert interval.days(None, None) is None
    assert interval.days("2026-02-27", "2026-03-01") == ("2026-02-27", "2026-02-28", "2026-03-01")
    assert len(interval.days("2024-01-01", "2024-12-31") or ()) == 366


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2026-11-22", "2026-11-21", "is after"),
        ("2026-11-21", None, "to is missing"),
        (None, "2026-11-21", "from is missing"),
        ("2026-11-31", "2026-12-01", "not a date"),
        ("20261121", "2026-11-22", "not a date"),
        ("2026-W47-6", "2026-11-22", "not a date"),
        ("2026-11-21T00:00:00Z", "2026-11-22", "not a date"),
        (20261121, "2026-11-22", "not a date"),
        ("2025-01-01", "2026-02-05", "401 days; a run takes 400"),
    ],
)
def test_a_wrong_interval_is_refused_with_a_sentence(first: Any, last: Any, text: str) -> None:
    with pytest.raises(PermanentError, match=text):
        interval.days(first, last)


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(1, 2_500)), max_size=20), st.sets(st.integers(0, 19))
)
def test_what_stands_apart_shares_no_batch(sizes: list[tuple[int, int]], chosen: set[int]) -> None:
    days = [day(f"org_{org}", rows, f"day-{n}") for n, (org, rows) in enumerate(sizes)]
    apart = {(one.org, one.day) for number, one in enumerate(days) if number in chosen}
    packed = packing.pack(days, apart=apart, max_rows=1000)
    assert packed.partitions == tuple(days)
    for batch in packed.batches:
        places = {(unit.org, unit.day) for unit in batch}
        assert not places & apart or len(places) == 1
    units = [unit for batch in packed.batches for unit in batch]
    assert units == [unit for one in days for unit in packing.units(one, 1000)]
