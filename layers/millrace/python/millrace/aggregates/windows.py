"""Windows over time: half-open, of a length that tiles add up to, beginning at multiples of the slide. Pure.

Windows begin at multiples of the slide since 1970, UTC, so two callers ask for the same ones. Windows of a day may be those of a
time zone: from midnight to midnight there, 23 or 25 hours where the clocks change.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from millrace.aggregates.definition import DAY_SECONDS, TILE_SECONDS
from millrace.core import clock

_SPAN = re.compile(r"([1-9][0-9]{0,3})([mhd])")
_UNITS = {"m": 60, "h": 3600, "d": DAY_SECONDS}
# As names are, `America/Argentina/Salta` the longest kind of them; no path, and none that means what a machine is set to.
_ZONE = re.compile(r"(?!localtime$|posixrules$)[A-Za-z0-9_+-]{1,32}(/[A-Za-z0-9_+-]{1,32}){0,2}")


class WindowError(ValueError):
    """Such windows cannot be asked for; the message says why."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Windows of one length.

    Attributes:
        seconds: how long each is.
        slide: seconds from the beginning of one to that of the next.
        zone: of windows of a day; None: UTC.
    """

    seconds: int
    slide: int
    zone: ZoneInfo | None = None

    def floor(self, second: int) -> int:
        """The latest beginning of a window up to a second since 1970."""
        if self.zone is None:
            return second // self.slide * self.slide
        return self._midnight(clock.from_epoch_millis(second * 1000).astimezone(self.zone))

    def between(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """The windows that begin in [start, end), each as its beginning and end, in seconds since 1970."""
        at = start
        while at < end:
            yield at, self._end(at)
            at = at + self.slide if self.zone is None else self._end(at)

    def longest(self) -> int:
        """Seconds that a window has at most."""
        return self.seconds if self.zone is None else self.seconds + 2 * 3600

    def _end(self, start: int) -> int:
        if self.zone is None:
            return start + self.seconds
        local = clock.from_epoch_millis(start * 1000).astimezone(self.zone)
        # Noon of the next day, whatever the clocks do in the night.
        return self._midnight(datetime.combine(local.date() + timedelta(days=1), time(12), self.zone))

    @staticmethod
    def _midnight(local: datetime) -> int:
        return clock.epoch(datetime.combine(local.date(), time(), local.tzinfo))


def read(
    window: str | int, slide: str | None = None, zone: str | None = None, longest: int = DAY_SECONDS
) -> Windows:
    """Windows from what a caller says, such as `15m`, `5m`.

    Args:
        window: the length; or seconds.
        slide: from one to the next; None: the window's length, a day at most.
        zone: the name of a time zone, such as `Europe/Lisbon`, for windows of a day.
        longest: seconds that a window may have.

    Raises:
        WindowError: there are no such windows.
    """
    seconds = window if isinstance(window, int) else _span(window, "window")
    step = min(seconds, DAY_SECONDS) if slide is None else _span(slide, "slide")
    if seconds > longest:
        raise WindowError(f"window {window} is longer than {text(longest)}")
    if step > seconds:
        raise WindowError(
            f"slide {slide} is longer than the window: what happens between windows would be in none"
        )
    if zone is None:
        return Windows(seconds, step)
    if (seconds, step) != (DAY_SECONDS, DAY_SECONDS):
        raise WindowError("timeZone is for windows of 1d that do not slide")
    unknown = WindowError(f"there is no time zone {zone[:64]}: its name is such as Europe/Lisbon")
    if not _ZONE.fullmatch(zone):
        raise unknown
    try:
        return Windows(seconds, step, ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise unknown from error


def _span(text: str, name: str) -> int:
    matched = _SPAN.fullmatch(text)
    seconds = int(matched[1]) * _UNITS[matched[2]] if matched else 0
    if not seconds or seconds % TILE_SECONDS:
        raise WindowError(f"{name} {text} is no multiple of 5m: say it in m, h or d, such as 15m or 1h")
    return seconds


def text(seconds: int) -> str:
    """A span as callers write it, such as `1h`."""
    unit = next(unit for unit in ("d", "h", "m") if seconds % _UNITS[unit] == 0)
    return f"{seconds // _UNITS[unit]}{unit}"
