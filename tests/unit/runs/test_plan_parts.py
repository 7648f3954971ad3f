"""A plan in documents: a worker reads its own batch, whatever else the run takes in."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.lake import packing
from millrace.runs.documents import Failure, Plan, RawObject, TenantDay
from millrace.runs.plan_parts import join, split
from millrace.runs.store import RunStore
from tests.support.stores import MemoryS3


def plan(days: list[tuple[str, int]], *, silver: bool = True) -> Plan:
    """Of tenant-days with so many rows; a batch holds 100 of them."""
    given = [
        TenantDay(org, f"2026-11-{n + 1:02}", (RawObject(f"raw/{org}/{n}", rows),), "t", f"m{n}")
        for n, (org, rows) in enumerate(days)
    ]
    packed = packing.pack(given, max_rows=100)
    batches = packed.batches if silver else ()
    left_out = (Failure("x", None, "no manifest"),)
    return Plan(
        "r", "at", ("hourly",), packed.partitions, batches, (("gold.a",),), {"t": None}, 3, left_out, 2
    )


tenant_days = st.lists(st.tuples(st.sampled_from(["a", "b", "c"]), st.integers(1, 350)), max_size=20)


@given(tenant_days, st.booleans())
def test_all_batches_together_are_the_plan(days: list[tuple[str, int]], silver: bool) -> None:
    whole = plan(days, silver=silver)
    index, batches = split(whole, "v")
    assert join(index, batches) == whole
    for batch in batches:
        assert {(unit.org, unit.day) for unit in batch.units} == {(day.org, day.day) for day in batch.days}


@settings(deadline=None, max_examples=20)
@given(tenant_days)
def test_a_plan_that_is_kept_is_read_whole_and_by_batch(days: list[tuple[str, int]]) -> None:
    store, whole = RunStore(Objects(MemoryS3(), "lake")), plan(days)
    store.put_plan(whole)
    assert store.plan("r") == whole
    assert [store.plan_batch("r", n).units for n in range(len(whole.batches))] == list(whole.batches)


def test_what_a_worker_reads_does_not_grow_with_the_tenants_of_the_run() -> None:
    def read(tenants: int) -> int:
        s3 = MemoryS3()
        store = RunStore(Objects(s3, "lake"))
        store.put_plan(plan([(f"org_{n:04}", 100) for n in range(tenants)]))
        batches = [len(body) for key, body in s3.objects.items() if "/plan/" in key]
        return len(s3.objects["runs/r/plan.json"]) + max(batches)

    assert read(400) - read(4) < 10, "the number of batches has more digits"


def test_batches_of_two_attempts_are_never_mixed() -> None:
    store = RunStore(Objects(MemoryS3(), "lake"))
    store.put_plan(plan([("a", 100), ("b", 100), ("c", 100)]))
    store.put_plan(plan([("c", 100), ("a", 100)]))
    assert [store.plan_batch("r", n).units[0].org for n in range(2)] == ["c", "a"]
    with pytest.raises(PermanentError, match="has no batch 2"):
        store.plan_batch("r", 2)


def test_there_is_no_plan() -> None:
    store = RunStore(Objects(MemoryS3(), "lake"))
    for read in (store.plan, store.plan_index, lambda run: store.plan_batch(run, 0)):
        with pytest.raises(PermanentError, match="the run r has no plan"):
            read("r")
