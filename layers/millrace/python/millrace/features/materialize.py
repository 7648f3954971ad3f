"""From the lake to the online store: the newest rows of every view, for one tenant.

Only what has changed since the last complete state is written. Every row is written where there is no such state, where it is
of another definition, where a run died in the middle, and every week, before rows expire.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import duckdb

from millrace.core import clock
from millrace.core.errors import in_a_line
from millrace.features.current import CurrentRows
from millrace.features.online_writer import Lease, OnlineWriter, Written
from millrace.features.registry import Views
from millrace.features.view import FeatureView

# Rows are kept for two weeks.
WHOLE_EVERY = timedelta(days=7)
# (view, tenant, token of the writer) → where the state goes.
Place = Callable[[str, str, str], str]


@dataclass(frozen=True, slots=True)
class ViewDone:
    """What came of a view: `complete` as of this run, `unchanged` where it was as new already, `failed` with its reason.

    `entities` are those of which something is known, `written` the rows that were put.
    """

    view: str
    status: Literal["complete", "unchanged", "failed"]
    entities: int = 0
    written: int = 0
    whole: bool = False
    error: str | None = None


class Materializer:
    """Materializes views of a tenant whose rows the connection has as `schema.table`."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, views: Views, writer: OnlineWriter, place: Place
    ) -> None:
        """Args of note.

        Args:
            connection: of one tenant's sources.
            views: the feature views; those of the request have no rows.
            writer: of the online store.
            place: where a state goes, a path or URL that DuckDB writes.
        """
        self._connection, self._views, self._writer, self._place = connection, views, writer, place

    def materialize(self, org: str, run: str, as_of: str) -> tuple[ViewDone, ...]:
        """Brings every view of the tenant to a moment; a view that fails is named and lets the others go on.

        Args:
            org: the tenant.
            run: the run's name, under which a repeated step takes its own work over.
            as_of: UTC text; the sources are known up to then.
        """
        found = []
        for name in self._views.names():
            view = self._views.view(name)
            if not view.groups:
                continue
            try:
                found.append(self._view(org, view, run, as_of))
            except Exception as error:  # noqa: BLE001  whatever one view sets off must not stop the others
                found.append(ViewDone(name, "failed", error=in_a_line(error, 500)))
        return tuple(found)

    def _view(self, org: str, view: FeatureView, run: str, as_of: str) -> ViewDone:
        lease = self._writer.begin(org, view, run, as_of)
        if lease is None:
            return ViewDone(view.name, "unchanged")
        current = CurrentRows(self._connection, self._views, view, clock.parse(as_of), org)
        try:
            whole, written = self._write(lease, current)
            state = self._place(view.name, org, lease.token.replace("/", "-"))
            current.keep(state)
            self._writer.complete(lease, state, whole=whole)
            return ViewDone(view.name, "complete", current.count, written.rows, whole)
        finally:
            current.close()

    def _write(self, lease: Lease, current: CurrentRows) -> tuple[bool, Written]:
        """Puts what is new; whether that was every row, and how many."""
        before = _comparable(lease)
        if before is not None:
            try:
                changes = current.changed(before)
            except duckdb.Error:
                # What it was is not to be read any more, or not now: all of it is written, which is never wrong.
                pass
            else:
                return False, self._writer.write(lease, changes)
        return True, self._writer.write(lease, current.all())


def _comparable(lease: Lease) -> str | None:
    """The state that the online store is in, as far as anybody knows."""
    before, view = lease.before, lease.view
    if before is None or before.as_of is None or before.whole_at is None or before.started_at is not None:
        return None
    if (before.version, before.digest) != (view.version, view.digest):
        return None
    due = clock.parse(lease.as_of) - clock.parse(before.whole_at) >= WHOLE_EVERY
    return None if due else before.snapshot
