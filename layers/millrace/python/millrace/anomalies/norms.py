"""What is expected of series, learned from their past as they would have been judged day by day. Pure."""

import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cache
from statistics import median
from zoneinfo import ZoneInfo

from millrace.anomalies.judge import DRIFT_HOURS, SHARE_HOURS, Finding, Judge, Norm
from millrace.anomalies.season import HOURS_OF_WEEK, Season, deviation
from millrace.anomalies.watch import Watch

DAY = 24
# Residuals of four weeks say how noisy a series is.
_REMEMBERED = 4 * HOURS_OF_WEEK
# No series is taken to be quieter, in standard deviations relative to the expectation: past weeks are no promise.
_NOISE, _DAILY, _SHARE = 0.05, 0.03, 0.05
# Of a series that is too young to show it.
_UNKNOWN = 0.2
# As many residuals show it.
_ENOUGH = 72
# Where less is expected, the noise of an hour is Poisson's and says nothing of the series' own.
_MUCH = 30


class History:
    """The past of series that belong together, by epoch hour."""

    def __init__(self, watch: Watch, start: int) -> None:
        """`start`: epoch hour at which the past begins, a multiple of 24."""
        self._watch, self._start = watch, start
        self._moved = _clock_moves(watch.zone, start)
        self._series: dict[str, _Series] = {}
        self._hours = 0

    def learn(self, hours: Sequence[Mapping[str, float]]) -> list[Finding]:
        """Judges and learns a day.

        Args:
            hours: value by key of each hour, 24 of them; by `ALL` alone where there are no keys.

        Returns:
            What would have been found.
        """
        for key in {key for hour in hours for key in hour} - self._series.keys():
            self._series[key] = _Series(self._hours)
        first = self._start + self._hours
        norms = self.norms(DAY)
        judge, found = Judge(self._watch, norms), []
        for at, observed in enumerate(hours):
            found += judge.hour(first + at, observed)
            holiday = (first + at) // DAY in self._watch.holidays
            for key, series in self._series.items():
                value = observed.get(key, 0.0 if self._watch.adds else None)
                series.learn(norms[key], first + at, None if holiday else value)
            if not holiday:
                self._learn_ratios(norms)
        self._hours += len(hours)
        return found

    def norms(self, hours: int = 2 * DAY) -> dict[str, Norm]:
        """What is expected of the hours that follow, by key."""
        first = self._start + self._hours
        return {key: one.norm(first, hours, self._moved, self._watch) for key, one in self._series.items()}

    def _learn_ratios(self, norms: Mapping[str, Norm]) -> None:
        sums = {key: norm.sums(SHARE_HOURS) for key, norm in norms.items()}
        values, expected = sum(one for one, _ in sums.values()), sum(one for _, one in sums.values())
        for key, norm in norms.items():
            series = self._series[key]
            if len(norm.recent) == DRIFT_HOURS:
                _add_log_ratio(series.daily, *norm.sums(DRIFT_HOURS))
            if expected:
                one, other = sums[key]
                _add_log_ratio(series.shares, one, other * values / expected)


class _Series:
    def __init__(self, before: int) -> None:
        """`before`: hours of the past in which there was no such series."""
        self.values: list[float | None] = [None] * before
        # Relative residuals, and the part of their variance that is Poisson's.
        self.noise: deque[tuple[float, float]] = deque(maxlen=_REMEMBERED)
        self.daily: deque[float] = deque(maxlen=_REMEMBERED)
        self.shares: deque[float] = deque(maxlen=_REMEMBERED)
        self.recent: deque[tuple[float, float]] = deque(maxlen=DRIFT_HOURS)
        self.anomalous, self.share_found = 0, -DRIFT_HOURS

    def learn(self, norm: Norm, hour: int, value: float | None) -> None:
        expected = norm.of(hour)
        if value is None or expected is None:
            self.values.append(value)
            return
        learned, _ = norm.recent[-1]
        self.values.append(learned)
        self.recent, self.anomalous, self.share_found = norm.recent, norm.anomalous, norm.share_found
        if expected >= _MUCH:
            self.noise.append(((value - expected) / expected, 1 / expected))

    def norm(self, first: int, hours: int, moved: Callable[[int, int], int], watch: Watch) -> Norm:
        season = Season(self.values, moved)
        known = len(self.values)
        return Norm(
            start=first,
            expected=[season.expected(known + at) for at in range(hours)],
            noise=self._noise(counts=watch.counts),
            daily=deviation(self.daily, _DAILY),
            share=deviation(self.shares, _SHARE),
            recent=deque(self.recent, maxlen=DRIFT_HOURS),
            anomalous=self.anomalous,
            share_found=self.share_found,
        )

    def _noise(self, *, counts: bool) -> float:
        if len(self.noise) < _ENOUGH:
            return _UNKNOWN
        poisson = median(part for _, part in self.noise) if counts else 0.0
        return max(math.sqrt(max(deviation([one for one, _ in self.noise], 0.0) ** 2 - poisson, 0.0)), _NOISE)


def _add_log_ratio(ratios: deque[float], value: float, expected: float) -> None:
    if value > 0 and expected > 0:
        ratios.append(math.log(value / expected))


def _clock_moves(zone: str, start: int) -> Callable[[int, int], int]:
    """By how many hours a zone's clock stood otherwise, so many weeks before an hour that is counted from `start`."""
    place = ZoneInfo(zone)

    @cache
    def offset(hour: int) -> int:
        shift = datetime.fromtimestamp((start + hour) * 3600, place).utcoffset()
        return round(shift.total_seconds() / 3600) if shift is not None else 0

    return lambda hour, weeks: offset(hour) - offset(hour - weeks * HOURS_OF_WEEK)
