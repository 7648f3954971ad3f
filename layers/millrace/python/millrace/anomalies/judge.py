"""Judges the hours of series that belong together, such as a tenant's event types, against what they are expected to be. Pure.

A value's score is its distance from the expectation in standard deviations: of Poisson, if the series counts events, and of the
series' own noise, which the last four weeks show. Spikes, drops and silences are looked for in each hour; a change of share in
the last 6, a drift in the last 24, so that what is within the noise of an hour is seen as well.

Where an hour is an anomaly, its expectation is learned in its place, so that next week is not compared with it; after a day it
is how things are, and the values themselves are learned.
"""

import math
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from millrace.anomalies.watch import Kind, Watch

# The key of all keys together, and of a series without keys.
ALL = ""
SHARE_HOURS = 6
DRIFT_HOURS = 24
# After as many hours in a row an anomaly is learned.
LEARNED_AFTER = 24
# Twice the score that makes an anomaly makes it critical.
_CRITICAL = 2.0
# By what the variance of a count is greater than Poisson's, as the expectation is the median of few counts itself.
_OF_PAST = 1.5
# As many keys that are off at once are one anomaly of all together.
_SEVERAL = 3
# What drifts needs to be off by half of what an hour needs to be.
_DRIFT_CHANGE = 0.5


@dataclass(frozen=True, slots=True)
class Finding:
    """An hour of a series that is an anomaly. `observed` and `expected` are of the hours that the kind looks at."""

    key: str
    kind: Kind
    hour: int
    observed: float
    expected: float
    score: float
    critical: bool


@dataclass(slots=True)
class Norm:
    """What is expected of a series.

    Attributes:
        start: epoch hour of the first expectation.
        expected: by hour; None where there is no expectation.
        noise: standard deviation of an hour's value, relative to its expectation.
        daily: the same of a day's sum.
        share: the same of its share of all keys in 6 hours.
        recent: value as it is learned, and expectation, of the last hours before the first.
        anomalous: for how many hours it has been an anomaly.
        share_found: epoch hour of the last change of its share.
    """

    start: int
    expected: Sequence[float | None]
    noise: float
    daily: float
    share: float
    recent: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=DRIFT_HOURS))
    anomalous: int = 0
    share_found: int = -DRIFT_HOURS

    def of(self, hour: int) -> float | None:
        """The expectation of an epoch hour."""
        at = hour - self.start
        return self.expected[at] if 0 <= at < len(self.expected) else None

    def sums(self, hours: int) -> tuple[float, float]:
        """Values and expectations of the last hours."""
        last = list(self.recent)[-hours:]
        return sum(value for value, _ in last), sum(expected for _, expected in last)


class Judge:
    """Judges one hour after the other."""

    def __init__(self, watch: Watch, norms: Mapping[str, Norm]) -> None:
        """`norms` by key, `ALL` alone where there are no keys. Judging changes their recent hours."""
        self._watch, self._norms = watch, norms

    def hour(self, hour: int, observed: Mapping[str, float], *, whole: bool = True) -> list[Finding]:
        """The anomalies of an epoch hour.

        Args:
            hour: which; each once, in order, but for the one that is not over.
            observed: value by key; a key that is absent has none.
            whole: whether it is over. Else only what the rest of the hour cannot undo is found, and nothing is kept of it.
        """
        found = [*self._bounds(hour, observed, whole=whole)]
        if hour // 24 in self._watch.holidays:
            return self._raised(found)
        volumes = {}
        for key, norm in self._norms.items():
            expected = norm.of(hour)
            if expected is None:
                continue
            value = self._value(observed, key)
            if value is None:
                continue
            finding = self._volume(key, norm, hour, value, expected)
            if not whole:
                if finding is not None and finding.kind is Kind.SPIKE:
                    volumes[key] = finding
                continue
            if finding is not None:
                volumes[key] = finding
            norm.anomalous = norm.anomalous + 1 if finding is not None else 0
            learned = expected if 0 < norm.anomalous <= LEARNED_AFTER else value
            norm.recent.append((learned, expected))
        found += self._together(volumes)
        if whole:
            found += self._sustained(hour, volumes)
        return self._raised(found)

    def _raised(self, found: Sequence[Finding]) -> list[Finding]:
        return [one for one in found if not self._watch.muted(one.key, one.hour)]

    def _bounds(self, hour: int, observed: Mapping[str, float], *, whole: bool) -> Iterator[Finding]:
        for bound in self._watch.thresholds:
            value = self._value(observed, bound.key)
            if value is None:
                continue
            if bound.above is not None and value > bound.above:
                yield Finding(bound.key, Kind.ABOVE, hour, value, bound.above, 1.0, critical=False)
            if bound.below is not None and whole and value < bound.below:
                yield Finding(bound.key, Kind.BELOW, hour, value, bound.below, 1.0, critical=False)

    def _value(self, observed: Mapping[str, float], key: str) -> float | None:
        return observed.get(key, 0.0 if self._watch.adds else None)

    def _volume(self, key: str, norm: Norm, hour: int, value: float, expected: float) -> Finding | None:
        off = value - expected
        score = off / math.sqrt(self._poisson(expected) + (norm.noise * expected) ** 2)
        kind = Kind.SPIKE if off > 0 else Kind.DROP
        if self._watch.counts and value == 0:
            # How unlikely it is that nothing comes where so many are expected.
            kind, score = Kind.SILENCE, -expected
        return self._finding(key, kind, hour, value, expected, score, self._watch.change)

    def _sustained(self, hour: int, volumes: Mapping[str, Finding]) -> Iterator[Finding]:
        quiet = {
            key: norm for key, norm in self._norms.items() if key not in volumes and norm.of(hour) is not None
        }
        for finding in self._shares(hour, quiet) if self._watch.adds else ():
            # What has been seen in 6 hours is not said again of the 24 that they are among.
            self._norms[finding.key].share_found = hour
            yield finding
        drifts = {}
        for key, norm in quiet.items():
            if len(norm.recent) < DRIFT_HOURS:
                continue
            value, expected = norm.sums(DRIFT_HOURS)
            if hour - norm.share_found >= DRIFT_HOURS:
                drift = self._ratio(key, Kind.DRIFT, hour, value, expected, norm.daily, _DRIFT_CHANGE)
                if drift is not None:
                    drifts[key] = drift
        yield from self._together(drifts)

    def _shares(self, hour: int, quiet: Mapping[str, Norm]) -> Iterator[Finding]:
        sums = {key: norm.sums(SHARE_HOURS) for key, norm in self._norms.items()}
        values, expectations = sum(one for one, _ in sums.values()), sum(one for _, one in sums.values())
        for key in quiet.keys() & sums.keys():
            value, expected = sums[key]
            share = expected * values / expectations if expectations else 0.0
            finding = self._ratio(key, Kind.SHARE, hour, value, share, quiet[key].share, 1.0)
            if finding is not None:
                yield finding

    def _ratio(
        self, key: str, kind: Kind, hour: int, value: float, expected: float, noise: float, change: float
    ) -> Finding | None:
        if expected <= 0 or value <= 0:
            return None
        score = math.log(value / expected) / math.sqrt(noise**2 + self._poisson(expected) / expected**2)
        return self._finding(key, kind, hour, value, expected, score, self._watch.change * change)

    def _finding(
        self, key: str, kind: Kind, hour: int, value: float, expected: float, score: float, change: float
    ) -> Finding | None:
        most = self._watch.scores.get(kind, math.inf)
        if abs(score) < most or abs(value - expected) < change * expected:
            return None
        if max(value, expected) < self._watch.at_least:
            return None
        return Finding(key, kind, hour, value, expected, score, critical=abs(score) >= _CRITICAL * most)

    def _together(self, found: Mapping[str, Finding]) -> Iterator[Finding]:
        """One finding of all keys together, if half of the keys are off to one side; else each of them."""
        for up in (True, False):
            some = [one for one in found.values() if (one.score > 0) is up]
            if len(some) < max(len(self._norms) / 2, _SEVERAL):
                yield from some
                continue
            worst = max(some, key=lambda one: abs(one.score))
            observed, expected = sum(one.observed for one in some), sum(one.expected for one in some)
            yield replace(worst, key=ALL, observed=observed, expected=expected)

    def _poisson(self, expected: float) -> float:
        return max(_OF_PAST * expected, 1.0) if self._watch.counts else 0.0
