"""The fold at work: each marked minute that is over, from its facts to the parts of tiles, oldest first, one tenant as any other.

Parts are overwritten whole, so a minute may be folded as often as it is marked. One fold is at work at a time: an older
one that is still under way must not write its parts behind those of a newer one.
"""

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from millrace.aggregates import blocks, marks, measures, rows
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.facts import Fact, unpack
from millrace.aggregates.fold import Fold, Part
from millrace.aggregates.marks import Mark
from millrace.aggregates.registry import Aggregates
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.identity import as_text
from millrace.core.table import Item, Table

# Behind the end of a minute: so long its batches may still be on their way. What comes later has the minute folded again.
SETTLE = timedelta(seconds=15)
MINUTE = timedelta(minutes=1)
# A minute that failed is tried again after an hour: a deploy may have mended it.
PAUSE = timedelta(hours=1)
# Late events that a line of the log and a row name; the others are counted.
MOST_NAMED = 100
# Marks that one run looks at.
MOST_MARKS = 50_000
# Metrics: seconds from the end of the oldest minute that is not folded, events that were folded, those of them that were
# too late and their share in percent, minutes that could not be folded.
LAG, EVENTS, LATE, LATE_SHARE, FAILED = "TileLag", "CountedEvents", "LateEvents", "LateShare", "FoldsFailed"
# Of fewer events, a share says nothing.
SHARE_OF = 100
LEASE = {"metricKey": {"S": "platform#unfolded#lease"}, "tileKey": {"S": "fold"}}


@dataclass(slots=True)
class Folded:
    """What a run did.

    Attributes:
        minutes: of tenants that were folded.
        events: in them, without copies.
        parts: rows written.
        late: events beyond the lateness of some aggregate.
        failed: minutes that could not be folded, whatever the table does.
        left: minutes that are over and not folded.
        lag_seconds: from the end of the oldest of these to now; 0 where none is left. Those that failed are not among them.
        idle: another run is at work, and this one did nothing.
    """

    minutes: int = 0
    events: int = 0
    parts: int = 0
    late: int = 0
    failed: int = 0
    left: int = 0
    lag_seconds: float = 0.0
    idle: bool = False


class Folding:
    """Folds what is marked."""

    def __init__(
        self,
        analytics: Table,
        aggregates: Aggregates,
        warn: Callable[[str, Mapping[str, Any]], object],
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """`warn` takes a sentence and what it is about; `now` is the clock."""
        self._analytics, self._aggregates, self._warn, self._now = analytics, aggregates, warn, now
        self._fold = Fold(list(aggregates), aggregates.types)

    def run(self, lease_seconds: float, seconds_left: Callable[[], float]) -> Folded:
        """Folds minutes until none is left or the time is over.

        Args:
            lease_seconds: longer than a run can take: so long no other run is at work, unless this one ends before.
            seconds_left: of this run's time.

        Raises:
            MillraceError: the table did not answer before anything was folded.
        """
        folded, now = Folded(), self._now()
        waiting = self._closed(now)
        if not waiting:
            return folded
        if not self._take(now, lease_seconds):
            # The other run may have been killed: what waits is told meanwhile.
            folded.idle = True
            self._leave(waiting, now, folded)
            return folded
        try:
            left = [mark for mark in waiting if seconds_left() <= 0 or not self._try(mark, folded, now)]
        finally:
            self._analytics.delete(LEASE, doing="end fold")
        self._leave(left, now, folded)
        return folded

    def _take(self, now: datetime, seconds: float) -> bool:
        until = clock.epoch_millis(now + timedelta(seconds=seconds))
        return self._analytics.put(
            {**LEASE, "until": {"N": str(until)}, "expiresAt": {"N": str(until // 1000 + 86_400)}},
            condition="attribute_not_exists(metricKey) OR #until < :now",
            names={"#until": "until"},
            values={":now": {"N": str(clock.epoch_millis(now))}},
            doing="begin fold",
        )

    def _closed(self, now: datetime) -> list[Mark]:
        """Marked minutes that are over: those that never failed first, then by age."""
        last = clock.utc_text(now - MINUTE - SETTLE)
        retried = clock.epoch(now - PAUSE)
        found: list[Mark] = []
        for mark in marks.of_all(self._analytics):
            if mark.minute < last and mark.failed_at <= retried:
                found.append(mark)
            if len(found) == MOST_MARKS:
                break
        return sorted(found, key=lambda one: (one.failed_at > 0, one.minute, one.org))

    @staticmethod
    def _leave(marks_left: list[Mark], now: datetime, folded: Folded) -> None:
        if not marks_left:
            return
        oldest = min(rows.at(mark.minute) for mark in marks_left)
        folded.left, folded.lag_seconds = len(marks_left), (now - oldest - MINUTE).total_seconds()

    def _try(self, mark: Mark, folded: Folded, now: datetime) -> bool:
        """Folds a minute; whatever is wrong with it is its own affair. False where it waits for the next run."""
        about = {"org": mark.org, "minute": mark.minute}
        try:
            if now - rows.at(mark.minute) > rows.KEPT:
                self._warn("a minute is too old to be folded: its day is to be sealed again", about)
            else:
                self._fold_minute(mark, folded)
            marks.remove(self._analytics, mark)
        except RetryableError as error:
            self._warn("a minute waits for a table that does not answer", {**about, "error": str(error)})
            return False
        except Exception as error:  # noqa: BLE001  the next tenant's minute is folded whatever is wrong with this one
            folded.failed += 1
            reason = "".join(traceback.format_exception(error))
            self._warn("a minute cannot be folded", {**about, "error": reason})
            marks.put_off(self._analytics, mark, clock.epoch(now))
        return True

    def _fold_minute(self, mark: Mark, folded: Folded) -> None:
        facts = {(one.event_type, one.id): one for one in self._facts(mark)}
        parts = self._fold.parts(facts.values())
        written: list[Item] = []
        late = set[bytes]()
        for name, part in parts.items():
            aggregate = self._aggregates.by_name[name]
            written += part_rows(mark.org, mark.minute, aggregate, part)
            if part.late:
                late.update(self._tell_late(mark, aggregate, part, written))
        self._analytics.write_all(written, doing="write parts")
        folded.minutes += 1
        folded.late += len(late)
        folded.events += len(facts)
        folded.parts += len(written)

    def _facts(self, mark: Mark) -> Iterator[Fact]:
        for name, packed in packed_facts(self._analytics, mark.org, [mark.minute], self._now()):
            try:
                yield from unpack(packed)
            except PermanentError as error:
                # Its events are in silver, and the seal counts them.
                about = {"org": mark.org, "minute": mark.minute, "row": name, "error": str(error)}
                self._warn("facts that cannot be read", about)

    def _tell_late(
        self, mark: Mark, aggregate: Aggregate, part: Part, written: list[Item]
    ) -> Sequence[bytes]:
        ids = sorted(one for several in part.late.values() for one in several)
        named = [as_text(one) for one in ids[:MOST_NAMED]]
        self._warn(
            "events beyond the lateness",
            {
                "org": mark.org,
                "metric": aggregate.name,
                "minute": mark.minute,
                "events": len(ids),
                "ids": named,
            },
        )
        written.append(
            {
                "metricKey": {"S": rows.day_key(mark.org, aggregate, mark.minute[:10])},
                "tileKey": {"S": rows.late_sort(mark.minute)},
                "events": {"N": str(len(ids))},
                "ids": {"SS": named},
                "expiresAt": rows.expiry(mark.minute, rows.PARTS_KEPT),
            }
        )
        return ids


def packed_facts(
    analytics: Table, org: str, minutes: Iterable[str], now: datetime
) -> Iterator[tuple[str, bytes]]:
    """Rows of facts of a tenant's minutes, as their sort key and bytes; those that expired are gone.

    Minutes of one day are read at once, from the first to the last.
    """
    by_day: dict[str, list[str]] = {}
    for minute in minutes:
        by_day.setdefault(minute[:10], []).append(minute)
    for several in by_day.values():
        wanted = {rows.facts_sort(one) for one in several}
        values = {
            ":key": {"S": rows.facts_key(org, several[0])},
            ":from": {"S": min(wanted)},
            ":to": {"S": f"{max(wanted)}~"},
        }
        condition = "metricKey = :key AND tileKey BETWEEN :from AND :to"
        for item in analytics.query(condition, values, consistent=True, doing="read facts"):
            if item["tileKey"]["S"][: len("05:54#")] in wanted and not rows.is_over(item, now):
                yield item["tileKey"]["S"], bytes(item["facts"]["B"])


def part_rows(org: str, minute: str, aggregate: Aggregate, part: Part) -> Iterator[Item]:
    """The rows of what a minute of receipt adds to an aggregate's tiles."""
    kinds = [measures.of(measure) for measure in aggregate.measures]
    for tile, by_key in part.tiles.items():
        _, packed = blocks.pack({tile: by_key}, kinds)
        for number, block in enumerate(packed.values()):
            yield {
                "metricKey": {"S": rows.day_key(org, aggregate, rows.tile_day(tile))},
                "tileKey": {"S": rows.part_sort(minute[:10], tile, minute[11:], number)},
                "part": {"B": block},
                "blocks": {"N": str(len(packed))},
                "expiresAt": rows.expiry(minute, rows.PARTS_KEPT),
            }


def metrics(folded: Folded) -> dict[str, tuple[float, MetricUnit]]:
    """A run as metrics; what is nearly always nothing is there only when it is something, because each metric costs."""
    found: dict[str, tuple[float, MetricUnit]] = {LAG: (folded.lag_seconds, MetricUnit.Seconds)}
    for name, number in ((EVENTS, folded.events), (LATE, folded.late), (FAILED, folded.failed)):
        if number:
            found[name] = (number, MetricUnit.Count)
    if folded.late and folded.events >= SHARE_OF:
        found[LATE_SHARE] = (100 * folded.late / folded.events, MetricUnit.Percent)
    return found
