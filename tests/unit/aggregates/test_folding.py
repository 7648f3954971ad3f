"""The fold over its rows: what comes again, late, at once or broken changes no other number."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import folding, marks, rows
from millrace.aggregates.folding import Folded
from millrace.core import clock
from millrace.core.errors import RetryableError
from tests.support.aggregates import (
    AT,
    LATER,
    ORG,
    OTHER_ORG,
    World,
    aggregate,
    aggregates,
    deliveries,
    payment,
)
from tests.support.shaky import Shaky, each_call


@pytest.fixture
def world(bundle: Path) -> World:
    return World(aggregates())


def test_a_minute_that_is_over_becomes_parts_and_is_no_longer_marked(world: World) -> None:
    world.count(payment("a"), payment("b"), payment("a"))
    world.count(payment("a"), org=OTHER_ORG)
    assert world.fold(AT + timedelta(seconds=40)) == Folded(), "it is not over"
    folded = world.fold()
    assert (folded.minutes, folded.events, folded.failed, folded.left) == (2, 4, 0, 0)
    assert world.lying("mark") == {}
    assert {name: shown[0] for name, shown in world.numbers().items()} == {"a": 2, "b": 1}
    assert {name: shown[0] for name, shown in world.numbers(OTHER_ORG).items()} == {"a": 1}
    assert sorted(key for key in world.lying("part") if key[0].startswith(ORG)) == [
        (f"{ORG}#merchant_10m#1.0.0#2026-11-21", "2026-11-21#06:00#06:00#0")
    ]


def test_copies_in_other_batches_and_a_redrive_a_day_later_change_nothing(world: World) -> None:
    made = [payment("a"), payment("b"), payment("a")]
    world.count(*made)
    world.count(*made[1:])
    world.fold()
    expected, parts = world.numbers(), world.lying("part")
    assert expected["a"][0] == 2
    world.now = AT + timedelta(days=1)
    world.count(*made[:2])
    assert world.fold(world.now).minutes == 1
    assert world.numbers() == expected
    assert world.lying("part") == parts
    # What comes new of that minute is counted in it.
    world.count(payment("a"))
    world.fold(world.now)
    assert world.numbers()["a"][0] == 3


def test_what_is_taken_in_last_is_folded_from_facts_that_are_still_there(world: World) -> None:
    received = AT.replace(hour=23, minute=59)
    world.count(payment("a", received), received=received)
    world.fold(received + timedelta(minutes=2))
    world.now = received + rows.TAKEN
    world.count(payment("a", received), received=received)
    assert world.fold(world.now + timedelta(minutes=2)).events == 2
    assert world.numbers()["a"][0] == 2


def test_a_minute_whose_facts_may_be_gone_is_left_to_the_seal(world: World) -> None:
    world.count(payment("a"))
    assert world.fold(AT + rows.KEPT + timedelta(minutes=1)) == Folded()
    ((sentence, about),) = world.said
    assert "sealed again" in sentence
    assert about["org"] == ORG
    assert world.lying("mark") == {}


def test_what_is_counted_while_a_minute_is_folded_has_it_folded_again(world: World) -> None:
    world.count(payment("a"))
    (mark,) = marks.of_all(world.table)
    world.count(payment("a"))
    assert not marks.remove(world.table, mark), "another mark stands there"
    world.fold()
    assert world.numbers()["a"][0] == 2


def test_a_counter_that_was_killed_between_facts_and_mark_counts_nothing_until_it_comes_again(
    world: World,
) -> None:
    made = payment("a")
    world.count(made)
    for key in world.lying("mark"):
        del world.stores.tables["Analytics"][key]
    assert world.fold().minutes == 0
    world.count(made)
    world.fold()
    assert world.numbers()["a"][0] == 1


def test_a_fold_that_was_killed_is_done_by_the_next(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.count(payment("a"), payment("b"))
    with monkeypatch.context() as patched:
        patched.setattr(marks, "remove", lambda *_: 1 / 0)
        patched.setattr(marks, "put_off", lambda *_: None)
        assert world.fold().failed == 1
    assert len(world.lying("mark")) == 1
    world.fold(LATER + timedelta(minutes=1))
    assert world.numbers()["a"][0] == 1
    assert world.lying("mark") == {}


def test_whatever_call_of_counters_and_folds_fails_the_numbers_are_the_same(bundle: Path) -> None:
    """Killed between any two writes: of facts and marks, of two tiles, of parts and the mark, of the lease."""
    assert bundle.is_dir()
    tiles = [payment("a", AT - timedelta(minutes=5 * number)) for number in range(30)]
    made = [deliveries(tiles, AT, org) for org in (ORG, OTHER_ORG)]

    def told(stores: Shaky) -> object:
        world = World(aggregates(), stores)
        for batch in made:
            stores.retried(world.counter.count, batch, restart=lambda: None)
        for hours in range(1, 4):
            stores.retried(world.fold, AT + timedelta(hours=hours), restart=lambda: None)
        assert world.lying("mark") == {}
        return world.numbers(), world.numbers(OTHER_ORG), world.lying("part").keys()

    each_call(told, least=15)


def test_one_tenant_s_poison_stops_no_other(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.count(payment("a"))
    world.count(payment("b"), org=OTHER_ORG)
    real = folding.part_rows

    def broken(org: str, *more: Any) -> Any:
        if org == ORG:
            raise ZeroDivisionError
        return real(org, *more)

    with monkeypatch.context() as patched:
        patched.setattr(folding, "part_rows", broken)
        folded = world.fold()
    assert (folded.minutes, folded.failed) == (1, 1)
    assert world.numbers(OTHER_ORG)["b"][0] == 1
    ((sentence, about),) = world.said
    assert (sentence, about["org"], about["minute"]) == ("a minute cannot be folded", ORG, "2026-11-21T06:00")
    assert "ZeroDivisionError" in about["error"]
    assert world.fold(LATER + timedelta(minutes=5)) == Folded(), "it is tried again within the hour"
    assert world.fold(LATER + timedelta(hours=2)).minutes == 1
    assert world.numbers()["a"][0] == 1


def test_facts_that_cannot_be_read_are_named_and_the_rest_is_counted(world: World) -> None:
    world.count(payment("a"))
    world.table.put(
        {
            "metricKey": {"S": rows.facts_key(ORG, "2026-11-21T06:00")},
            "tileKey": {"S": rows.facts_sort("2026-11-21T06:00", "broken")},
            "facts": {"B": b"?"},
            "expiresAt": rows.expiry("2026-11-21T06:00", rows.KEPT),
        }
    )
    assert world.fold().failed == 0
    assert world.numbers()["a"][0] == 1
    assert world.said[0][1]["row"] == "06:00#broken"


def test_late_events_are_in_their_tile_up_to_the_lateness_and_named_behind_it(world: World) -> None:
    world.count(
        payment("six days", AT - timedelta(days=6)), payment("beyond", AT - timedelta(days=7, seconds=1))
    )
    folded = world.fold()
    assert folded.late == 1
    assert world.numbers().keys() == {"six days"}
    ((key, row),) = world.lying("late").items()
    assert key == (f"{ORG}#merchant_10m#1.0.0#2026-11-21", "late#06:00")
    assert row["events"]["N"] == "1"
    assert world.said[0][1]["ids"] == row["ids"]["SS"]
    # One late event of two is no share.
    assert folding.LATE_SHARE not in folding.metrics(folded)
    assert folding.metrics(replace(folded, events=200, late=30))[folding.LATE_SHARE][0] == 15


def test_two_folds_are_not_at_work_at_once(world: World) -> None:
    world.count(payment("a"))
    assert world.table.put({**folding.LEASE, "until": {"N": str(clock.epoch_millis(LATER) + 1)}})
    idle = world.fold()
    assert (idle.idle, idle.left) == (True, 1)
    assert folding.metrics(idle)[folding.LAG][0] == idle.lag_seconds > 0
    assert world.fold(LATER + timedelta(seconds=1)).minutes == 1, "a run that was killed ends with its lease"
    assert folding.LEASE["metricKey"]["S"] not in {key[0] for key in world.stores.tables["Analytics"]}


def test_a_backlog_is_folded_from_its_oldest_minute_and_what_is_left_is_told(world: World) -> None:
    for number in (2, 0, 1):
        world.count(payment("a", AT), received=AT + timedelta(minutes=number))
    folded = world.fold(AT + timedelta(minutes=10), seconds=0)
    assert (folded.minutes, folded.left, folded.lag_seconds) == (0, 3, 9 * 60 + 30)
    assert folding.metrics(folded)[folding.LAG][0] == 570


def test_a_minute_that_waits_for_its_table_is_behind(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise RetryableError("no answer")

    world.count(payment("a"))
    with monkeypatch.context() as patch:
        patch.setattr(folding.Folding, "_fold_minute", refuse)
        folded = world.fold()
    assert (folded.failed, folded.left) == (0, 1)
    assert folded.lag_seconds > 0
    assert world.fold().lag_seconds == 0


def test_clocks_ten_minutes_apart_count_each_event_once(world: World) -> None:
    made = payment("a", AT + timedelta(minutes=10))
    world.count(made, received=AT)
    world.count(payment("a", AT), received=AT + timedelta(minutes=10))
    assert world.fold().minutes == 1, "the other minute is to come"
    assert world.fold(AT + timedelta(minutes=12)).minutes == 1
    assert world.numbers()["a"][0] == 2


def test_ten_thousand_keys_in_a_minute_are_bounded_and_each_row_has_its_size(bundle: Path) -> None:
    world = World(aggregates(aggregate(most_keys=3000)))
    for start in range(0, 10_000, 500):
        world.count(*(payment(f"m#{number}{'%' * 20}") for number in range(start, start + 500)))
    assert world.fold().failed == 0
    parts = world.lying("part")
    assert len(parts) > 1
    assert all(len(row["part"]["B"]) < 300_000 for row in parts.values())
    numbers = world.numbers()
    assert len(numbers) == 3001
    assert sum(shown[0] for shown in numbers.values()) == 10_000
    assert numbers[""][0] == 7000, "the others as one"


def test_sums_at_the_bound_of_decimals_are_exact(world: World) -> None:
    world.count(*(payment("a", amount=999_999_999_999.9999) for _ in range(1200)))
    world.fold()
    assert str(world.numbers()["a"][1]) == "1199999999999999.8800"
