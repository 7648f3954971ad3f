"""Publishes routed events on the platform's bus, at least once; `detail.eventId` is the subscriber's key.

The stored body is the detail, byte for byte: it is not parsed here.
"""

import random
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

from millrace import __version__
from millrace.core import clock
from millrace.core.aws import calling
from millrace.core.consumer import Delivery
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Table
from millrace.eventstore import receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.heads import is_derived
from millrace.eventstore.row import Head, body_of, head_of

SOURCE = "millrace.events"
# PutEvents takes 10 entries; together they stay below its 1 MB with room for what surrounds a detail.
ENTRIES_PER_CALL = 10
BYTES_PER_CALL = 900_000
ATTEMPTS = 3
FIRST_PAUSE_SECONDS = 0.05
PERMANENT = frozenset({"InvalidArgument", "MalformedDetail", "NotAuthorizedForSourceException"})

Entry = dict[str, Any]


class BusPublisher:
    """Puts deliveries on the bus and leaves a receipt, which the trace reads."""

    def __init__(
        self,
        events: Any,
        metadata: Table,
        codec: Codec,
        routed: Callable[[str], bool],
        bus: str,
        derived: Collection[str] = (),
    ) -> None:
        """Makes no call.

        Args:
            events: the client of the bus.
            metadata: takes the receipts.
            codec: reads the stored events.
            routed: whether events of a type go out.
            bus: its name.
            derived: types that go out only where the platform derived the event; clients could once send them.
        """
        self._derived = frozenset(derived)
        self._events, self._metadata, self._codec, self._routed = events, metadata, codec, routed
        self._bus = bus

    def publish(self, deliveries: Sequence[Delivery]) -> None:
        """Publishes a batch, then writes its receipts.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: the bus did not take every event.
        """
        wanted = [delivery for delivery in deliveries if self._goes_out(delivery)]
        if not wanted:
            return
        heads = [head_of(delivery.item) for delivery in wanted]
        entries = [
            self._entry(head, body_of(delivery.item, self._codec))
            for head, delivery in zip(heads, wanted, strict=True)
        ]
        for call in _calls(entries):
            self._put(call)
        self._leave_receipts(wanted, heads)

    def _goes_out(self, delivery: Delivery) -> bool:
        event_type = delivery.item["eventType"]["S"]
        return self._routed(event_type) and (event_type not in self._derived or is_derived(delivery.item))

    def _entry(self, head: Head, body: bytes) -> Entry:
        if len(body) > BYTES_PER_CALL:
            raise PermanentError(f"put on bus: {len(body)} bytes exceed an entry")
        try:
            detail = body.decode()
        except UnicodeDecodeError as error:
            raise PermanentError(f"put on bus: the body is not text: {error}") from error
        return {
            "EventBusName": self._bus,
            "Source": SOURCE,
            "DetailType": head.event_type,
            "Detail": detail,
            "Time": head.happened_at,
        }

    def _put(self, entries: list[Entry]) -> None:
        """Puts entries; of an answered call only those that failed are put again."""
        for attempt in range(ATTEMPTS):
            if attempt:
                time.sleep(random.uniform(0, FIRST_PAUSE_SECONDS * 2**attempt))  # noqa: S311  jitter
            with calling("put on bus"):
                answer = self._events.put_events(Entries=entries)
            if not answer["FailedEntryCount"]:
                return
            results = list(zip(entries, answer["Entries"], strict=True))
            entries = [entry for entry, result in results if result.get("ErrorCode")]
            codes = {result["ErrorCode"] for _, result in results if result.get("ErrorCode")}
            # The batch is halved until the entry that the bus refuses stands alone.
            if codes & PERMANENT:
                raise PermanentError(f"put on bus: {', '.join(sorted(codes))}")
        raise RetryableError(f"put on bus: {len(entries)} entries failed {ATTEMPTS} times")

    def _leave_receipts(self, deliveries: Sequence[Delivery], events: Sequence[Head]) -> None:
        first, last = deliveries[0], deliveries[-1]
        newest = max(delivery.arrived_at for delivery in deliveries)
        where = receipts.place(newest, first.shard, first.sequence, last.sequence)
        days: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        for event in events:
            days[(event.org, event.day)][event.event_id] = event.expires_at
        rows = [
            item
            for (org, day), ids in days.items()
            for item in receipts.to_items(
                receipts.Receipt(
                    org, receipts.ROUTED, day, where, clock.now(), tuple(ids), __version__, max(ids.values())
                )
            )
        ]
        self._metadata.write_all(rows, doing="write receipts")


def _calls(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    call: list[Entry] = []
    size = 0
    for entry in entries:
        needed = len(entry["Detail"].encode())
        if call and (len(call) == ENTRIES_PER_CALL or size + needed > BYTES_PER_CALL):
            yield call
            call, size = [], 0
        call.append(entry)
        size += needed
    if call:
        yield call
