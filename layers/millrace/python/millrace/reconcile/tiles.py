"""A day's tiles: what its seals found when they held the stream's numbers against silver's, and whether they are whole.

The seal counts the day from silver whatever it found, so a difference is over with it. Blocks that are gone or changed since are
counted anew by the next seal.
"""

from collections.abc import Sequence

from millrace.aggregates.definition import Aggregate
from millrace.aggregates.heads import Head, Heads
from millrace.aggregates.registry import Aggregates
from millrace.core.table import Table
from millrace.reconcile.compare import TILES
from millrace.reconcile.judge import Status
from millrace.reconcile.report import MOST_NAMED, HourResult

DIFFERENT = "the stream counted other numbers; the day is sealed from silver"
DAMAGED = "its sealed tiles are not those that were sealed; the next seal counts them anew"


class TileCheck:
    """Looks at the seals of tenants' days."""

    def __init__(self, analytics: Table, aggregates: Aggregates) -> None:
        self._analytics, self._aggregates = analytics, aggregates

    def run(self, org: str, day: str) -> list[HourResult]:
        """A result for each aggregate with a seal of the day that compared something or is damaged, as of its first hour.

        Raises:
            MillraceError: the table did not answer.
        """
        heads = Heads(self._analytics, org)
        found = heads.read(self._aggregates, [day])
        return [
            result
            for one in self._aggregates
            if (head := found.get((one.name, day))) is not None
            and (result := self._result(heads, one, day, head)) is not None
        ]

    @staticmethod
    def _result(heads: Heads, one: Aggregate, day: str, head: Head) -> HourResult | None:
        result = HourResult(one.name, 0)
        found = head.compared
        result.counts[TILES] = found.tiles
        if head.digest and head.source and not heads.is_whole(one, day, head):
            heads.make_due(one, day, head)
            _differ(result, Status.REPAIRED, 1, DAMAGED, [f"the day of {one.name}"])
        if found.different:
            _differ(result, Status.EXPLAINED, found.different, DIFFERENT, found.named)
        return result if found.tiles or result.by_status else None


def _differ(result: HourResult, status: Status, number: int, reason: str, named: Sequence[str]) -> None:
    result.missing[TILES] += number
    result.by_status[status] += number
    about = {"missing": [TILES], "status": status.word, "reasons": [reason]}
    result.differences += [{"eventId": name, **about} for name in named[:MOST_NAMED]]
