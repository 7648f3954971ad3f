"""How far counting is behind: minutes that no fold has taken into tiles, and timers of patterns that are overdue."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from cli.lag import duration
from cli.output import counted
from cli.target import Target
from millrace.aggregates import marks, rows
from millrace.core.table import Table
from millrace.patterns.timers import SHARDS, Timers

# A fold each minute takes what is over; the alarm of a deployment waits three times as long.
TILES_LATE = timedelta(minutes=5)
TIMERS_LATE = timedelta(minutes=10)
_MINUTE = timedelta(minutes=1)
# Marks that are read at most; behind so many, nobody needs their number.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Counting:
    """What waits.

    Attributes:
        minutes: of tenants that are over and not in tiles.
        oldest: how long the oldest of them has been over.
        failed: those that could not be folded.
        overdue: how long the oldest timer has been due.
    """

    minutes: int
    oldest: timedelta
    failed: int
    overdue: timedelta

    @property
    def tiles_late(self) -> bool:
        """Whether somebody should look."""
        return bool(self.failed) or self.oldest > TILES_LATE

    @property
    def tiles(self) -> str:
        """A sentence."""
        if not self.minutes:
            return "Everything that was counted is in tiles"
        said = f"{counted(self.minutes, 'minute')} of tenants not in tiles, the oldest for {duration(self.oldest)}"
        return (
            f"{said}; {self.failed} could not be folded: see the log of fold_tiles" if self.failed else said
        )

    @property
    def timers(self) -> str:
        """A sentence; empty where none is overdue."""
        return f"the oldest timer has been due for {duration(self.overdue)}" if self.overdue else ""

    def to_json(self) -> dict[str, Any]:
        """Times in seconds."""
        return {
            "unfoldedMinutes": self.minutes,
            "oldestSeconds": round(self.oldest.total_seconds()),
            "failedMinutes": self.failed,
            "overdueTimerSeconds": round(self.overdue.total_seconds()),
        }


def read(target: Target, now: datetime) -> Counting:
    """What waits now.

    Raises:
        MillraceError: the table did not answer.
    """
    analytics = Table(target.client("dynamodb"), target.output("AnalyticsTable"))
    over = [
        (now - rows.at(mark.minute) - _MINUTE, mark.failed_at)
        for mark in islice(marks.of_all(analytics), _MOST)
        if rows.at(mark.minute) + _MINUTE < now
    ]
    timers = Timers(analytics)
    first = (next(timers.due(shard, now), ()) for shard in range(SHARDS))
    overdue = max((now - page[0].due for page in first if page), default=timedelta(0))
    failed = sum(failed_at > 0 for _, failed_at in over)
    return Counting(len(over), max((age for age, _ in over), default=timedelta(0)), failed, overdue)
