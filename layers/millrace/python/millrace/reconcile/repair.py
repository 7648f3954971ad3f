"""Putting events where they are missing. All of it may be done twice: every consumer is idempotent by the event's id."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from millrace.core.consumer import Delivery
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table
from millrace.eventstore import pending
from millrace.eventstore.append import AppendResult, Destination
from millrace.eventstore.projection import Projection
from millrace.reconcile.judge import LOG, PROJECT, REOPEN


class Repairs:
    """The ways by which rows of Events reach the stores behind it, used once more."""

    def __init__(
        self,
        metadata: Table,
        log: Destination,
        projection: Projection,
        warn: Callable[[str], None],
    ) -> None:
        """`log` puts rows into the stream in the form of change records, so archive, fraud and route do what they missed."""
        self._metadata, self._log, self._projection, self._warn = metadata, log, projection, warn

    def make(
        self, org: str, day: str, wanted: Mapping[bytes, int], rows: Mapping[bytes, Item], now: datetime
    ) -> None:
        """Repairs some events of a tenant's day.

        Args:
            org: the tenant.
            day: UTC.
            wanted: event id → bits of `LOG`, `PROJECT`, `REOPEN`.
            rows: event id → its row of Events, of those that go into the log or are projected.
            now: the present moment.

        Raises:
            MillraceError: a store did not take what was put; the next pass finds it missing still.
        """
        if to_log := [rows[one] for one, repair in wanted.items() if repair & LOG]:
            self._into_log(to_log)
        if to_project := [rows[one] for one, repair in wanted.items() if repair & PROJECT]:
            self._project(to_project, now)
        if any(repair & REOPEN for repair in wanted.values()):
            self.reopen(org, day, now)

    def reopen(self, org: str, day: str, now: datetime) -> None:
        """Marks a tenant's day as pending, so that the next run of silver rebuilds it.

        Raises:
            MillraceError: the table did not take it.
        """
        self._metadata.write_all(pending.to_items([(org, day)], pending.new_token(), now))

    def _into_log(self, rows: Sequence[Item]) -> None:
        """Puts rows into the log. What it does not take is still missing at the next pass."""
        refused = sum(result is not AppendResult.ACCEPTED for result in self._log.append(rows))
        if refused:
            self._warn(f"the log did not take {refused} of {len(rows)} rows")

    def _project(self, rows: Sequence[Item], now: datetime) -> None:
        """Makes the pointers of rows. A row that cannot be read is left out: its event stays missing."""
        deliveries = [Delivery(row, "reconcile", row["eventId"]["S"], now, {}) for row in rows]
        try:
            self._projection.project(deliveries)
        except PermanentError as error:
            if len(deliveries) == 1:
                self._warn(f"{rows[0]['eventId']['S']} cannot be projected: {error}")
                return
            for row in rows:
                self._project([row], now)
