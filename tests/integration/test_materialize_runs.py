"""Materializations that die, overlap or come late: one at a time, and never an older row over a newer one."""

import random
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from moto import mock_aws

from millrace.eventstore.tables import FeatureStore
from millrace.features.materialize import EntityResult
from tests.support.materialized import ACME, TABLE, World, at, sales

pytestmark = pytest.mark.integration


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with mock_aws():
        FeatureStore.create_table(billing_mode="PAY_PER_REQUEST")
        yield World(tmp_path)


class _Killed(BaseException):
    """No code of ours runs after it."""


def die_after(world: World, puts: int) -> None:
    count, lock = iter(range(puts)), threading.Lock()

    def before_put() -> None:
        with lock:
            if next(count, None) is None:
                raise _Killed

    world.before_put = before_put


@pytest.mark.parametrize("puts", [0, 1, 10, 25])
@pytest.mark.parametrize("same_run", [True, False])
def test_a_run_that_is_killed_and_retried_ends_as_one_without_a_fault(
    world: World, puts: int, same_run: bool
) -> None:
    world.rows[ACME] = sales(random.Random(2), 900, 150, 20)
    world.run(ACME, at(10), until=at(10))
    die_after(world, puts)
    with pytest.raises(_Killed):
        world.run(ACME, at(11), "r", until=at(11))
    world.before_put = lambda: None
    begun = {
        item["featureKey"]["S"].rpartition("#")[2]
        for item in world.dynamodb.scan(TableName=TABLE)["Items"]
        if "startedAt" in item
    }
    assert len(begun) == 1
    if same_run:
        # The step is tried again at once.
        done, end = world.run(ACME, at(11), "r", until=at(11)), at(11)
    else:
        # The next hour's; of rows that the dead one alone has seen, nothing is left.
        done, end = world.run(ACME, at(12), "s", until=at(10.5)), at(12)
        world.rows[ACME] = [row for row in world.rows[ACME] if row[2] < at(10.5)]
    # Who was dead is written whole; who had come to an end stands.
    assert {one.entity for one in done if one.whole} == begun
    assert {one.status for one in done} <= {"complete", "unchanged"}
    world.must_serve(ACME, end)


def in_the_middle(world: World, puts: int, act: Callable[[], None]) -> threading.Event:
    """Lets something happen once, before the row behind so many is put."""
    left, happened, lock = iter(range(puts)), threading.Event(), threading.Lock()

    def before_put() -> None:
        with lock:
            if next(left, None) is None and not happened.is_set():
                happened.set()
                world.before_put = lambda: None
                act()

    world.before_put = before_put
    return happened


@pytest.mark.parametrize("puts", [0, 10, 40])
def test_a_later_run_takes_over_from_one_that_is_still_writing(world: World, puts: int) -> None:
    world.rows[ACME] = sales(random.Random(4), 900, 150, 30)
    world.run(ACME, at(10), until=at(10))
    later: list[EntityResult] = []

    def take_over() -> None:
        # What only the first has seen is gone: a shop and its sales.
        world.rows[ACME] = [row for row in world.rows[ACME] if row[1] != "Nile"]
        later.extend(world.run(ACME, at(30), "second"))

    happened = in_the_middle(world, puts, take_over)
    first = {one.entity: one for one in world.run(ACME, at(11), "first", until=at(11))}
    assert happened.is_set()
    assert {one.status for one in later} == {"complete"}
    taken = [one for one in first.values() if one.status == "failed"]
    assert len(taken) == 1
    assert "another run has taken over" in str(taken[0].error)
    # Tried again, the first finds that there is nothing for it to do.
    assert {one.status for one in world.run(ACME, at(11), "first", until=at(11))} == {"unchanged"}
    world.must_serve(ACME, at(30))
    # And the next hour compares with what the second wrote.
    assert not any(one.whole for one in world.run(ACME, at(31)))
    world.must_serve(ACME, at(31))


@pytest.mark.parametrize("dies", [False, True])
def test_an_older_run_waits_for_the_later_one_that_has_begun(world: World, dies: bool) -> None:
    world.rows[ACME] = sales(random.Random(3), 600, 100, 14)
    world.run(ACME, at(10), until=at(10))
    older: list[EntityResult] = []

    def come_late() -> None:
        older.extend(world.run(ACME, at(11), "older", until=at(11)))
        if dies:
            raise _Killed

    happened = in_the_middle(world, 5, come_late)
    if dies:
        with pytest.raises(_Killed):
            world.run(ACME, at(11.5), "later", until=at(11.5))
    else:
        done = {one.entity: one.status for one in world.run(ACME, at(11.5), "later", until=at(11.5))}
        assert done == {"shop": "complete", "user": "complete"}
    assert happened.is_set()
    assert {one.entity: one.status for one in older} == {"shop": "failed", "user": "complete"}
    assert "later/" in str(older[0].error)
    if not dies:
        world.must_serve(ACME, at(11.5))
    wholes = {one.entity: one.whole for one in world.run(ACME, at(12.5))}
    assert wholes == {"shop": dies, "user": False}
    world.must_serve(ACME, at(12.5))
