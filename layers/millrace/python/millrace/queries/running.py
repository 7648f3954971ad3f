"""Queries that are running: a row each in Metadata, `org#query` / `<query id>`, by which another copy of the function cancels one.

The row goes with the query; where its copy was ended in the middle, it is over by `until`.
"""

import time
from collections.abc import Callable

from millrace.core import keys
from millrace.core.table import Item, Table
from millrace.queries.errors import BusyQueryError, CancelledQueryError, QueryIdTakenError, SlowQueryError

QUERY = "query"
# Of one tenant at once, so that it leaves concurrency to the others.
MOST_RUNNING = 3
# Rows that were left behind are kept so long at most.
_KEPT_SECONDS = 3600


class Running:
    """Starts, watches, cancels and ends them."""

    def __init__(self, metadata: Table, now: Callable[[], float] = time.time) -> None:
        """`now` is the clock, in seconds since 1970."""
        self._metadata, self._now = metadata, now

    def start(self, org: str, query: str, principal: str, seconds: float) -> "RunningQuery":
        """Lets a query run.

        Args:
            org: whose query it is, or `platform`.
            query: its id.
            principal: who asks.
            seconds: how long it may run.

        Raises:
            BusyQueryError: the tenant has as many as it may.
            QueryIdTakenError: one of that id is running.
            MillraceError: the table did not answer.
        """
        rows = self._metadata.query(
            "entityTypeKey = :key", {":key": {"S": _partition(org)}}, consistent=True, doing="list queries"
        )
        now = self._now()
        others = [row for row in rows if float(row["until"]["N"]) > now]
        if len(others) >= MOST_RUNNING:
            raise BusyQueryError(f"{len(others)} queries are running: wait for one to end, or cancel one")
        row: Item = {
            **_key(org, query),
            "principal": {"S": principal},
            "until": {"N": f"{now + seconds:.3f}"},
            "expiresAt": {"N": str(int(now + _KEPT_SECONDS))},
        }
        free = "attribute_not_exists(entityId) OR #until <= :now"
        taken = not self._metadata.put(
            row,
            condition=free,
            names={"#until": "until"},
            values={":now": {"N": f"{now:.3f}"}},
            doing="start query",
        )
        if taken:
            raise QueryIdTakenError(f"a query {query} is running")
        return RunningQuery(self._metadata, self._now, org, query, now + seconds)

    def cancel(self, org: str, query: str) -> bool:
        """Tells a running query to end, which it does within two seconds; False if there is none of that tenant and id.

        Raises:
            MillraceError: the table did not answer.
        """
        return self._metadata.update(
            _key(org, query),
            "SET cancelled = :yes",
            condition="attribute_exists(entityId) AND #until > :now",
            names={"#until": "until"},
            values={":yes": {"S": "yes"}, ":now": {"N": f"{self._now():.3f}"}},
            doing="cancel query",
        )


class RunningQuery:
    """One of them."""

    def __init__(self, metadata: Table, now: Callable[[], float], org: str, query: str, until: float) -> None:
        self._metadata, self._now, self._key, self._until = metadata, now, _key(org, query), until
        self._seconds = until - now()

    def must_go_on(self) -> None:
        """Returns if the query may go on.

        Raises:
            SlowQueryError: its time is over.
            CancelledQueryError: somebody cancelled it.
            MillraceError: the table did not answer.
        """
        if self._now() >= self._until:
            raise SlowQueryError(
                f"the query did not end within {self._seconds:.0f} s: choose fewer days, rows or tables"
            )
        row = self._metadata.get(self._key, consistent=True, doing="look at query")
        if row is None or "cancelled" in row:
            raise CancelledQueryError("the query was cancelled")

    def end(self) -> None:
        """Forgets it.

        Raises:
            MillraceError: the table did not answer.
        """
        self._metadata.delete(self._key, doing="end query")


def _partition(org: str) -> str:
    return keys.metadata(org, QUERY)


def _key(org: str, query: str) -> Item:
    return {"entityTypeKey": {"S": _partition(org)}, "entityId": {"S": query}}
