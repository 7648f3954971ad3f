"""Any history of deliveries, short ones by Hypothesis and one of some thousands: the first write wins in every copy.

And hours of patterns and alerts: each alert that there has to be is raised once, no other, and ends when it should.

`python -m tests.support.histories 1000000` is the long run.
"""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.contracts.registry import Registry
from tests.support.histories import Sent, World, alerting, check
from tests.support.histories.generate import moment, run
from tests.support.histories.world import AGES, ORGS, START

# Few ids, so that they meet: tenant, number, story (negative: refused), and whether its moment is of today.
Drawn = tuple[str, int, int, bool]
DRAWN = st.tuples(st.sampled_from(ORGS), st.integers(0, 6), st.integers(-1, 1), st.booleans())
MANY = st.lists(DRAWN, max_size=12)
MOVES = st.one_of(
    st.tuples(st.just("send"), MANY, st.integers(0, 6), st.booleans()),
    st.tuples(st.just("both"), MANY, MANY),
    st.tuples(
        st.just("deliver"),
        st.sampled_from([1, 4, 64]),
        st.sampled_from([0.0, 0.3]),
        st.sampled_from([0, 0.4]),
    ),
    st.tuples(st.sampled_from(["day", "ages", "replay"])),
)


def sent(world: World, drawn: Sequence[Drawn]) -> list[Sent]:
    return [
        Sent(org, number, story, moment(world.now if today else START, number))
        for org, number, story, today in drawn
    ]


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    derandomize=True,
)
@given(st.lists(MOVES, max_size=14), st.integers(0, 3))
def test_after_any_history_the_first_write_has_won_everywhere(
    bundle: Path, moves: list[tuple[Any, ...]], seed: int
) -> None:
    world = World(Registry(bundle), seed)
    try:
        for move in moves:
            match move:
                case ("send", some, failing, took_effect):
                    world.send(sent(world, some), failing=failing, took_effect=took_effect)
                case ("both", first, second):
                    world.send_at_once(sent(world, first), sent(world, second))
                case ("deliver", window, twice, failing):
                    world.deliver(window=window, twice=twice, failing=failing, again=failing / 2)
                case ("day",):
                    world.advance(timedelta(days=1))
                case ("ages",):
                    world.advance(AGES)
                case ("replay",):
                    world.replay()
        world.deliver()
        check(world)
    finally:
        world.close()


def test_thousands_of_deliveries(bundle: Path) -> None:
    world = World(Registry(bundle), 7)
    run(world, 6000, random.Random(7))
    counted = check(world)
    world.close()
    assert all(
        counted[name] > 50 for name in ("accepted", "duplicate", "conflict", "rejected", "unavailable")
    )
    assert world.life == 1
    assert len(world.stores.objects) > 10


def told(world: World, org: str, number: int, story: int, *, today: bool = False) -> str:
    world.send(sent(world, [(org, number, story, today)]))
    return world.answers[-1].outcome


def test_an_id_before_and_after_its_row_has_gone(bundle: Path) -> None:
    world = World(Registry(bundle))
    org = ORGS[0]
    assert told(world, org, 1, 0) == "accepted"
    world.advance(timedelta(days=1))
    assert (told(world, org, 1, 0), told(world, org, 1, 1)) == ("duplicate", "conflict")
    world.advance(AGES)
    # The same event is too old by now, and so is another one of that day; one of today is new under the old id.
    assert (told(world, org, 1, 0), told(world, org, 1, 1)) == ("rejected", "rejected")
    assert told(world, org, 1, 1, today=True) == "accepted"
    assert told(world, org, 1, 0, today=True) == "conflict"
    world.deliver()
    check(world)
    world.close()


@pytest.mark.parametrize("planted", ["row", "pointer", "object", "manifest", "tenant", "story"])
def test_a_planted_fault_is_found(bundle: Path, planted: str) -> None:
    world = World(Registry(bundle))
    world.send(sent(world, [(org, number, 0, False) for org in ORGS for number in range(6)]))
    world.deliver(twice=0, failing=0, again=0)
    check(world)
    tables = world.stores.tables
    match planted:
        case "row":
            tables["Events"].popitem()
        case "pointer":
            tables["UserEvents"].popitem()
        case "object":
            world.stores.objects.popitem()
        case "manifest":
            del tables["Metadata"][next(key for key in tables["Metadata"] if "#manifest#" in key[0])]
        case "tenant":
            row = tables["UserEvents"].popitem()[1]
            tables["UserEvents"][("org_other#u", row["sortKey"]["S"])] = row
        case "story":
            one, other, *_ = [key for key in tables["Events"] if key[0].startswith(ORGS[0])]
            tables["Events"][one] = tables["Events"][other]
    with pytest.raises(AssertionError):
        check(world)
    world.close()


# What a history of patterns and alerts has to come to; otherwise it shows nothing.
COVERED = (
    "silent: told",
    "silent: held back",
    "late: told",
    "in time: not told",
    "overtaken: told",
    "replayed: not told",
    "3 reports: told",
    "storms",
    "sweeps held",
    "delivered again",
    "redriven",
    "killed",
)


@pytest.mark.parametrize("seed", range(2))
def test_hours_of_patterns_and_alerts(bundle: Path, seed: int) -> None:
    assert bundle.is_dir()
    history = alerting.History(220, seed)
    history.run()
    counted = alerting.check(history)
    assert [name for name in COVERED if not counted[name]] == []


@pytest.mark.parametrize("planted", ["lost", "told", "listed"])
def test_a_planted_fault_in_alerts_is_found(bundle: Path, planted: str) -> None:
    assert bundle.is_dir()
    history = alerting.History(20, 3)
    history.run()
    alerting.check(history)
    tables, (raised, *_) = history.world.dynamodb.tables, history.world.items()
    match planted:
        case "lost":
            del tables["Events"][(raised["eventId"]["S"],)]
        case "told":
            history.tales = [
                replace(tale, expected=alerting.NONE) if tale.kind == "silent" else tale
                for tale in history.tales
            ]
        case "listed":
            key = next(key for key in tables["Analytics"] if key[0].endswith("#alert"))
            del tables["Analytics"][key]
    with pytest.raises(AssertionError):
        alerting.check(history)
