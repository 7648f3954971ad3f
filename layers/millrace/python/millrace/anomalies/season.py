"""What a series is expected to be: the median of the same hour of past weeks, each scaled by the growth since. Pure.

Hours are numbered from a series' first one. A value is None where nothing can be learned from it: a holiday.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from millrace.anomalies.watch import WARM_UP_WEEKS, WEEKS

HOURS_OF_WEEK = 168
# From a median of absolute deviations to a standard deviation, where values are normal.
OF_NORMAL = 1.4826
# By how much a series may grow or shrink in a week; beyond that it is no trend but damage.
_MOST_GROWTH = 1.25
Values = Sequence[float | None]


class Season:
    """Expectations of the hours that follow on the known ones."""

    def __init__(self, values: Values, moved: Callable[[int, int], int] = lambda _hour, _weeks: 0) -> None:
        """Takes what is known.

        Args:
            values: by hour, without gaps.
            moved: by how many hours the clock of the series' zone stood otherwise, so many weeks before an hour.
        """
        self._values, self._moved = values, moved
        # Sums and numbers of the values before each hour.
        self._sums, self._known = [0.0], [0]
        for value in values:
            self._sums.append(self._sums[-1] + (value or 0.0))
            self._known.append(self._known[-1] + (value is not None))
        self.growth = self._growth()

    def expected(self, hour: int) -> float | None:
        """The expectation of an hour; None for a series that is too young, or whose past hours are all left out."""
        known = len(self._values)
        found = []
        for weeks in range(1, WEEKS + 1):
            then = hour - weeks * HOURS_OF_WEEK + self._moved(hour, weeks)
            if not 0 <= then < known:
                continue
            value = self._values[then]
            if value is not None:
                found.append(value * self.growth**weeks)
        return median(found) if found and self._known[-1] >= WARM_UP_WEEKS * HOURS_OF_WEEK else None

    def _growth(self) -> float:
        """By what the level grows in a week: the median of the last weeks, which one week out of line does not move."""
        levels = [self._level(len(self._values) - weeks * HOURS_OF_WEEK) for weeks in range(WEEKS + 1)]
        ratios = [now / then for now, then in pairwise(levels) if now and then]
        return min(max(median(ratios), 1 / _MOST_GROWTH), _MOST_GROWTH) if ratios else 1.0

    def _level(self, end: int) -> float | None:
        """The mean of the week before an hour."""
        start = end - HOURS_OF_WEEK
        if start < 0 or self._known[end] == self._known[start]:
            return None
        return (self._sums[end] - self._sums[start]) / (self._known[end] - self._known[start])


def deviation(residuals: Sequence[float], floor: float) -> float:
    """A standard deviation that outliers do not move: of the median of absolute values, which are around zero."""
    return max(OF_NORMAL * median(map(abs, residuals)), floor) if residuals else floor
