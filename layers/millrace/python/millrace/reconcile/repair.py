"""Putting an event where it is missing. All of it may be done twice: every consumer is idempotent by the event's id."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from millrace.core.batch import write_all
from millrace.core.consumer import Delivery
from millrace.core.errors import PermanentError
from millrace.eventstore import pending
from millrace.eventstore.append import AppendResult, Destination
from millrace.eventstore.projection import Projection
from millrace.eventstore.row import Item


class Repairs:
    """The ways in which rows of Events come to the stores behind it, once more."""

    def __init__(
        self,
        dynamodb: Any,
        metadata_table: str,
        log: Destination,
        projection: Projection,
        warn: Callable[[str], None],
    ) -> None:
        """`log` puts rows into the stream in the form of change records, so archive, fraud and route do what they missed."""
        self._dynamodb, self._table = dynamodb, metadata_table
        self._log, self._projection, self._warn = log, projection, warn

    def into_log(self, rows: Sequence[Item]) -> None:
        """Puts rows into the log. What it does not take is still missing at the next pass."""
        refused = sum(outcome is not AppendResult.ACCEPTED for outcome in self._log.append(rows))
        if refused:
            self._warn(f"the log did not take {refused} of {len(rows)} rows")

    def project(self, rows: Sequence[Item], now: datetime) -> None:
        """Makes the pointers of rows. One that cannot be read is left: it will be missing again.

        Raises:
            RetryableError: the table did not take every pointer.
        """
        deliveries = [Delivery(row, "reconcile", row["eventId"]["S"], now, {}) for row in rows]
        try:
            self._projection.project(deliveries)
        except PermanentError as error:
            if len(deliveries) == 1:
                self._warn(f"{rows[0]['eventId']['S']} cannot be projected: {error}")
                return
            for row in rows:
                self.project([row], now)

    def reopen(self, org: str, day: str, now: datetime) -> None:
        """Has the next run of silver make a tenant's day anew.

        Raises:
            MillraceError: the table did not take it.
        """
        write_all(self._dynamodb, self._table, pending.to_items([(org, day)], pending.new_token(), now))
