"""Absences that are waited for: rows of Analytics by the moment at which somebody has to look.

`platform#pattern-timer#<shard>` / `<due, UTC µs>#<hash>`: the sweeper reads each shard from its beginning, so a timer that
is set late is read all the same. A row holds all that is needed to look; to set it twice is nothing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace.alerts.alert import GRACE
from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.eventstore import derived_ids
from millrace.patterns.definition import Pattern

SHARDS = 8
_KEPT = timedelta(days=7)
_LAG: Item = {"metricKey": {"S": keys.join("platform", "pattern-lag")}, "tileKey": {"S": "latest"}}


@dataclass(frozen=True, slots=True)
class Timer:
    """An absence that is waited for.

    Attributes:
        org: the tenant.
        pattern: its name and version.
        key: what joins its events.
        event_id: the event behind which the other one is missing.
        micros: when that happened, microseconds since 1970.
        due: when to look.
    """

    org: str
    pattern: str
    key: str
    event_id: str
    micros: int
    due: datetime

    @classmethod
    def behind(cls, org: str, pattern: Pattern, key: str, event_id: str, micros: int) -> "Timer":
        """The timer that an event sets which something has to follow."""
        due = clock.from_epoch_micros(micros) + pattern.within + GRACE
        return cls(org, pattern.ref, key, event_id, micros, due)

    @property
    def row(self) -> Item:
        """Of the table."""
        name = derived_ids.event_id(self.org, self.pattern, self.key, self.event_id)
        return {
            "metricKey": {"S": _shard(keys.shard_of(name, SHARDS))},
            "tileKey": {"S": f"{clock.utc_micros(self.due)}#{name}"},
            "orgId": {"S": self.org},
            "pattern": {"S": self.pattern},
            "key": {"S": self.key},
            "event": {"S": self.event_id},
            "micros": {"N": str(self.micros)},
            "expiresAt": {"N": str(clock.epoch(self.due + _KEPT))},
        }

    @classmethod
    def of(cls, row: Item) -> "Timer":
        """Reads a row."""
        due = clock.parse(row["tileKey"]["S"].partition(keys.SEPARATOR)[0])
        org, pattern, key, event_id = (row[name]["S"] for name in ("orgId", "pattern", "key", "event"))
        return cls(org, pattern, key, event_id, int(row["micros"]["N"]), due)


class Timers:
    """Sets, reads and removes them."""

    def __init__(self, analytics: Table) -> None:
        self._analytics = analytics

    def set(self, timers: Sequence[Timer]) -> None:
        """Sets timers.

        Raises:
            MillraceError: not every one is set.
        """
        rows = {row["tileKey"]["S"]: row for row in (timer.row for timer in timers)}
        self._analytics.write_all([*rows.values()], doing="set timers")

    def due(self, shard: int, now: datetime) -> Iterator[Sequence[Timer]]:
        """Those whose moment has come, the oldest first, a page at a time.

        Raises:
            MillraceError: the table did not answer.
        """
        pages = self._analytics.pages(
            "metricKey = :shard AND tileKey < :now",
            {":shard": {"S": _shard(shard)}, ":now": {"S": clock.utc_micros(now)}},
            consistent=True,
            page_size=100,
            doing="read timers",
        )
        return ([Timer.of(row) for row in page.items] for page in pages)

    def still_set(self, timers: Sequence[Timer]) -> Sequence[Timer]:
        """Those of some timers that nobody has removed.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = {row["tileKey"]["S"]: row for row in (timer.row for timer in timers)}
        found = self._analytics.batch_get(
            [{name: row[name] for name in ("metricKey", "tileKey")} for row in rows.values()],
            doing="read timers",
        )
        return [Timer.of(row) for row in found]

    def remove(self, timer: Timer) -> None:
        """Removes a timer; one that is gone stays so.

        Raises:
            MillraceError: the table did not answer.
        """
        row = timer.row
        self._analytics.delete({name: row[name] for name in ("metricKey", "tileKey")}, doing="remove timer")

    def hold(self, until: datetime) -> None:
        """Has nothing fire until a moment, because events are waited for that have been accepted.

        Raises:
            MillraceError: the table did not take it.
        """
        text = {"S": clock.utc_micros(until)}
        self._analytics.put({**_LAG, "until": text, "expiresAt": {"N": str(clock.epoch(until + _KEPT))}})

    def held_until(self) -> datetime | None:
        """The last such moment, which may have passed.

        Raises:
            MillraceError: the table did not answer.
        """
        row = self._analytics.get(_LAG, consistent=True, doing="read lag")
        return None if row is None else clock.parse(row["until"]["S"])


def _shard(number: int) -> str:
    return keys.join("platform", "pattern-timer", str(number))
