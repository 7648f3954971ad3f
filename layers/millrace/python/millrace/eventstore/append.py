"""The one way in which events are stored: by a conditional write to the table, or straight into the log.

In the table the first write of an id wins, in whichever copy it came.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Protocol

from millrace.contracts.contract import Contract
from millrace.core import keys, limits
from millrace.core.errors import MillraceError
from millrace.core.table import Item, Table
from millrace.core.worker_pool import WorkerPool
from millrace.eventstore.fingerprint import Fingerprint


class AppendResult(StrEnum):
    """What became of an event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"
    UNAVAILABLE = "unavailable"


class Destination(Protocol):
    """Takes the rows of events."""

    def append(self, items: Sequence[Item]) -> list[AppendResult]:
        """One result per row, in order."""
        ...


class Appender:
    """Appends events, each to the destination that its contract's `store` names."""

    def __init__(self, destinations: Mapping[str, Destination]) -> None:
        """`destinations` by store: `table`, and `none` for straight into the log."""
        self._destinations = destinations

    def append(self, rows: Sequence[tuple[Contract, Item]]) -> list[AppendResult]:
        """One result per row, in order; all rows of one destination are written together."""
        places: dict[str, list[int]] = {}
        for place, (contract, _) in enumerate(rows):
            places.setdefault(contract.store, []).append(place)
        results = [AppendResult.UNAVAILABLE] * len(rows)
        for store, chosen in places.items():
            of_store = self._destinations[store].append([rows[place][1] for place in chosen])
            for place, result in zip(chosen, of_store, strict=True):
                results[place] = result
        return results


class TableAppender:
    """Puts rows into the Events table, in parallel with a bound, and reads the answer of each."""

    def __init__(self, events: Table, log: Callable[[str], None] = lambda _: None) -> None:
        self._events, self._log = events, log
        self._workers = WorkerPool(limits.IN_FLIGHT, "append")

    def append(self, items: Sequence[Item]) -> list[AppendResult]:
        """One result per row, in order. A row whose write stays unanswered is `unavailable`, never lost."""
        if len(items) == 1:
            return [self._put(items[0])]
        left = deque(enumerate(items))
        results = [AppendResult.UNAVAILABLE] * len(items)
        end = time.monotonic() + limits.APPEND_SECONDS
        # Each thread takes rows until none is left: a task for each row would cost as much as validating it.
        self._workers.run(lambda: self._put_some(left, results, end), len(items))
        return results

    def _put_some(self, left: deque[tuple[int, Item]], results: list[AppendResult], end: float) -> None:
        # Rows that there is no time for stay unavailable: the client gets its answer before the gateway gives up.
        while time.monotonic() < end:
            try:
                index, item = left.popleft()
            except IndexError:
                return
            results[index] = self._put(item)

    def _put(self, item: Item) -> AppendResult:
        try:
            stored = self._events.insert(item, "eventId", doing="put event")
        except MillraceError as error:
            self._log(str(error))
            return AppendResult.UNAVAILABLE
        return AppendResult.ACCEPTED if stored is None else compare(stored, item)


def compare(stored: Item, item: Item) -> AppendResult:
    """What a refused put means: a duplicate, a retry of this very request, or another event under the same id."""
    known, ours = bytes(stored["fingerprint"]["B"]), item["fingerprint"]["B"]
    # A row of an earlier version has a fingerprint of that version's form; what the platform derives has one form only.
    if known != ours and not (isinstance(ours, Fingerprint) and ours.matches(known)):
        return AppendResult.CONFLICT
    # The SDK repeats a put whose answer was lost: the row then carries this very request.
    return AppendResult.ACCEPTED if stored["requestId"] == item["requestId"] else AppendResult.DUPLICATE


def received_at(events: Table, org: str, event_id: str) -> str | None:
    """When the event that is stored under an id was received, as UTC text; None where there is none.

    Raises:
        MillraceError: the table did not answer.
    """
    key = {"eventId": {"S": keys.event(org, event_id)}}
    row = events.get(key, consistent=True, doing="read event")
    return None if row is None else str(row["receivedAt"]["S"])
