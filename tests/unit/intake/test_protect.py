"""What intake stores of events that name people or have protected fields: one write unit, and for other events nothing changes."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.seeding import timeline
from millrace.core.errors import RetryableError
from millrace.eventstore.append import Appender
from millrace.intake.accept import Intake
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate
from millrace.privacy.subjects import Person
from tests.support import events
from tests.support.people import EverybodyIsKnown
from tests.support.stores import size_of
from tests.unit.intake.test_accept import NOW, World, statuses

ORDER_AT = "2026-11-21T05:59:00Z"


class Counting(EverybodyIsKnown):
    """Counts requests for people, and can fail or leave some out."""

    def __init__(self) -> None:
        self.asked: list[set[str]] = []
        self.broken = False
        self.left_out: set[str] = set()

    def known_or_new(self, org: str, names: Iterable[str]) -> dict[str, Person]:
        wanted = set(names)
        self.asked.append(wanted)
        if self.broken:
            raise RetryableError("no table")
        return super().known_or_new(org, wanted - self.left_out)


@pytest.fixture
def people() -> Counting:
    return Counting()


@pytest.fixture
def world(bundle: Path, people: Counting) -> World:
    made = World()
    made.intake = Intake(
        made.registry, Appender({"table": made.table, "none": made.table}), made.kept, made.keys, people
    )
    return made


def shipped(**changes: Any) -> dict[str, Any]:
    return events.shipped_order(**{"timestamp": ORDER_AT, **changes})


def plain(**changes: Any) -> dict[str, Any]:
    return events.health_check(**{"timestamp": ORDER_AT, **changes})


def test_people_are_asked_for_once_a_request_and_only_where_there_is_something_to_protect(
    world: World, people: Counting
) -> None:
    world.send(plain(), plain())
    assert people.asked == []
    order = events.order(user="c", timestamp=ORDER_AT)
    world.send(shipped(user="a"), plain(), shipped(user="b"), shipped(user="a"), order)
    assert people.asked == [{"user:a", "user:b", "user:c"}]


def test_who_could_not_be_had_holds_nobody_else_up(world: World, people: Counting) -> None:
    people.left_out = {"user:a"}
    some = shipped(user="a"), shipped(user="b"), plain()
    assert statuses(world.send(*some)) == ["unavailable", "accepted", "accepted"]
    people.broken = True
    assert statuses(world.send(*some)) == ["unavailable", "unavailable", "duplicate"]
    people.broken, people.left_out = False, set()
    assert statuses(world.send(*some)) == ["accepted", "duplicate", "duplicate"]


def test_a_dry_run_makes_nobody(world: World, people: Counting) -> None:
    (result,) = world.intake.replay(
        [Candidate(0, shipped())], Origin("org_acme", "shop", "r", NOW), dry_run=True
    )
    assert result.outcome.value == "accepted"
    assert people.asked == []


def test_95_of_100_rows_of_orders_with_an_address_take_one_write_unit(world: World) -> None:
    start = datetime(2026, 11, 20, 12, tzinfo=UTC)
    seeded = [
        event
        for event in timeline("7", start=start, per_hour=500, most=900)
        if event["eventType"] == "order.created"
    ][-100:]
    assert len(seeded) == 100
    answered = world.send(*seeded, at=start + timedelta(hours=12))
    assert set(statuses(answered)) == {"accepted"}
    sizes = sorted(size_of(row) for row in world.table.rows.values())
    assert sum(row["fingerprint"]["B"][0] == 4 for row in world.table.rows.values()) > 50
    assert sizes[95] <= 1024
