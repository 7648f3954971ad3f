"""What a run is to build a table of: its inputs as they are now, file by file, and the tenants (and days) to do.

Runs beside the catalog; the rules are in lake/table_portions.py.
"""

from collections.abc import Callable, Mapping
from typing import Literal

from millrace.contracts.tables import LakeTable
from millrace.core.errors import PermanentError, RetryableError
from millrace.iceberg.layout import DEFINITION, RUN
from millrace.iceberg.tables import OpenTable
from millrace.lake import table_portions
from millrace.lake.sources import read_input
from millrace.lake.table_portions import Partition
from millrace.runs.documents import Input, Prepared
from millrace.runs.store import RunStore
from millrace.warehouse.project import Project, Transform


class Preparer:
    """Prepares tables of a run."""

    def __init__(
        self,
        store: RunStore,
        open_table: Callable[[str], OpenTable | None],
        project: Project,
        tables: Mapping[str, LakeTable],
    ) -> None:
        """Args of note.

        Args:
            store: of the runs' documents.
            open_table: a table by its full name, None if there is none.
            project: the transforms.
            tables: every table's contract.
        """
        self._store, self._open, self._project, self._tables = store, open_table, project, tables

    def prepare(self, run: str, name: str) -> Prepared:
        """What to make, kept as a document; a repeated call returns the same.

        Raises:
            RetryableError: the catalog or the lake did not answer.
            PermanentError: no table is called so, or a table cannot be read.
        """
        done = self._prepared(run, name)
        if done is not None:
            return done
        transform = self._project.by_name.get(name)
        if transform is None:
            raise PermanentError(f"no table is called {name}")
        try:
            prepared = self._prepare(run, transform)
        except OSError as error:
            raise RetryableError(f"prepare {name}: {error}") from error
        self._store.put_prepared(prepared)
        return prepared

    def _prepare(self, run: str, transform: Transform) -> Prepared:
        missing = self._upstream(run, transform)
        if missing is not None:
            return _nothing(run, transform, "skipped", missing)
        opened = self._open(transform.full_name)
        inputs = tuple(self._input(table) for table in transform.inputs)
        grains = {table: self._tables[table].grain for table in transform.inputs}
        due = self._due(transform, opened, inputs)
        whole = due is None
        todo = table_portions.everything(transform.grain, inputs, grains) if due is None else due
        if not todo and opened is not None:
            return _nothing(run, transform, "unchanged", "nothing that it is made of has changed")
        return Prepared(
            run=run,
            table=transform.full_name,
            status="ready",
            reason="",
            definition=transform.definition,
            base=None if opened is None else opened.metadata_location,
            inputs=inputs,
            chunks=table_portions.chunks(todo, transform.grain, inputs, grains),
            whole=whole,
        )

    def _due(
        self, transform: Transform, opened: OpenTable | None, inputs: tuple[Input, ...]
    ) -> set[Partition] | None:
        """The partitions to do; None where all are: nobody knows what the table was made of, or another transform made it."""
        if opened is None or opened.properties.get(DEFINITION) != transform.definition:
            return None
        runs = [s.properties[RUN] for s in opened.snapshots() if RUN in s.properties]
        before = self._prepared(runs[-1], transform.full_name) if runs else None
        committed = self._store.committed(runs[-1], transform.full_name) if runs else None
        if before is None or committed is None:
            return None
        changes = table_portions.changed(before.inputs, inputs)
        if changes is None:
            return None
        left = table_portions.unfinished(before, committed)
        if self._store.summary(runs[-1]) is None:
            # It died before it was published, and may have made what nothing that is pending leads to: a run of the
            # day follows the runs of its hours. What it made is made again, so that this run tells of it.
            if before.whole:
                return None
            left |= table_portions.of(before)
        grains = {table: self._tables[table].grain for table in transform.inputs}
        return table_portions.touched(transform.grain, changes, inputs, grains) | left

    def _upstream(self, run: str, transform: Transform) -> str | None:
        """Why the table waits for a better run: something that it reads was to be made in this one and was not."""
        planned = {name for level in self._store.plan_index(run).levels for name in level}
        for name in transform.inputs:
            if name not in planned:
                continue
            prepared = self._prepared(run, name)
            if prepared is not None and prepared.status == "unchanged":
                continue
            if prepared is not None and prepared.status == "skipped":
                return f"{name} was skipped: {prepared.reason}"
            committed = self._store.committed(run, name)
            if committed is None:
                return f"{name} did not come to an end"
            if committed.status in ("committed", "unchanged"):
                continue
            # What is left out by name is its tenant's own: of all others the table is as new as it can be. Made as a
            # whole, it would be of another definition than the one that this table is to read.
            if not committed.left_out or (prepared is not None and prepared.whole):
                return f"{name} is {committed.status}"
        return None

    def _input(self, name: str) -> Input:
        return read_input(name, self._tables[name], self._open(name))

    def _prepared(self, run: str, name: str) -> Prepared | None:
        try:
            return self._store.prepared(run, name)
        except PermanentError:
            return None


def _nothing(
    run: str, transform: Transform, status: Literal["unchanged", "skipped"], reason: str
) -> Prepared:
    return Prepared(
        run=run,
        table=transform.full_name,
        status=status,
        reason=reason,
        definition=transform.definition,
        base=None,
        inputs=(),
        chunks=(),
    )
