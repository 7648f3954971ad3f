"""What each source has brought in each hour: rows of its tenant in Metadata, `<org>#source-hours` / `<name>#<hour>#<writer>`.

A writer is one warm copy of a function. It counts what intake answers, and writes its sums of the hour anew, so that no write
is counted twice: a write in a minute at most, beyond the first ones. Who counts loses what came behind its last write when it
ends, which is less than a minute of a busy source; `last_at` is as fresh as that. The API, replays and imports are not
counted: they have reports of their own.
"""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol
from uuid import uuid4

from millrace.core import clock, keys
from millrace.core.errors import MillraceError
from millrace.core.table import Item, Table

KEPT_DAYS = 35
# Kinds of origins that are no source.
UNCOUNTED = frozenset({"api", "replay", "import"})
# Writes that a writer has in hand, and how long one takes to come back: a source of a few messages is counted to the last.
WRITES, SECONDS_A_WRITE = 10.0, 60.0
_UNAVAILABLE = "unavailable"
# Rows that are read for the newest moment: of one hour, where it has more writers.
MOST_WRITERS = 100
# Hours of sources that a writer remembers.
MOST = 1000
# An outcome of intake → its name in rows and answers.
COUNTED: Mapping[str, str] = {
    "accepted": "accepted",
    "duplicate": "duplicates",
    "conflict": "conflicts",
    "rejected": "rejected",
    _UNAVAILABLE: "unavailable",
}
_Key = tuple[str, str, str]


class Received(Protocol):
    """Where a request came from, as intake has it."""

    @property
    def org(self) -> str:
        """The tenant."""
        ...

    @property
    def principal(self) -> str:
        """The source's name."""
        ...

    @property
    def kind(self) -> str:
        """What it came by."""
        ...

    @property
    def received_text(self) -> str:
        """When, as UTC text."""
        ...


class Answered(Protocol):
    """What became of an event of it."""

    @property
    def outcome(self) -> str:
        """One of `COUNTED`."""
        ...


@dataclass(slots=True)
class Hour:
    """Of a source: events by what became of them, and when the last of them that was judged was received, as UTC text."""

    counts: Counter[str] = field(default_factory=Counter)
    last_at: str = ""

    def add(self, other: "Hour") -> None:
        """Adds what another writer has counted."""
        self.counts.update(other.counts)
        self.last_at = max(self.last_at, other.last_at)

    def to_json(self) -> dict[str, int]:
        """As the API answers it."""
        return {name: self.counts[name] for name in COUNTED.values()}


class Counting:
    """Counts what intake answers to sources. One for each warm copy of a function."""

    def __init__(
        self,
        metadata: Table,
        log: Callable[[str], None],
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes no call.

        Args:
            metadata: the table.
            log: takes a line where a write failed; the next one brings what it had.
            seconds: a clock that never goes back.
        """
        self._metadata, self._log, self._seconds = metadata, log, seconds
        self._writer = uuid4().hex[:12]
        self._hours: dict[_Key, Hour] = {}
        self._unwritten: dict[_Key, None] = {}
        self._writes, self._at = WRITES, seconds()

    def took(self, origin: Received, results: Iterable[Answered]) -> None:
        """Counts a request of a source. Raises nothing: a count is not worth an event."""
        if origin.kind in UNCOUNTED:
            return
        key = (origin.org, origin.principal, origin.received_text[:13])
        hour = self._hours.get(key)
        if hour is None:
            self._forget()
            hour = self._hours[key] = Hour()
        counts, judged = hour.counts, False
        for result in results:
            # As a text of its own: an enumeration's hash is a call of Python's, and this runs for every delivery.
            outcome = str(result.outcome)
            counts[COUNTED[outcome]] += 1
            judged |= outcome != _UNAVAILABLE
        if judged and hour.last_at < origin.received_text:
            hour.last_at = origin.received_text
        self._unwritten[key] = None
        at = self._seconds()
        writes = self._writes + (at - self._at) / SECONDS_A_WRITE
        self._at = at
        if writes < 1:
            self._writes = writes
            return
        self._writes = (writes if writes < WRITES else WRITES) - 1
        self._write()

    def _write(self) -> None:
        try:
            while self._unwritten:
                key = next(iter(self._unwritten))
                self._metadata.put(_row(*key, self._writer, self._hours[key]), doing="count of a source")
                del self._unwritten[key]
        except MillraceError as error:
            self._log(str(error))

    def _forget(self) -> None:
        """The oldest that are written; a writer that cannot write for so long counts on."""
        for key in list(self._hours)[: max(0, len(self._hours) - MOST + 1)]:
            if key not in self._unwritten:
                del self._hours[key]


def read(metadata: Table, org: str, name: str, since: datetime, until: datetime) -> dict[str, Hour]:
    """Hour such as `2026-11-21T12` → what came in it, oldest first; hours without anything are left out.

    Args:
        metadata: the table.
        org: the tenant.
        name: of the source.
        since: in the first hour.
        until: in the last one.

    Raises:
        MillraceError: the table did not answer.
    """
    bounds = {
        ":key": {"S": _partition(org)},
        ":since": {"S": _sort(name, _hour(since))},
        # Behind every writer of the hour.
        ":until": {"S": _sort(name, _hour(until)) + "$"},
    }
    found: dict[str, Hour] = {}
    condition = "entityTypeKey = :key AND entityId BETWEEN :since AND :until"
    for item in metadata.query(condition, bounds, doing="read hours of a source"):
        _, hour, _ = item["entityId"]["S"].split(keys.SEPARATOR)
        found.setdefault(hour, Hour()).add(_of(item))
    return found


def last_at(metadata: Table, org: str, name: str) -> str | None:
    """When the source's last event was received, as UTC text, to a minute; None: none within 35 days.

    Raises:
        MillraceError: the table did not answer.
    """
    newest, last = None, ""
    condition = "entityTypeKey = :key AND begins_with(entityId, :name)"
    bounds = {":key": {"S": _partition(org)}, ":name": {"S": keys.join(name, "")}}
    newest_rows = metadata.query(
        condition, bounds, newest_first=True, most=MOST_WRITERS, doing="read hours of a source"
    )
    for item in newest_rows:
        hour = item["entityId"]["S"].split(keys.SEPARATOR)[1]
        if newest is not None and hour != newest and last:
            break
        newest, last = hour, max(last, _of(item).last_at)
    return last or None


def is_late(seen: str | None, freshness: float | None, now: datetime) -> bool:
    """Whether a source that brings something every `freshness` seconds has not.

    Args:
        seen: when its last event was received.
        freshness: None: it may bring nothing for as long as it likes.
        now: when.
    """
    if freshness is None:
        return False
    return seen is None or now - clock.parse(seen) > timedelta(seconds=freshness)


def _row(org: str, name: str, hour: str, writer: str, held: Hour) -> dict[str, Any]:
    ends = clock.parse(f"{hour}:00:00Z") + timedelta(days=KEPT_DAYS)
    return {
        "entityTypeKey": {"S": _partition(org)},
        "entityId": {"S": _sort(name, hour) + keys.SEPARATOR + writer},
        **{key: {"N": str(count)} for key, count in held.counts.items() if count},
        "lastAt": {"S": held.last_at},
        "expiresAt": {"N": str(clock.epoch(ends))},
    }


def _of(item: Item) -> Hour:
    counts = {name: int(item[name]["N"]) for name in COUNTED.values() if name in item}
    return Hour(Counter(counts), item["lastAt"]["S"])


def _partition(org: str) -> str:
    return keys.metadata(org, "source-hours")


def _sort(name: str, hour: str) -> str:
    return keys.join(name, hour)


def _hour(moment: datetime) -> str:
    return clock.utc_text(moment)[:13]
