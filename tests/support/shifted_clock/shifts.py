"""Which other days there are, by name. Pure."""

import re
from calendar import isleap
from datetime import UTC, datetime, timedelta

# More than the longest week that a pass looks back, more than a month, more than any retention of 365 days; then the last hour
# of a day and its first.
SHIFTS = ("+8d", "+40d", "+400d", "leap-day", "year-end", "23:05", "00:02")


def moment(name: str, now: datetime) -> datetime:
    """Where a shift puts the clock: never behind `now`.

    Args:
        name: `+8d`, or any number of days; `leap-day`, the next 29 February at this time of day; `year-end`, the next 31
            December 23:59 UTC, so that the year turns under what runs then; `23:05`, or any time of day, when it is that next.
        now: the present moment, aware.

    Raises:
        ValueError: there is no such shift.
    """
    at = now.astimezone(UTC)
    if match := re.fullmatch(r"\+(\d{1,4})d", name):
        return at + timedelta(days=int(match[1]))
    if match := re.fullmatch(r"([01]\d|2[0-3]):([0-5]\d)", name):
        next_one = at.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
        return next_one if next_one >= at else next_one + timedelta(days=1)
    match name:
        case "leap-day":
            year = at.year
            while not isleap(year) or _leap_day(at, year) < at:
                year += 1
            return _leap_day(at, year)
        case "year-end":
            end = datetime(at.year, 12, 31, 23, 59, tzinfo=UTC)
            return end if end >= at else end.replace(year=at.year + 1)
        case _:
            raise ValueError(f"no shift is called {name!r}; there are +Nd, HH:MM, leap-day and year-end")


def _leap_day(at: datetime, year: int) -> datetime:
    return datetime.combine(datetime(year, 2, 29), at.timetz())  # noqa: DTZ001  the time of day brings its zone
