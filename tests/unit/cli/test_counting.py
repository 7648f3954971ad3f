"""How far counting is behind, as `doctor` and `status` say it."""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from cli import counting
from millrace.aggregates import marks
from millrace.core import clock
from millrace.core.table import Table
from millrace.patterns.timers import Timer, Timers
from tests.support.alerting import NOON
from tests.support.stores import MemoryDynamoDB


def test_nothing_waits() -> None:
    found = counting.read(target(MemoryDynamoDB()), NOON)
    assert found.to_json() == dict.fromkeys(found.to_json(), 0)
    assert not found.tiles_late
    assert (found.tiles, found.timers) == ("Everything that was counted is in tiles", "")


def test_minutes_that_are_over_wait_and_one_that_is_not_does_not() -> None:
    stores = MemoryDynamoDB()
    mark(stores, "org_a", minutes=0)
    mark(stores, "org_b", minutes=4)
    found = counting.read(target(stores), NOON)
    assert (found.minutes, found.oldest, found.tiles_late) == (1, timedelta(minutes=3), False)
    mark(stores, "org_a", minutes=12)
    found = counting.read(target(stores), NOON)
    assert (found.minutes, found.tiles_late) == (2, True)
    assert found.tiles == "2 minutes of tenants not in tiles, the oldest for 11 minutes"


def test_a_minute_that_could_not_be_folded_is_said_at_once() -> None:
    stores = MemoryDynamoDB()
    mark(stores, "org_a", minutes=2)
    (one,) = marks.of_all(Table(stores, "Analytics"))
    marks.put_off(Table(stores, "Analytics"), one, clock.epoch(NOON))
    found = counting.read(target(stores), NOON)
    assert (found.failed, found.tiles_late) == (1, True)
    assert found.tiles.endswith("1 could not be folded: see the log of fold_tiles")


def test_the_oldest_timer_counts() -> None:
    stores = MemoryDynamoDB()
    due = [NOON + timedelta(minutes=at) for at in (-20, -3, 5)]
    Timers(Table(stores, "Analytics")).set(
        [Timer("org_a", "p@1.0.0", "k", f"e{at}", 0, when) for at, when in enumerate(due)]
    )
    found = counting.read(target(stores), NOON)
    assert found.overdue == timedelta(minutes=20)
    assert found.timers == "the oldest timer has been due for 20 minutes"


def target(stores: MemoryDynamoDB) -> Any:
    return SimpleNamespace(client=lambda _: stores, output=lambda _: "Analytics")


def mark(stores: MemoryDynamoDB, org: str, *, minutes: int) -> None:
    minute = clock.utc_text(NOON - timedelta(minutes=minutes))[:16]
    Table(stores, "Analytics").write_all(marks.items([(org, minute)], "token"))
