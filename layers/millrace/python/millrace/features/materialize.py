"""From the lake to the online store: the newest rows of every entity with online views, for one tenant.

Only rows are written that are not right any more, as the last complete state shows (features/current.py). Every row is written where
there is no such state, where it is of another definition, and where a run died in the middle.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import duckdb

from millrace.core import clock
from millrace.core.errors import in_a_line
from millrace.features.current import CurrentRows
from millrace.features.online_writer import Lease, OnlineWriter, Written
from millrace.features.views import FeatureViews, OnlineEntity

# (entity, tenant, token of the writer) → path or URL of the state.
StatePath = Callable[[str, str, str], str]


@dataclass(frozen=True, slots=True)
class EntityResult:
    """An entity's materialization: `complete` as of this run, `unchanged` where it was as new already, `failed` with its reason.

    `entities` counts those that have values, `written` the rows that were put.
    """

    entity: str
    status: Literal["complete", "unchanged", "failed"]
    entities: int = 0
    written: int = 0
    whole: bool = False
    error: str | None = None


class Materializer:
    """Materializes the online views of a tenant whose rows the connection has as `schema.table`."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        views: FeatureViews,
        writer: OnlineWriter,
        state_path: StatePath,
    ) -> None:
        """Joins what it reads and writes with.

        Args:
            connection: of one tenant's sources.
            views: the feature views; those that are not online are left out.
            writer: of the online store.
            state_path: names the file of a state, a path or URL that DuckDB writes.
        """
        self._connection, self._views, self._writer, self._state_path = connection, views, writer, state_path

    def materialize(self, org: str, run: str, as_of: str) -> tuple[EntityResult, ...]:
        """Brings every entity of the tenant to a moment; one that fails is named and lets the others go on.

        Args:
            org: the tenant.
            run: the run's name; a repeated step of the same run takes over its own work.
            as_of: UTC text; the sources are known up to then.
        """
        results = []
        for entity in self._views.online():
            try:
                results.append(self._one(org, entity, run, as_of))
            except Exception as error:  # noqa: BLE001  one entity must not stop the others
                results.append(EntityResult(entity.name, "failed", error=in_a_line(error, 500)))
        return tuple(results)

    def _one(self, org: str, entity: OnlineEntity, run: str, as_of: str) -> EntityResult:
        lease = self._writer.begin(org, entity, run, as_of)
        if lease is None:
            return EntityResult(entity.name, "unchanged")
        current = CurrentRows(self._connection, entity, clock.parse(as_of), org)
        try:
            whole, written = self._write(lease, current)
            state = self._state_path(entity.name, org, lease.token.replace("/", "-"))
            current.keep(state)
            self._writer.complete(lease, state, whole=whole)
            return EntityResult(entity.name, "complete", current.count, written.rows, whole)
        finally:
            current.close()

    def _write(self, lease: Lease, current: CurrentRows) -> tuple[bool, Written]:
        """Puts what is new; returns whether that was every row, and how many were put."""
        before = _comparable(lease)
        if before is not None:
            try:
                changes = current.changed(before)
            except duckdb.Error:
                # The last state cannot be read: every row is written, which is always correct.
                pass
            else:
                return False, self._writer.write(lease, changes)
        return True, self._writer.write(lease, current.all())


def _comparable(lease: Lease) -> str | None:
    """The file of the state that the online store is in; None where it is unknown."""
    before = lease.before
    if before is None or before.as_of is None or before.whole_at is None or before.started_at is not None:
        return None
    return before.snapshot if before.digests == lease.entity.digests else None
