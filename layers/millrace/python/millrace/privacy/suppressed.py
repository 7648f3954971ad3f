"""The people whose rows a read leaves out: those who are restricted, and those who have withdrawn what the read is for."""

import time
from collections.abc import Callable

from millrace.core.table import Table
from millrace.privacy import listing

# What reads of the lake are for (schemas/purposes.yaml).
ANALYTICS, TRAINING, SCORING = "analytics", "model_training", "fraud_prevention"
READS = frozenset({ANALYTICS, TRAINING, SCORING})
SECONDS = 50.0
# Of a warm function: a list of 10,000 people takes about 1 MB.
TENANTS = 20


class Suppressed:
    """Lists of tenants, each read at most once in 50 seconds: a page of the index for some 10,000 people."""

    def __init__(self, subject_keys: Table, clock: Callable[[], float] = time.monotonic) -> None:
        """Makes no call."""
        self._table, self._clock = subject_keys, clock
        self._known: dict[str, tuple[float, tuple[str, ...]]] = {}

    def people(self, org: str, purpose: str) -> frozenset[str]:
        """The numbers, as text, of those whose rows are left out.

        Args:
            org: the tenant.
            purpose: what the rows are read for.

        Raises:
            RetryableError: the table did not answer.
        """
        return listing.of_purpose(self._entries(org), purpose)

    def _entries(self, org: str) -> tuple[str, ...]:
        moment = self._clock()
        read_at, entries = self._known.get(org, (moment - SECONDS, ()))
        if moment - read_at < SECONDS:
            return entries
        rows = self._table.query(
            f"{listing.KEY} = :org",
            {":org": {"S": listing.partition(org)}},
            index=listing.INDEX,
            projection=listing.LISTED,
            doing="list people who are left out",
        )
        entries = tuple(row[listing.LISTED]["S"] for row in rows)
        if len(self._known) >= TENANTS:
            self._known.clear()
        self._known[org] = moment, entries
        return entries
