"""The time of a test: a clock that moves only when it is told to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class ManualClock:
    """A clock for tests. Nothing sleeps: whoever waits moves the clock forward."""

    def __init__(self, start: datetime = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)) -> None:
        """Start at ``start``, an aware time.

        Raises:
            ValueError: ``start`` has no offset.
        """
        if start.tzinfo is None:
            raise ValueError("the clock needs a time with an offset")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        """Return the current time in UTC."""
        return self._now

    def advance(self, duration: timedelta | float) -> datetime:
        """Move forward by ``duration`` (a number means seconds) and return the new time.

        Raises:
            ValueError: the duration is negative.
        """
        step = duration if isinstance(duration, timedelta) else timedelta(seconds=duration)
        if step < timedelta(0):
            raise ValueError(f"time does not go back: {step}")
        self._now += step
        return self._now

    def advance_to(self, moment: datetime) -> datetime:
        """Move forward to ``moment``; a moment in the past changes nothing."""
        self._now = max(self._now, moment)
        return self._now
