"""Counts events by leaving their facts, for the fold and for reads of minutes that are not folded yet.

A batch leaves one row for each tenant and minute of receipt, and a mark that the minute is to be folded. Both are
unconditional: an event that is delivered again leaves the same fact once more, and the fold removes copies by id.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from millrace.aggregates import marks, rows
from millrace.aggregates.facts import MOST_BYTES, Fact, Facts, minute, pack
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.table import Item, Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item

_NAME_BYTES = 12
# A metric: events that came so late (a redrive) that only a seal counts them.
TOO_OLD = "TooOldForTiles"


class EventCounter:
    """Leaves the facts of batches."""

    def __init__(
        self,
        analytics: Table,
        codec: Codec,
        facts: Facts,
        token: Callable[[], str],
        *,
        too_old: Callable[[int], object] = lambda _: None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Makes no call.

        Args:
            analytics: takes the rows.
            codec: reads the stored events.
            facts: makes their facts.
            token: gives a text that the marks of no other batch have.
            too_old: takes how many events of a batch were received so long ago that only a seal counts them.
            now: the clock.
        """
        self._analytics, self._codec, self._facts, self._token = analytics, codec, facts, token
        self._too_old, self._now = too_old, now

    def count(self, deliveries: Sequence[Delivery]) -> None:
        """Leaves the facts of a batch, then the marks.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: the table did not take every row.
        """
        now = self._now()
        oldest = clock.utc_text(now - rows.TAKEN)
        found: dict[tuple[str, str], list[Fact]] = {}
        too_old = 0
        for delivery in deliveries:
            if delivery.item["eventType"]["S"] not in self._facts.event_types:
                continue
            event = from_item(delivery.item, self._codec)
            received_at = event.envelope["platform"]["receivedAt"]
            if received_at < oldest:
                too_old += 1
            else:
                found.setdefault((event.org, minute(received_at)), []).append(self._facts.of(event))
        if too_old:
            self._too_old(too_old)
        written = [
            row
            for (org, received), facts in found.items()
            for row in fact_rows(org, received, facts, clock.utc_text(now))
        ]
        self._analytics.write_all(written, doing="write facts")
        # Behind the facts: whoever folds a marked minute finds them.
        self._analytics.write_all(marks.items(found, self._token()), doing="mark minutes")


def fact_rows(org: str, received: str, facts: Sequence[Fact], at: str) -> Iterator[Item]:
    """The rows of facts of one tenant and minute of receipt, written at a moment: one, unless they are too many for it."""
    packed = pack(facts)
    if len(packed) > MOST_BYTES and len(facts) > 1:
        middle = len(facts) // 2
        yield from fact_rows(org, received, facts[:middle], at)
        yield from fact_rows(org, received, facts[middle:], at)
        return
    # By what it holds: a batch that comes again replaces its row.
    name = hashlib.sha256(b"".join(sorted(fact.id for fact in facts))).hexdigest()[: 2 * _NAME_BYTES]
    yield {
        "metricKey": {"S": rows.facts_key(org, received)},
        "tileKey": {"S": rows.facts_sort(received, name)},
        "facts": {"B": packed},
        "at": {"S": at},
        "expiresAt": rows.expiry(received, rows.KEPT),
    }
