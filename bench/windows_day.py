"""A day of payments of two tenants: late, shuffled, some delivered twice, a few too late to be counted; the same every time."""

import csv
import pickle
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

from millrace.contracts import registry
from millrace.core import clock
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.intake.enrich import Origin, enrich
from tests.support import events

DAY = datetime(2026, 11, 21, tzinfo=UTC)
ORGS = ("org_acme", "org_globex")
MERCHANTS, CUSTOMERS = 200, 5_000
LATENESS = timedelta(hours=2)
# Of the events: received some minutes to 90 minutes late, beyond the lateness, delivered twice soon after, and twice an hour after.
LATE, TOO_LATE, TWICE, REDRIVEN = 0.03, 0.002, 0.02, 0.0002


@dataclass(frozen=True, slots=True)
class Payment:
    """One event, and when it was received."""

    org: str
    received: datetime
    event: Mapping[str, Any]


def payments(number: int, seed: int = 20) -> Iterator[tuple[datetime, Payment]]:
    """Deliveries of so many payments: when each arrives at the consumer, unordered."""
    rng = random.Random(seed)  # noqa: S311  no secret
    for _ in range(number):
        happened = DAY + timedelta(milliseconds=rng.randrange(86_400_000))
        chance = rng.random()
        if chance < TOO_LATE:
            delay = LATENESS + timedelta(milliseconds=rng.randrange(1, 3_600_000))
        elif chance < TOO_LATE + LATE:
            delay = timedelta(milliseconds=rng.randrange(60_000, 5_400_000))
        else:
            delay = timedelta(milliseconds=rng.randrange(200, 5_000))
        one = Payment(rng.choice(ORGS), happened + delay, _event(rng, happened))
        arrives = one.received + timedelta(milliseconds=rng.randrange(500, 20_000))
        yield arrives, one
        chance = rng.random()
        if chance < TWICE:
            yield arrives + timedelta(seconds=rng.randrange(40)), one
        elif chance < TWICE + REDRIVEN:
            yield arrives + timedelta(hours=1), one


def write(folder: Path, number: int) -> int:
    """Writes the deliveries for both sides: `events.csv`, the columns that are measured, and `deliveries`, rows of the Events table.

    Both are in order of arrival. `deliveries` holds, pickled one after the other, each minute's arrival and its rows.

    Returns:
        how many deliveries there are.
    """
    found = sorted(payments(number), key=lambda one: (one[0], one[1].event["eventId"]))
    contracts = registry.load()
    codec, contract = Codec(contracts.dictionary), contracts.find("transaction.created")
    with (folder / "events.csv").open("w", newline="") as flat, (folder / "deliveries").open("wb") as packed:
        lines = csv.writer(flat)
        for minute, several in groupby(found, key=lambda one: one[0].replace(second=0, microsecond=0)):
            rows = []
            for _, one in several:
                lines.writerow(_columns(one))
                envelope = enrich(
                    dict(one.event),
                    contract,
                    Origin(one.org, "shop", "r", one.received),
                    clock.parse(one.event["timestamp"]),
                )
                rows.append(to_item(envelope, contract, b"f" * 16, codec))
            pickle.dump((minute, rows), packed)
    return len(found)


def _columns(one: Payment) -> tuple[Any, ...]:
    payload = one.event["data"]["payload"]
    happened, received = (
        moment[:23].replace("T", " ") for moment in (one.event["timestamp"], clock.utc_text(one.received))
    )
    fraud = str(payload["is_fraud"]).lower()
    return (
        one.org,
        one.event["eventId"],
        happened,
        received,
        payload["merchant"],
        payload["amount"],
        payload["user_id"],
        fraud,
    )


def _event(rng: random.Random, happened: datetime) -> dict[str, Any]:
    # Some merchants are paid far more often than others.
    merchant = int(MERCHANTS * rng.random() ** 2)
    event_id = events.new_id(rng)
    return events.transaction(
        eventId=event_id,
        timestamp=clock.utc_text(happened),
        payload={
            "transaction_id": f"txn_{event_id[:10]}",
            "merchant": f"merchant_{merchant}",
            "amount": rng.randrange(1, 500_000) / 100,
            "user_id": rng.randrange(CUSTOMERS),
            "is_fraud": rng.random() < 0.01,
        },
    )
