"""Single rows of silver's Iceberg tables. Imports pyiceberg, so only a function with its layer imports this."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from pyiceberg.expressions import And, EqualTo, Reference
from pyiceberg.expressions.literals import literal

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.iceberg.tables import IcebergCatalog, open_table


class SilverRows:
    """Reads from the tables as they are when they are asked: of a table only the files of the tenant's day."""

    def __init__(self, catalog: Callable[[], IcebergCatalog]) -> None:
        """`catalog` is made anew for each read."""
        self._catalog = catalog

    def row(self, table: str, org: str, day: str, event_id: str) -> Mapping[str, Any] | None:
        """The row of an event; None where the table has none.

        Raises:
            MillraceError: the catalog or the lake did not answer.
        """
        opened = open_table(self._catalog(), table)
        if opened is None:
            return None
        first = date.fromisoformat(day)
        start, end = (clock.midnight(one).isoformat() for one in (first, first + timedelta(days=1)))
        mine = And(
            EqualTo(term=Reference("org_id"), value=literal(org)),
            EqualTo(term=Reference("event_id"), value=literal(event_id)),
        )
        on_day = f"event_time >= '{start}' AND event_time < '{end}'"
        try:
            rows = opened.table.scan(row_filter=mine).filter(on_day).to_arrow().to_pylist()
        except OSError as error:
            raise RetryableError(f"read {table}: {error}") from error
        return rows[0] if rows else None
