"""Which days of a tenant are sealed: those that are due and whose silver is complete, each by itself."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.aggregates import registry, seal_days
from millrace.aggregates.blocks import Layout
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.heads import Compared, Head
from millrace.aggregates.seal_days import Days, Done, SealDays
from millrace.aggregates.sealing import Sealed, source_of
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending
from tests.support.stores import MemoryDynamoDB

ORG, TABLE = "org_acme", "silver.order_created_v1"
AT = clock.parse("2026-11-21T03:50:00Z")
FILES: dict[str, dict[str, list[str]]] = {
    f"2026-11-{day}": {TABLE: [f"{day}.parquet"]} for day in (18, 19, 20, 21)
}


class Sealer:
    """Seals by name only."""

    heads_of: Mapping[tuple[str, str], Head] = {}
    broken: tuple[str, ...] = ()
    sealed: list[tuple[str, str]]

    def __init__(self, *_: Any) -> None:
        pass

    def heads(self, *_: Any) -> Mapping[tuple[str, str], Head]:
        return self.heads_of

    def tables(self, aggregate: Aggregate) -> tuple[str, ...]:
        return tuple(f"silver.{name.replace('.', '_')}_v1" for name in aggregate.events)

    def seal(self, _: Any, aggregate: Aggregate, day: str, *how: Any) -> Sealed:
        if day in self.broken:
            raise ValueError("a broken file")
        self.sealed.append((aggregate.name, day))
        return Sealed(3, 0, Compared(3, int(day == "2026-11-20")))


class World:
    def __init__(self, bundle: Path) -> None:
        self.metadata = Table(MemoryDynamoDB(), "Metadata", attempts=1)
        self.open: set[str] = set()
        self.warned: list[str] = []
        self.days = SealDays(
            Table(MemoryDynamoDB(), "Analytics", attempts=1),
            self.metadata,
            registry.load(bundle),
            lambda _, day: day in self.open,
            lambda sentence, about: self.warned.append(f"{sentence} {about.get('day')}"),
        )

    def run(self, seconds: float = 900) -> Done:
        done, opened = Done(), list[str]()
        connection: Any = None
        self.days.of(ORG, Days(connection, FILES, opened.append), AT, lambda: seconds, done)
        return done


@pytest.fixture
def world(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(Sealer, "sealed", [], raising=False)
    monkeypatch.setattr(seal_days, "Sealer", Sealer)
    return World(bundle)


def sealed_days() -> list[str]:
    return [day for name, day in Sealer.sealed if name == "orders_by_user"]


def head(day: int, cut: str, *, whole: bool) -> Head:
    return Head(cut, "g", Layout(), source_of([f"{day}.parquet"]), whole, "2026-11-01T03:50:00Z")


def test_days_before_the_cut_are_sealed_newest_first_and_told_where_they_differ(world: World) -> None:
    done = world.run()
    assert sealed_days() == ["2026-11-20", "2026-11-19", "2026-11-18"]
    assert done.sealed == done.compared == len(Sealer.sealed)
    assert done.different == len(Sealer.sealed) // 3
    assert all(one.endswith("2026-11-20") for one in world.warned)


def test_what_is_sealed_of_the_same_files_and_whole_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    heads = {
        ("orders_by_user", "2026-11-20"): head(20, "2026-11-21", whole=False),
        ("orders_by_user", "2026-11-19"): head(19, "2026-11-20", whole=True),
        ("orders_by_user", "2026-11-18"): head(18, "2026-11-20", whole=False),
    }
    monkeypatch.setattr(Sealer, "heads_of", heads)
    world.run()
    assert sealed_days() == ["2026-11-18"]


def test_days_wait_while_silver_may_lack_events(world: World) -> None:
    yesterday = clock.midnight(AT.date()) - timedelta(hours=1)
    world.metadata.write_all(pending.to_items([(ORG, "2026-11-20")], "t1", yesterday))
    # What came today does not hold up what was received before.
    world.metadata.write_all(pending.to_items([(ORG, "2026-11-18")], "t2", AT))
    failed_days.record(world.metadata, ORG, "2026-11-19", [], run="r", at="2026-11-21T02:35:00Z")
    assert world.run().waiting == 2
    assert sealed_days() == ["2026-11-18"]
    world.open.add("2026-11-18")
    assert world.run().waiting == 3


def test_a_broken_day_stops_no_other_and_what_has_no_time_is_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Sealer, "broken", ("2026-11-20",))
    done = world.run()
    assert done.failed > 0
    assert sealed_days() == ["2026-11-19", "2026-11-18"]
    Sealer.sealed.clear()
    # A call does one day at least.
    done = world.run(seconds=0)
    assert (sealed_days(), done.left) == (["2026-11-19"], 1)
