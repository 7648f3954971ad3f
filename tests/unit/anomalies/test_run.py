"""Runs over what was counted: silences, spikes, their ends, and nothing twice."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import registry
from millrace.aggregates.blocks import Tiles
from millrace.aggregates.definition import TILE_SECONDS
from millrace.anomalies import assemble, run
from millrace.anomalies.run import Watched, Watcher
from millrace.anomalies.series import Series
from millrace.anomalies.state import States
from millrace.anomalies.watch import Watch
from millrace.core.errors import RetryableError
from tests.support.alerting import ORG, Alerting
from tests.support.shaky import Shaky, each_call
from tests.support.stores import MemoryDynamoDB

WATCH = "event_volume"
START = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
MEANS = {"page.viewed": 90.0, "order.created": 8.0, "review.submitted": 0.4}
Change = Callable[[str, int], float]


class Counted:
    """Tiles of a tenant: by day more than by night, changed from the start on."""

    def __init__(self) -> None:
        self.now = START
        self.change: Change = lambda _key, _tile: 1.0
        self.stopped_at: datetime | None = None

    def between(self, start: int, end: int) -> Tiles:
        until = (self.stopped_at or self.now).timestamp()
        return {tile: self._of(tile) for tile in range(start, min(end, int(until)), TILE_SECONDS)}

    def _of(self, tile: int) -> dict[Any, Any]:
        found = {}
        for key, mean in MEANS.items():
            season = 1 + 0.5 * math.sin(tile % 86_400 / 86_400 * 2 * math.pi)
            noise = 1 + 0.05 * math.sin(tile * 0.37 + mean)
            factor = self.change(key, tile) if tile >= START.timestamp() else 1.0
            count = round(mean * season * noise * factor)
            if count:
                found[(key,)] = [count]
        return found


class World:
    """What is counted, what watches, and the alerts."""

    def __init__(self, tables: MemoryDynamoDB | None = None) -> None:
        self.counted, self.alerting = Counted(), Alerting(tables)
        aggregate = registry.load().by_name["events_by_type"]
        self.reads = 0

        def open_(_org: str, watch: Watch, _now: datetime) -> Series:
            self.reads += 1
            return Series(watch, aggregate, self.counted.between)

        self.watcher = Watcher(
            [one for one in assemble.watches() if one.name == WATCH],
            open_,
            States(self.alerting.analytics),
            self.alerting.alerts,
            now=lambda: self.counted.now,
        )

    def run(self) -> Watched:
        self.alerting.now = self.counted.now
        return self.watcher.run([ORG], lambda: 60.0)

    def watch(self, **span: float) -> None:
        until = self.counted.now + timedelta(**span)
        while self.counted.now < until:
            self.counted.now += timedelta(minutes=2)
            assert self.run().failed == []

    def raised(self) -> list[tuple[str, str, str]]:
        return [
            (one["subject"], one["title"].partition(": ")[2], one["severity"])
            for one in self.alerting.events("alert.raised")
        ]


@pytest.fixture
def world(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    assert bundle.is_dir()
    monkeypatch.setattr(run, "WEEKS", 3)
    made = World()
    made.run()
    return made


def test_usual_hours_raise_nothing_even_over_midnight(world: World) -> None:
    for _ in range(30):
        world.counted.now += timedelta(minutes=57)
        assert world.run().failed == []
    assert world.alerting.events() == []


def test_a_silence_is_told_within_15_minutes_and_ends(world: World) -> None:
    silent_from = START.timestamp() + 40 * 60
    world.watch(minutes=40)
    world.counted.change = lambda key, tile: float(
        key != "page.viewed" or not silent_from <= tile < silent_from + 4 * 3600
    )
    world.watch(minutes=15)
    assert world.raised() == [("events_by_type:page.viewed", "silence of events", "critical")]
    world.watch(hours=5)
    assert len(world.raised()) == 1
    assert world.alerting.events("alert.ended") == []
    world.watch(hours=4)
    assert [one["reason"] for one in world.alerting.events("alert.ended")] == ["recovered"]
    assert len(world.raised()) == 1


def test_a_spike_is_told_before_its_hour_is_over(world: World) -> None:
    world.counted.change = lambda key, _tile: 5.0 if key == "order.created" else 1.0
    world.watch(minutes=50)
    assert world.raised()[0][:2] == ("events_by_type:order.created", "a spike of events")


def test_what_becomes_worse_is_raised_once_more(world: World) -> None:
    later = START.timestamp() + 3600
    world.counted.change = lambda key, tile: (0.4 if tile < later else 0.0) if key == "page.viewed" else 1.0
    world.watch(hours=3)
    assert [severity for _, _, severity in world.raised()] == ["warning", "critical"]
    assert [one["reason"] for one in world.alerting.events("alert.ended")] == ["escalated"]


def test_where_nothing_is_counted_at_all_no_tenant_is_silent(world: World) -> None:
    world.watch(minutes=20)
    world.counted.stopped_at = world.counted.now
    world.watch(hours=2)
    assert world.alerting.events() == []
    behind = world.run()
    # The hour that was under way is over for 80 minutes, and more with each run.
    assert behind.lag_seconds == behind.metrics()[run.LAG][0] == 80 * 60
    assert behind.series == len(MEANS)
    world.counted.stopped_at = None
    world.watch(minutes=10)
    assert world.alerting.events() == []
    assert world.run().lag_seconds == 0
    assert world.run().metrics().keys() == {run.LAG}
    assert replace(behind, learned=1).metrics()[run.SERIES][0] == behind.series


def test_a_run_that_fails_behind_its_alerts_changes_nothing(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.watch(minutes=8)
    silent_from = START.timestamp() + 600
    world.counted.change = lambda key, tile: float(key != "page.viewed" or tile < silent_from)
    world.counted.now += timedelta(minutes=22)

    def refuse(*_: Any, **__: Any) -> None:
        raise RetryableError("no")

    with monkeypatch.context() as patched:
        patched.setattr(States, "put", refuse)
        assert world.run().failed == [ORG]
    assert len(world.raised()) == 1
    assert world.run().failed == []
    world.watch(minutes=10)
    assert len(world.raised()) == 1


def test_whatever_call_fails_an_episode_is_told_once_and_ends(world: World) -> None:
    learned = {name: dict(rows) for name, rows in world.alerting.dynamodb.tables.items()}

    def told(tables: Shaky) -> object:
        tables.tables.update({name: dict(rows) for name, rows in learned.items()})
        here, silent = World(tables), range(600, 3600)
        here.counted.change = lambda key, tile: float(
            key != "page.viewed" or tile - int(START.timestamp()) not in silent
        )
        for minutes in (30, 32, 6 * 60, 6 * 60 + 2):
            here.counted.now = START + timedelta(minutes=minutes)
            # A tenant that failed is judged by the next run.
            tables.retried(here.run, restart=lambda: None)
        ended = [one["reason"] for one in here.alerting.events("alert.ended")]
        return here.raised(), ended

    each_call(told, least=12)


def test_a_tenant_without_events_has_none(world: World) -> None:
    world.counted.change = lambda _key, _tile: 1.0
    (watch,) = (one for one in assemble.watches() if one.name == WATCH)
    series = Series(watch, registry.load().by_name["events_by_type"], lambda _start, _end: {})
    empty = Watcher(
        [watch],
        lambda *_: series,
        States(world.alerting.analytics),
        world.alerting.alerts,
        now=lambda: START,
    )
    assert empty.run(["org_new"], lambda: 60.0).failed == []
    left = empty.run(["org_new"], lambda: 0.0)
    assert (left.left, left.lag_seconds) == (1, 0)
    assert left.metrics()[run.MISSED][0] == 1


def test_keys_that_are_not_watched_are_said(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "MOST_KEYS", 2)
    said: list[str] = []
    world.watcher._warn = said.append
    world.counted.now += timedelta(days=3)
    world.run()
    assert said == ["event_volume of org_acme watches the 2 largest keys, and 1 are not watched"]
