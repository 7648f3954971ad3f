"""What a pass is asked for, and which hours of which UTC days that is. Pure.

A request is `{"pass": "hourly"}`, `{"pass": "daily"}`, or days as `{"from", "to"}`. With days there may be an `org`, and
`before`: only tenant-days that were not checked since that moment, so the same request continues a pass that left some.

An hour is an hour of the events' own time. It is compared once it is over and what was received in it has had time to settle.
Late events change hours that were compared before, so these are compared again: the last three hours in every hourly pass, the
last week in every daily one, and every older day that the manifest still covers once in four weeks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.eventstore.receipts import KEPT_DAYS
from millrace.runs import interval

# How long an event may be on its way after it was received. The consumers are seconds behind.
SETTLE = timedelta(minutes=15)
RECENT_HOURS = 3
DAILY_DAYS = 7
SWEEP_DAYS = 28
HOURS = 24


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
        return clock.midnight(date.fromisoformat(self.day)) + timedelta(hours=self.first)

    @property
    def end(self) -> datetime:
        """The moment after its last one."""
        return clock.midnight(date.fromisoformat(self.day)) + timedelta(hours=self.last)


@dataclass(frozen=True, slots=True)
class ReconcileRequest:
    """What a pass is to compare.

    Attributes:
        windows: hours of days.
        orgs: tenants; none means all.
        oldest_check_first: the tenant-days that were checked longest ago come first, rather than the newest days.
        before: only tenant-days that were not checked since this moment, as UTC text; empty: all.
        full: read all of raw and look for every pointer, whatever is cached of earlier passes.
    """

    windows: tuple[Window, ...]
    orgs: tuple[str, ...] = ()
    oldest_check_first: bool = False
    before: str = ""
    full: bool = False


def parse(event: Mapping[str, Any], now: datetime) -> ReconcileRequest:
    """Reads the function's event.

    Raises:
        PermanentError: it is neither a pass nor an interval of days.
    """
    orgs = (str(event["org"]),) if event.get("org") else ()
    days = interval.days(event.get("from"), event.get("to"))
    if days is not None:
        windows = tuple(of_days(sorted(days, reverse=True), now))
        before = _moment(event.get("before"))
        return ReconcileRequest(windows, orgs, oldest_check_first=True, before=before, full=True)
    match event.get("pass"):
        case "hourly":
            return ReconcileRequest(tuple(recent(now)), orgs)
        case "daily":
            return ReconcileRequest(tuple(daily(now, KEPT_DAYS)), orgs, oldest_check_first=True)
        case other:
            raise PermanentError(f"a pass is hourly or daily, or has from and to; not {other!r}")


def tenants(known: Iterable[str], bound: str) -> list[str]:
    """Those with a credential and those of `bound`, a list with commas."""
    return sorted({*known, *filter(None, bound.split(","))})


def recent(now: datetime, hours: int = RECENT_HOURS) -> list[Window]:
    """The last hours that are closed, newest day first."""
    end = _closed(now)
    return _split_by_day(end - timedelta(hours=hours), end)


def of_days(days: Iterable[str], now: datetime) -> list[Window]:
    """The closed hours of these days."""
    end = _closed(now)
    windows = []
    for day in days:
        start = clock.midnight(date.fromisoformat(day))
        if start < end:
            windows += _split_by_day(start, min(start + timedelta(days=1), end))
    return windows


def daily(now: datetime, kept_days: int) -> list[Window]:
    """The last week, and every 28th of the days before it as far back as the manifest is kept.

    Args:
        now: the present moment.
        kept_days: of the manifest.
    """
    today = clock.midnight(clock.utc_day(now))
    ordinal = (today - clock.EPOCH).days
    days = [
        (today - timedelta(days=back)).date().isoformat()
        for back in range(kept_days - 1)
        if back <= DAILY_DAYS or (ordinal - back) % SWEEP_DAYS == ordinal % SWEEP_DAYS
    ]
    return of_days(days, now)


def _moment(text: Any) -> str:
    if not text:
        return ""
    try:
        return clock.utc_text(clock.parse(str(text)))
    except ValueError as error:
        raise PermanentError(f"before is {text!r}, which is not a moment") from error


def _closed(now: datetime) -> datetime:
    """The end of the last hour that is over and settled."""
    return (now - SETTLE).astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _split_by_day(start: datetime, end: datetime) -> list[Window]:
    """An interval as windows, newest day first."""
    windows = []
    while end > start:
        midnight = (end - timedelta(microseconds=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        begin = max(start, midnight)
        last = (end - midnight) // timedelta(hours=1)
        windows.append(Window(midnight.date().isoformat(), begin.hour, last))
        end = begin
    return windows
