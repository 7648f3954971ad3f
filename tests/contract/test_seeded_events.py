"""What `millrace seed` sends keeps the contracts that it is validated against."""

from datetime import UTC, datetime
from pathlib import Path

from cli.seeding import timeline
from millrace.contracts.registry import load

START = datetime(2026, 11, 20, tzinfo=UTC)


def test_every_seeded_event_is_valid(bundle: Path) -> None:
    registry = load(bundle)
    events = list(timeline("7", start=START, per_hour=500, most=2000))
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
