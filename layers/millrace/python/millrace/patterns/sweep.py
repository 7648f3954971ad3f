"""The timers of absences whose moment has come: each asks whether the event is there, and only then raises an alert.

A timer that survives a restart, or that two sweeps take at once, says the same. An alert is raised before its
timer is removed, and raised again it is the same.
"""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from millrace.alerts.raising import Alerts
from millrace.core import clock
from millrace.core.errors import MillraceError
from millrace.eventstore.reader import EventReader
from millrace.patterns import alerting
from millrace.patterns.arrivals import Arrivals
from millrace.patterns.definition import KIND, Pattern
from millrace.patterns.reading import Reader
from millrace.patterns.timers import SHARDS, Timer, Timers

# Timers that are looked after at once; each mostly waits for a table.
IN_FLIGHT = 16
# Events of a key in its time that are looked through. Of a key that has more nothing is told: what is missing may be among the rest.
MOST_EVENTS = 2000
# Metrics of a sweep that found timers due.
DUE, LATE_SECONDS, UNKNOWN = "TimersDue", "TimersLateSeconds", "TimersUnknown"
# A sweep ends so long before its function does.
_MARGIN_SECONDS = 10.0


class Outcome(StrEnum):
    """What became of a timer."""

    FIRED = "fired"
    CAME = "came"
    DROPPED = "dropped"
    UNKNOWN = "unknown"
    FAILED = "failed"


@dataclass(slots=True)
class Swept:
    """What a sweep has done: timers by outcome, storms that ended, and whether it left some.

    Attributes:
        timers: by outcome.
        storms: that ended.
        held: whether it waits for a consumer that is behind.
        more: whether it left some for the next one.
        late_seconds: how long the oldest of the timers was due.
    """

    timers: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    storms: int = 0
    held: bool = False
    more: bool = False
    late_seconds: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Of the function's log and answer."""
        return {
            **{str(outcome): count for outcome, count in self.timers.items()},
            "storms": self.storms,
            "held": self.held,
            "more": self.more,
            "lateSeconds": round(self.late_seconds, 1),
        }


class Lookout:
    """Looks after one timer at a time: a codec serves one thread."""

    def __init__(
        self, patterns: Sequence[Pattern], events: EventReader, reader: Reader, alerts: Alerts
    ) -> None:
        self._patterns = {one.ref: one for one in patterns}
        self._events, self._alerts = events, alerts
        self._arrivals = Arrivals(events, reader)

    def outcome(self, timer: Timer) -> Outcome:
        """Raises an alert if the event is missing.

        Raises:
            MillraceError: a table did not answer.
        """
        # A pattern that has another version now, or none, waits for nothing any more.
        pattern = self._patterns.get(timer.pattern)
        cause = self._events.get(timer.org, timer.event_id) if pattern is not None else None
        if pattern is None or cause is None:
            return Outcome.DROPPED
        came = self._arrivals.in_time(timer, pattern, MOST_EVENTS)
        if came is not False:
            return Outcome.CAME if came else Outcome.UNKNOWN
        alert = alerting.of_absence(
            timer.org, pattern, timer.key, timer.event_id, timer.micros, timer.due, cause
        )
        self._alerts.raise_all([alert])
        # An event that came meanwhile, in time or not, may have found no alert to end.
        if self._arrivals.at_all(timer, pattern, MOST_EVENTS):
            subject = pattern.subject(timer.key)
            self._alerts.end(
                timer.org,
                KIND,
                pattern.name,
                subject,
                reason="late",
                alert_id=alert.alert_id,
                observed=1,
                cause=cause,
            )
        return Outcome.FIRED


class Sweeper:
    """Looks after the timers of all tenants."""

    def __init__(
        self,
        timers: Timers,
        alerts: Alerts,
        lookout: Callable[[], Lookout],
        log: Callable[[str], None] = lambda _: None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`lookout` makes one for each thread."""
        self._timers, self._alerts, self._log, self._now = timers, alerts, log, now
        self._make, self._own = lookout, threading.local()
        self._pool = ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="timers")

    def sweep(self, seconds_left: Callable[[], float]) -> Swept:
        """Looks after what is due, the oldest first of each shard, until nothing is left or the time is over.

        Raises:
            MillraceError: the table of timers did not answer.
        """
        swept, now = Swept(), self._now()
        swept.storms = self._alerts.end_storms()
        held = self._timers.held_until()
        if held is not None and held > now:
            swept.held = True
            return swept
        for shard in range(SHARDS):
            for page in self._timers.due(shard, now):
                if seconds_left() < _MARGIN_SECONDS:
                    swept.more = True
                    return swept
                for timer, outcome in zip(page, self._pool.map(self._look_after, page), strict=True):
                    swept.timers[outcome] += 1
                    swept.late_seconds = max(swept.late_seconds, (now - timer.due).total_seconds())
        return swept

    def _look_after(self, timer: Timer) -> Outcome:
        try:
            lookout: Lookout | None = getattr(self._own, "lookout", None)
            if lookout is None:
                lookout = self._own.lookout = self._make()
            outcome = lookout.outcome(timer)
            self._timers.remove(timer)
            if outcome is Outcome.UNKNOWN:
                self._log(
                    f"timer of {timer.pattern} in {timer.org}: its key has more than {MOST_EVENTS:,} events, and nothing is told"
                )
        except MillraceError as error:
            # It stays, and the next sweep looks after it.
            self._log(f"timer of {timer.pattern} in {timer.org}: {error}")
            return Outcome.FAILED
        return outcome
