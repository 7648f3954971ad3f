"""The days of a tenant that are to be sealed, newest first: each by itself, whatever is wrong with another.

A day stays as it is while silver may lack what the stream has counted: a run could not commit it, it has waited since before the
cut, or reconciliation found events of it that are missing. Its live parts outlive that by days.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.metrics import MetricUnit

from millrace.aggregates.definition import Aggregate
from millrace.aggregates.heads import Head
from millrace.aggregates.registry import Aggregates
from millrace.aggregates.sealing import Sealer, is_due, source_of
from millrace.core import clock
from millrace.core.errors import in_a_line
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Metrics: days of aggregates that were sealed, tiles and keys in which the stream had other numbers than silver, days that could
# not be sealed, days that wait for silver.
SEALED, DIFFERENT, FAILED, WAITING = "SealedDays", "SealDifferences", "SealsFailed", "SealsWaiting"
_EARLIER = timedelta(days=2)


@dataclass(slots=True)
class Done:
    """What was done.

    Attributes:
        sealed: days of aggregates.
        compared: those of them in which the stream was compared with silver.
        different: tiles and keys that differed in these.
        waiting: days whose silver may not be complete.
        failed: days of aggregates.
        left: days for which no time was left.
    """

    sealed: int = 0
    compared: int = 0
    different: int = 0
    waiting: int = 0
    failed: int = 0
    left: int = 0


@dataclass(frozen=True, slots=True)
class Days:
    """A tenant's days of silver.

    Attributes:
        connection: in which they are opened.
        files: UTC day → table → its files.
        open: makes the tables that are named views of a day in the connection.
    """

    connection: "DuckDBPyConnection"
    files: Mapping[str, Mapping[str, Sequence[str]]]
    open: Callable[[str], object]


class SealDays:
    """Seals what is due of a tenant."""

    def __init__(
        self,
        analytics: Table,
        metadata: Table,
        aggregates: Aggregates,
        has_open: Callable[[str, str], bool],
        warn: Callable[[str, Mapping[str, Any]], object],
    ) -> None:
        """Args of note.

        Args:
            analytics: where tiles lie.
            metadata: where days are that wait for silver.
            aggregates: those in force.
            has_open: whether reconciliation misses events of a tenant's day somewhere.
            warn: takes a sentence and what it is about.
        """
        self._analytics, self._metadata, self._aggregates = analytics, metadata, aggregates
        self._has_open, self._warn = has_open, warn

    def of(self, org: str, days: Days, at: datetime, seconds_left: Callable[[], float], done: Done) -> None:
        """Seals what was received before the UTC day of a moment.

        Args:
            org: the tenant.
            days: its silver as of that moment or later.
            at: the moment.
            seconds_left: of this call; without any no day is begun but the first.
            done: to which it is added.

        Raises:
            MillraceError: a table did not answer before anything was sealed.
        """
        cut, now = at.date(), clock.now()
        sealer = Sealer(self._analytics, self._aggregates.contracts, org)
        past = sorted((day for day in days.files if day < cut.isoformat()), reverse=True)
        asked = {*past, *((date.fromisoformat(day) - _EARLIER).isoformat() for day in past)}
        heads = sealer.heads(self._aggregates, asked)
        unready = self._unready(org, cut)
        for day in past:
            due = [*self._due(sealer, day, days.files[day], cut, heads)]
            if not due:
                continue
            if day in unready or self._has_open(org, day):
                done.waiting += 1
            elif done.sealed and seconds_left() <= 0:
                done.left += 1
            else:
                days.open(day)
                for aggregate, source in due:
                    self._seal(sealer, days.connection, org, aggregate, day, (source, cut, now, heads), done)

    def _due(
        self,
        sealer: Sealer,
        day: str,
        files: Mapping[str, Sequence[str]],
        cut: date,
        heads: Mapping[tuple[str, str], Head],
    ) -> list[tuple[Aggregate, str]]:
        found = []
        for one in self._aggregates:
            mine = [path for table in sealer.tables(one) for path in files.get(table, ())]
            kept = date.fromisoformat(day) >= cut - timedelta(days=one.retention_days)
            if mine and kept and is_due(heads.get((one.name, day)), source := source_of(mine), cut):
                found.append((one, source))
        return found

    def _seal(
        self,
        sealer: Sealer,
        connection: "DuckDBPyConnection",
        org: str,
        aggregate: Aggregate,
        day: str,
        how: tuple[str, date, datetime, Mapping[tuple[str, str], Head]],
        done: Done,
    ) -> None:
        about = {"org": org, "metric": aggregate.name, "day": day}
        try:
            sealed = sealer.seal(connection, aggregate, day, *how)
        except Exception as error:  # noqa: BLE001  the next day is sealed whatever is wrong with this one
            done.failed += 1
            self._warn("a day cannot be sealed", {**about, "error": in_a_line(error, 500)})
            return
        done.sealed += 1
        found = sealed.compared
        done.compared += found.tiles > 0
        done.different += found.different
        if found.different:
            self._warn(
                "the stream counted other numbers than silver has",
                {**about, "keys": found.different, "named": found.named},
            )

    def _unready(self, org: str, cut: date) -> set[str]:
        """Days that no run could commit, and those that have waited since before the cut."""
        failed = {one.day for one in failed_days.read(self._metadata) if one.org == org}
        waiting = {
            one.day for one in pending.read(self._metadata, org) if clock.parse(one.at) < clock.midnight(cut)
        }
        return failed | waiting


def metrics(done: Done) -> dict[str, tuple[float, MetricUnit]]:
    """By name, with their units."""
    counts = {SEALED: done.sealed, DIFFERENT: done.different, FAILED: done.failed, WAITING: done.waiting}
    return {name: (number, MetricUnit.Count) for name, number in counts.items()}
