"""The interval of a run: whole UTC days of event time, both ends included."""

from datetime import date, timedelta
from typing import Any

from millrace.core.errors import PermanentError

# Of a run, and of a backfill, whose last run is over all of its days. The manifest reaches back no further.
MAX_DAYS = 400


def days(first: Any, last: Any) -> tuple[str, ...] | None:
    """The days from `first` to `last`; None where neither is given, which means: what is new.

    Raises:
        PermanentError: only one is given, one is not a date, they are in the wrong order, or too far apart.
    """
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise PermanentError(f"an interval has both ends: {'from' if first is None else 'to'} is missing")
    start, end = _day("from", first), _day("to", last)
    if start > end:
        raise PermanentError(f"from {start} is after to {end}")
    count = (end - start).days + 1
    if count > MAX_DAYS:
        raise PermanentError(f"from {start} to {end} are {count} days; a run takes {MAX_DAYS} at most")
    return tuple((start + timedelta(days=number)).isoformat() for number in range(count))


def _day(name: str, text: Any) -> date:
    # `fromisoformat` alone takes 20261121 and week dates as well.
    if isinstance(text, str) and len(text) == len("2026-11-21"):
        try:
            day = date.fromisoformat(text)
        except ValueError:
            pass
        else:
            if day.isoformat() == text:
                return day
    raise PermanentError(f"{name} is {text!r}, which is not a date such as 2026-11-21")
