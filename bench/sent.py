"""What clients send, for every measurement the same: the seeded timeline of the demo, as bodies of requests."""

import random
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from cli.seeding import timeline
from tests.support.events import new_id

NOW = datetime.now(UTC)
# From noon on: which people are awake follows the hour, and what is archived lies by UTC day.
START = (NOW - timedelta(days=2)).replace(hour=12, minute=0, second=0, microsecond=0)


@cache
def _timeline(count: int) -> tuple[dict[str, Any], ...]:
    return tuple(timeline("7", start=START, per_hour=500, most=count))


def events(count: int, skip: int = 500) -> list[dict[str, Any]]:
    """Valid events as they are seeded: transactions, orders and health checks in the demo's mix."""
    return list(_timeline(skip + count)[skip:])


def copies(count: int, seed: int) -> list[dict[str, Any]]:
    """As `events`, with ids of their own, so that no two requests hold the same event."""
    rng = random.Random(seed)  # noqa: S311  ids of a measurement
    return [{**event, "eventId": new_id(rng)} for event in events(count)]


def body(sent: list[dict[str, Any]]) -> bytes:
    """A JSON array."""
    return orjson.dumps(sent)


def with_faults(sent: list[dict[str, Any]], every: int = 5) -> list[dict[str, Any]]:
    """Each fifth event broken, in turn: a field missing, a wrong type, a negative amount, an id that is none."""
    made = [orjson.loads(orjson.dumps(event)) for event in sent]
    for number, event in enumerate(made[::every]):
        payload = event["data"]["payload"]
        match number % 4:
            case 0:
                del event["timestamp"]
            case 1:
                payload.update({name: "12.50" for name in ("amount", "totalAmount") if name in payload})
                event["version"] = 1
            case 2:
                payload.update(
                    {name: -1 for name in ("amount", "totalAmount", "errorCount") if name in payload}
                )
            case _:
                event["eventId"] = "order-17"
    return made
