"""Judges the series of every tenant and watch up to now, and raises and ends alerts.

An hour is judged once it is over for some minutes. Of the hour that is under way only that is told which its rest cannot undo: a
spike, and a silence in which many events were expected. What is expected is learned anew each day, from the aggregate's past.

Where nothing is counted of any tenant, the canary's own among them, it is the counting that stands still: hours are then judged
when it goes on.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from aws_lambda_powertools.metrics import MetricUnit

from millrace.alerts.raising import Alerts
from millrace.anomalies import alerting
from millrace.anomalies.episodes import Changes, Episode, advance
from millrace.anomalies.judge import ALL, Finding, Judge
from millrace.anomalies.norms import DAY, History
from millrace.anomalies.series import HOUR, Series
from millrace.anomalies.state import State, States
from millrace.anomalies.watch import Kind, Watch
from millrace.core import clock
from millrace.core.errors import MillraceError

# Weeks of the past that are learned.
WEEKS = 8
# How long after its end an hour is judged: by then its events are counted.
GRACE_SECONDS = 300
# A silence lasts so long at least: with a run each two minutes it is told within 15.
SHORTEST_SILENCE = 360
# Keys that are watched of a tenant: those with most.
MOST_KEYS = 300
# Metrics: series that are watched, anomalies that began, seconds from the end of the oldest hour that is over and not judged,
# tenants that failed or were left.
SERIES, BEGUN, LAG, MISSED = "WatchedSeries", "AnomaliesBegun", "WatchLag", "WatchesMissed"
Open = Callable[[str, Watch, datetime], Series]
"""The series of a tenant and a watch, as they are at a moment."""


@dataclass(slots=True)
class Watched:
    """What a run did.

    Attributes:
        tenants: there are.
        series: that are watched of them.
        learned: watches of tenants of which it learned anew what is expected.
        hours: that were judged.
        begun: episodes that began or escalated.
        ended: episodes.
        failed: tenants that could not be judged.
        left: watches of tenants, for want of time.
        lag_seconds: from the end of the oldest hour that is over and not judged to now; 0 where there is none. It grows where
            nothing is counted of any tenant.
    """

    tenants: int = 0
    series: int = 0
    learned: int = 0
    hours: int = 0
    begun: int = 0
    ended: int = 0
    failed: list[str] = field(default_factory=list)
    left: int = 0
    lag_seconds: float = 0.0

    def metrics(self) -> dict[str, tuple[float, MetricUnit]]:
        """A run as metrics; what is nearly always nothing is there only when it is something, because each metric costs."""
        found = {LAG: (self.lag_seconds, MetricUnit.Seconds)}
        # Which series there are changes only when they are learned, once a day.
        series = self.series if self.learned else 0
        for name, number in ((SERIES, series), (BEGUN, self.begun), (MISSED, len(self.failed) + self.left)):
            if number:
                found[name] = (float(number), MetricUnit.Count)
        return found


@dataclass(slots=True)
class _Unit:
    org: str
    watch: Watch
    series: Series
    seen: dict[str, int]
    state: State | None = None


class Watcher:
    """Watches all tenants."""

    def __init__(
        self,
        watches: Sequence[Watch],
        open_: Open,
        states: States,
        alerts: Alerts,
        warn: Callable[[str], object] = lambda _: None,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._watches, self._open, self._states, self._alerts = watches, open_, states, alerts
        self._warn, self._now = warn, now

    def run(self, orgs: Sequence[str], seconds_left: Callable[[], float]) -> Watched:
        """Judges what there is to judge; a tenant that fails, or is left for want of time, is so the next time."""
        watched, now = Watched(tenants=len(orgs)), clock.epoch(self._now())
        units = [
            _Unit(org, watch, self._open(org, watch, self._now()), {})
            for org in orgs
            for watch in self._watches
        ]

        left = set[tuple[str, str]]()

        def each(do: Callable[[_Unit], object]) -> None:
            for unit in units:
                if unit.org in watched.failed:
                    continue
                if seconds_left() <= 0:
                    left.add((unit.org, unit.watch.name))
                    continue
                try:
                    do(unit)
                except MillraceError as error:
                    watched.failed.append(unit.org)
                    self._warn(f"{unit.watch.name} of {unit.org} is not judged: {error}")

        each(lambda unit: unit.seen.update(unit.series.last_seen(now // HOUR * HOUR - HOUR, now + 1)))
        latest = max((seen for unit in units for seen in unit.seen.values()), default=0)
        over = min(now - GRACE_SECONDS, latest) // HOUR
        each(lambda unit: self._catch_up(unit, over, watched))
        if now - latest < SHORTEST_SILENCE:
            each(lambda unit: self._under_way(unit, now, watched))
        watched.left = len(left)
        known = [unit.state for unit in units if unit.state is not None]
        watched.series = sum(len(state.norms) for state in known)
        # The hour behind the last one that was judged.
        watched.lag_seconds = max((now - (state.judged + 2) * HOUR for state in known), default=0)
        watched.lag_seconds = max(watched.lag_seconds, 0.0)
        return watched

    def _catch_up(self, unit: _Unit, over: int, watched: Watched) -> None:
        """Judges the hours before one."""
        org, watch, series = unit.org, unit.watch, unit.series
        state = unit.state = self._states.get(org, watch)
        if over <= 0 or (state is not None and over <= state.judged + 1):
            return
        if state is None or over - state.judged > 2 * DAY:
            # What happened long ago is told by no alert.
            state = self._learned(org, watch, series, over, state)
            watched.learned += 1
            self._states.put(org, watch, state)
            unit.state = state
        values = series.hours(state.judged + 1, over)
        for hour, observed in enumerate(values, state.judged + 1):
            if hour >= state.start + DAY:
                state = self._learned(org, watch, series, hour, state)
                watched.learned += 1
            found = Judge(watch, state.norms).hour(hour, observed)
            state.episodes = self._tell(org, watch, advance(state.episodes, hour, found), watched)
            state.judged = hour
            watched.hours += 1
            # Behind the alerts: after a failure they are raised once more, and are the same.
            self._states.put(org, watch, state)
        unit.state = state

    def _learned(self, org: str, watch: Watch, series: Series, before: int, known: State | None) -> State:
        """Norms for the day of an hour, from what was before it; hours of that day up to it count as judged."""
        start = before - before % DAY
        history = History(watch, start - WEEKS * 7 * DAY)
        hours = [
            hour
            for day in range(start - WEEKS * 7 * DAY, start, DAY)
            for hour in series.hours(day, day + DAY)
        ]
        kept, left = _largest(hours)
        if left:
            self._warn(
                f"{watch.name} of {org} watches the {MOST_KEYS} largest keys, and {left:,} are not watched"
            )
        # A series begins with its first event.
        for at in range(0, len(hours), DAY):
            history.learn([{key: hour[key] for key in hour.keys() & kept} for hour in hours[at : at + DAY]])
        episodes = known.episodes if known is not None else {}
        return State(before - 1, start, history.norms(), episodes)

    def _under_way(self, unit: _Unit, second: int, watched: Watched) -> None:
        state, hour = unit.state, second // HOUR
        if state is None or hour - state.judged > 2 or hour >= state.start + 2 * DAY:
            return
        (observed,) = unit.series.hours(hour, hour + 1)
        found = Judge(unit.watch, state.norms).hour(hour, observed, whole=False)
        found += self._silences(unit, state, hour, second)
        changes = advance(state.episodes, hour, found, whole=False)
        if changes.begun or changes.escalated:
            state.episodes = self._tell(unit.org, unit.watch, changes, watched)
            self._states.put(unit.org, unit.watch, state)

    def _silences(self, unit: _Unit, state: State, hour: int, second: int) -> Iterator[Finding]:
        """Keys of which nothing has come for a while, where many were expected."""
        least = unit.watch.scores.get(Kind.SILENCE)
        if least is None or not unit.watch.counts or hour // DAY in unit.watch.holidays:
            return
        silent: dict[str, float] = {}
        for key, norm in state.norms.items():
            since = unit.seen.get(key, hour * HOUR - HOUR)
            if second - since >= SHORTEST_SILENCE:
                silent[key] = sum(
                    (norm.of(at) or 0.0) * max(min(second, (at + 1) * HOUR) - max(since, at * HOUR), 0) / HOUR
                    for at in (hour - 1, hour)
                )
        if len(silent) > 1 and all(second - since >= SHORTEST_SILENCE for since in unit.seen.values()):
            # Nothing at all comes: one silence, not one of each key.
            silent = {ALL: sum(silent.values())}
        for key, expected in silent.items():
            if expected >= least and not unit.watch.muted(key, hour):
                yield Finding(
                    key, Kind.SILENCE, hour, 0.0, expected, -expected, critical=expected >= 2 * least
                )

    def _tell(self, org: str, watch: Watch, changes: Changes, watched: Watched) -> dict[str, Episode]:
        """Raises and ends alerts; returns what is open then."""
        for one, reason in (
            *((one, alerting.ESCALATED) for one in changes.escalated),
            *((one, alerting.RECOVERED) for one in changes.ended),
        ):
            about = alerting.subject(watch, one.key)
            self._alerts.end(org, alerting.KIND, watch.name, about, reason=reason)
        self._alerts.raise_all(
            [alerting.alert(org, watch, one) for one in (*changes.begun, *changes.escalated)]
        )
        watched.begun += len(changes.begun)
        watched.ended += len(changes.ended)
        return changes.open


def _largest(hours: Sequence[dict[str, float]]) -> tuple[frozenset[str], int]:
    """The keys that are watched, and how many others there are."""
    totals: dict[str, float] = {}
    for hour in hours:
        for key, value in hour.items():
            totals[key] = totals.get(key, 0.0) + value
    kept = sorted(totals, key=lambda key: (-totals[key], key))[:MOST_KEYS]
    return frozenset(kept), len(totals) - len(kept)
