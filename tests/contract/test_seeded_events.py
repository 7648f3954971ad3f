"""What `millrace seed` sends keeps the contracts that it is validated against."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from cli.seeding import past, timeline
from cli.seeding.events import Event
from millrace.contracts.registry import load

START = datetime(2026, 11, 20, tzinfo=UTC)


@pytest.mark.parametrize(
    "seeded",
    [
        timeline("7", start=START, per_hour=500, most=2000),
        past(7, today=date(2026, 11, 20), days=40, count=4000),
    ],
    ids=["a day", "a past"],
)
def test_every_seeded_event_is_valid(bundle: Path, seeded: Iterable[Event]) -> None:
    registry = load(bundle)
    events = list(seeded)
    wrong = [
        (event["eventId"], errors)
        for event in events
        if (errors := registry.validator(registry.find(event["eventType"], event["version"])).errors(event))
    ]
    assert wrong == []
    assert {event["eventType"] for event in events} == {
        "order.created",
        "transaction.created",
        "system.health.check",
    }
