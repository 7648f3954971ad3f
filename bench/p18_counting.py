"""P18: counting costs at most 60 µs of CPU an event for all shipped aggregates together, and writes few rows.

Events of the demo's mix come in batches of 500, as a shard of the table's stream gives them at 1,000 a second, and one minute of
receipt is folded. Tables answer at once, so what is measured is our own code with its packing.
"""

import time
from datetime import UTC, datetime, timedelta
from itertools import count
from statistics import median
from typing import Any

from bench import sent
from bench.figure import Figure
from bench.held import Held
from millrace.aggregates import registry
from millrace.aggregates.count import EventCounter
from millrace.aggregates.facts import Facts
from millrace.aggregates.folding import Folding
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from tests.support.aggregates import deliveries

MICROS, ROWS = 60.0, 0.25
BATCH, BATCHES, RATE = 500, 24, 1000
ROUNDS = 3
AT = datetime(2026, 11, 21, 10, 0, 0, tzinfo=UTC)


def measure() -> list[Figure]:
    """Microseconds and rows of an event."""
    aggregates = registry.load()
    batches = [
        deliveries(_events(number), AT + timedelta(seconds=number * BATCH / RATE))
        for number in range(BATCHES)
    ]
    spent, written = [], 0.0
    for _ in range(ROUNDS):
        held, tokens = Held(), count()
        table = Table(held, "Analytics")
        facts = Facts(list(aggregates), aggregates.contracts.deployed)
        codec = Codec(aggregates.contracts.dictionary)
        counter = EventCounter(table, codec, facts, lambda tokens=tokens: str(next(tokens)), now=lambda: AT)  # type: ignore[misc]
        folding = Folding(table, aggregates, lambda *_: None, now=lambda: AT + timedelta(minutes=2))
        started = time.process_time()
        for batch in batches:
            counter.count(batch)
        left = held.written
        folded = folding.run(60, lambda: 60.0)
        spent.append(time.process_time() - started)
        if (folded.minutes, folded.events) != (1, BATCH * BATCHES):
            raise AssertionError(f"not all was folded: {folded}")
        # A minute has as many batches as come at the rate, and is folded once.
        written = left / BATCHES * RATE * 60 / BATCH + (held.written - left)
    events = BATCH * BATCHES
    return [
        Figure(
            "P18",
            "µs of CPU an event, counted and folded by all aggregates",
            median(spent) / events * 1e6,
            MICROS,
        ),
        Figure("P18", "rows written an event at 1,000 a second", written / (RATE * 60), ROWS),
    ]


def _events(number: int) -> list[dict[str, Any]]:
    at = (AT + timedelta(seconds=number)).isoformat()
    return [{**event, "timestamp": at} for event in sent.copies(BATCH, number + 1)]
