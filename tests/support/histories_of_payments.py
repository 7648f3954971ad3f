"""Weeks of payments whose fraud shows: small habits, and now and then very much at once at a shop that is never honest."""

import random
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from tests.support import events

SHOPS, BAIT = ("Kornblume Market", "Juniper Books", "Harbour Fuel"), "CoinBridge Exchange"


def payments(today: date, *, days: int, a_day: int, seed: int = 7) -> Iterator[dict[str, Any]]:
    """`transaction.created` of so many whole days before today, one in twelve a fraud."""
    rng = random.Random(seed)
    for back in range(days, 0, -1):
        midnight = datetime.combine(today - timedelta(days=back), time(tzinfo=UTC))
        for number in range(a_day):
            fraud = number % 12 == 5
            moment = midnight + timedelta(milliseconds=rng.randrange(86_400_000))
            yield events.transaction(
                timestamp=moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                user=rng.randrange(100, 130),
                payload={
                    "amount": round(rng.uniform(2000, 4000) if fraud else rng.uniform(5, 60), 2),
                    "merchant": BAIT if fraud else rng.choice(SHOPS),
                    "is_fraud": fraud,
                },
            )
