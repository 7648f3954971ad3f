"""Whether an event was counted: its fact, among those of its minute of receipt."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from millrace.aggregates import rows
from millrace.aggregates.facts import holds, minute
from millrace.core import clock
from millrace.core.identity import identity
from millrace.core.table import Table
from millrace.eventstore.row import StoredEvent


@dataclass(frozen=True, slots=True)
class CountedFact:
    """When the fact of an event was written, the row that it is in, and the minute that it counts in."""

    at: str
    row: str
    minute: str


def counted(
    analytics: Table, now: Callable[[], datetime] = clock.now
) -> Callable[[StoredEvent], CountedFact | None]:
    """Finds the fact of an event; None where no aggregate counts it, not yet, or where facts are gone after some days."""

    def find(event: StoredEvent) -> CountedFact | None:
        received = minute(event.envelope["platform"]["receivedAt"])
        if now() - rows.at(received) > rows.KEPT:
            return None
        values = {
            ":key": {"S": rows.facts_key(event.org, received)},
            ":minute": {"S": rows.facts_sort(received)},
        }
        condition = "metricKey = :key AND begins_with(tileKey, :minute)"
        wanted = identity(event.event_id)
        for item in analytics.query(condition, values, doing="read facts"):
            if holds(bytes(item["facts"]["B"]), wanted):
                return CountedFact(item["at"]["S"], item["tileKey"]["S"], received)
        return None

    return find
