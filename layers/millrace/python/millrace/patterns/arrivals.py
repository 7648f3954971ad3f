"""Whether the event that a timer waits for has come: what was accepted is in the index of Events, whatever the consumers have seen of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import orjson

from millrace.core import clock, keys
from millrace.eventstore.reader import EventReader, Index
from millrace.eventstore.row import StoredEvent
from millrace.patterns.definition import CORRELATION, ENTITY, SESSION, Pattern
from millrace.patterns.reading import Reader
from millrace.patterns.timers import Timer

_PAGE = 50
_MICROSECOND = timedelta(microseconds=1)


def last_moment(timer: Timer, pattern: Pattern) -> datetime:
    """At which what a timer of a pattern waits for is still in time; it is looked for some grace later."""
    return clock.from_epoch_micros(timer.micros) + pattern.within


class Arrivals:
    """Asks the indexes. A codec serves one thread, and so does this."""

    def __init__(self, events: EventReader, reader: Reader) -> None:
        """`reader` reads the patterns whose timers are asked about."""
        self._events, self._reader = events, reader

    def in_time(self, timer: Timer, pattern: Pattern, most: int) -> bool | None:
        """Whether the missing event is there, and happened in time; None where there are more than `most` events to look through.

        Raises:
            MillraceError: a table did not answer.
        """
        return self._came(timer, pattern, last_moment(timer, pattern) + _MICROSECOND, most)

    def at_all(self, timer: Timer, pattern: Pattern, most: int) -> bool | None:
        """The same, in time or not.

        Raises:
            MillraceError: a table did not answer.
        """
        return self._came(timer, pattern, None, most)

    def _came(self, timer: Timer, pattern: Pattern, until: datetime | None, most: int) -> bool | None:
        for at, event in enumerate(self._after(timer, pattern, until)):
            if at == most:
                return None
            if self._reader.is_missing(pattern, event):
                return True
        return False

    def _after(self, timer: Timer, pattern: Pattern, until: datetime | None) -> Iterator[StoredEvent]:
        """The events of a timer's key behind its own and before a moment; None: all that there are."""
        since = clock.from_epoch_micros(timer.micros)
        own, index = keys.sort(since, timer.event_id), self._index(timer.org, pattern, timer.key)
        listed = self._events.listed(timer.org, index, since, until, None, _PAGE)
        for one in listed:
            if one.position > own:
                yield StoredEvent(orjson.loads(one.body), b"", 0, "")

    def _index(self, org: str, pattern: Pattern, key: str) -> Index:
        if pattern.by == ENTITY:
            return self._events.of_entity(org, pattern.name_of_key, key)
        of = {SESSION: self._events.of_session, CORRELATION: self._events.of_correlation}
        return of.get(pattern.by, self._events.of_user)(org, key)
