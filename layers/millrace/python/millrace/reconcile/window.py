"""Which hours of which UTC days a pass looks at. Pure.

An hour is an hour of the events' own time, and is looked at once it is over and whatever was received in it has had time
to settle. What comes late changes hours that were looked at before, so they are looked at again: the last three hourly,
a week daily, and every older day that the manifest still has once in four weeks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# How long an event may be on its way after it was received. The consumers are seconds behind.
SETTLE = timedelta(minutes=15)
RECENT_HOURS = 3
DAILY_DAYS = 7
SWEEP_DAYS = 28
HOURS = 24
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours `first` to `last` (exclusive) of a UTC day."""

    day: str
    first: int = 0
    last: int = HOURS

    @property
    def whole(self) -> bool:
        """Whether it is all of the day."""
        return (self.first, self.last) == (0, HOURS)

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return _midnight(self.day) + timedelta(hours=self.first)

    @property
    def end(self) -> datetime:
        """The moment behind its last."""
        return _midnight(self.day) + timedelta(hours=self.last)


def recent(now: datetime, hours: int = RECENT_HOURS) -> list[Window]:
    """The last hours that are closed, newest day first."""
    end = _closed(now)
    start = end - timedelta(hours=hours)
    return _cut(start, end)


def of_days(days: Iterable[str], now: datetime) -> list[Window]:
    """What is closed of these days."""
    end = _closed(now)
    found = []
    for day in days:
        start = _midnight(day)
        if start < end:
            found += _cut(start, min(start + timedelta(days=1), end))
    return found


def daily(now: datetime, kept_days: int) -> list[Window]:
    """The last week, and every 28th of the days before it as far back as the manifest is kept.

    Args:
        now: the present moment.
        kept_days: of the manifest.
    """
    today = _midnight(now.astimezone(UTC).date().isoformat())
    ordinal = (today - _EPOCH).days
    days = [
        (today - timedelta(days=back)).date().isoformat()
        for back in range(kept_days - 1)
        if back <= DAILY_DAYS or (ordinal - back) % SWEEP_DAYS == ordinal % SWEEP_DAYS
    ]
    return of_days(days, now)


def _closed(now: datetime) -> datetime:
    """The end of the last hour that is over and settled."""
    return (now - SETTLE).astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _cut(start: datetime, end: datetime) -> list[Window]:
    """An interval by days, newest first."""
    found = []
    while end > start:
        midnight = (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        begin = max(start, midnight)
        last = (end - midnight) // timedelta(hours=1)
        found.append(Window(midnight.date().isoformat(), begin.hour, last))
        end = begin
    return found


def _midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)
