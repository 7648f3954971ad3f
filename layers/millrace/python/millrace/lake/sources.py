"""Tables as a run has pinned them: one snapshot each, so that everything that reads them reads the same rows.

DuckDB sees one tenant's rows: views are made of that tenant's files and hold that tenant's rows only.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.sql import literal
from millrace.lake import left_out
from millrace.lake.duck import create_view
from millrace.runs.documents import Input, InputFile, Sources
from millrace.runs.store import RunStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from millrace.iceberg.tables import OpenTable


class Pinner:
    """Pins the tables of a run. Needs pyiceberg behind `open_table`, and nothing else here does."""

    def __init__(
        self,
        store: RunStore,
        open_table: "Callable[[str], OpenTable | None]",
        tables: Mapping[str, LakeTable],
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        """Args of note.

        Args:
            store: of the runs' documents.
            open_table: a table by its full name, None if there is none.
            tables: every table's contract.
            now: the clock.
        """
        self._store, self._open, self._tables, self._now = store, open_table, tables, now

    def pin(self, run: str, names: Iterable[str]) -> Sources:
        """The current snapshots of these tables, kept as a document; a repeated call returns the same.

        Raises:
            RetryableError: the catalog or the lake did not answer.
            PermanentError: no contract describes a table, or it cannot be read.
        """
        done = self._store.sources(run)
        if done is not None:
            return done
        # Before the tables are opened: what is pinned is at least as new as it says.
        at = clock.utc_text(self._now())
        try:
            inputs = tuple(self._input(name) for name in sorted(set(names)))
        except OSError as error:
            raise RetryableError(f"pin sources: {error}") from error
        pinned = Sources(run, at, inputs)
        self._store.put_sources(pinned)
        return pinned

    def pin_silver(self, run: str) -> Sources:
        """Of the tenant-days that a run's plan merges, the files that silver has, kept as a document; a repeated call returns the same.

        Raises:
            RetryableError: the catalog or the lake did not answer.
            PermanentError: the run has no plan, or a table cannot be read.
        """
        done = self._store.silver_sources(run)
        if done is not None:
            return done
        plan = self._store.plan(run)
        wanted = {(day.org, day.day) for day in plan.partitions if day.merges}
        at = clock.utc_text(self._now())
        inputs = []
        try:
            # A table that is not among the bases has been made since; the commit's fence knows of its files.
            for name in sorted(
                name for name in plan.bases if name.startswith("silver.") and name in self._tables
            ):
                one = self._input(name)
                files = tuple(file for file in one.files if (file.org, file.day) in wanted)
                if files:
                    inputs.append(replace(one, files=files))
        except OSError as error:
            raise RetryableError(f"pin silver: {error}") from error
        pinned = Sources(run, at, tuple(inputs))
        self._store.put_silver_sources(pinned)
        return pinned

    def _input(self, name: str) -> Input:
        table = self._tables.get(name)
        if table is None:
            raise PermanentError(f"no contract describes a table {name}")
        return read_input(name, table, self._open(name))


def read_input(name: str, table: LakeTable, opened: "OpenTable | None") -> Input:
    """A table's current snapshot, file by file; a table that is not there yet has no file.

    Raises:
        PermanentError: the table cannot be read.
    """
    # By the contract, against which its readers were compiled: what the table lacks of it is null.
    columns = tuple((column.name, duckdb_type(column.type)) for column in table.columns)
    if opened is None:
        return Input(name, None, columns, ())
    files = sorted(
        (InputFile(file.path, file.org, file.day, file.rows, file.bytes) for file in opened.files()),
        key=lambda file: (file.org, file.day or "", file.path),
    )
    return Input(name, opened.snapshot_id, columns, tuple(files))


def tenants(sources: Sources) -> tuple[str, ...]:
    """Who has rows in any of the tables, in order."""
    return tuple(sorted({file.org for one in sources.inputs for file in one.files}))


def portions(orgs: Sequence[str], most: int) -> int:
    """In how many portions the tenants are done: one each, up to `most`."""
    return min(len(orgs), most)


def portion(orgs: Sequence[str], number: int, count: int) -> tuple[str, ...]:
    """The tenants of one of `count` portions, which are of the same size but for one tenant.

    Raises:
        PermanentError: there is no such portion.
    """
    if not 0 <= number < count:
        raise PermanentError(f"there is no portion {number} of {count}")
    return tuple(orgs[number * len(orgs) // count : (number + 1) * len(orgs) // count])


def files_by_day(sources: Sources, org: str) -> dict[str, dict[str, list[str]]]:
    """A tenant's files of pinned tables that have days: UTC day → table → paths."""
    found: dict[str, dict[str, list[str]]] = {}
    for one in sources.inputs:
        for file in one.files:
            if file.org == org and file.day is not None:
                found.setdefault(file.day, {}).setdefault(one.table, []).append(file.path)
    return found


def open_day(connection: "DuckDBPyConnection", sources: Sources, org: str, day: str) -> None:
    """The same as `open_views`, of one UTC day.

    Raises:
        duckdb.Error: a file cannot be read.
    """
    files = files_by_day(sources, org).get(day, {})
    for one in sources.inputs:
        create_view(connection, one.table, one.columns, files.get(one.table, ()), f"org_id = {literal(org)}")


@dataclass(frozen=True, slots=True)
class LeftOut:
    """People whose rows are left out.

    Attributes:
        people: their numbers, as text.
        persons: full name of a table → its columns that name persons.
    """

    people: Collection[str] = ()
    persons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


NOBODY = LeftOut()


def open_views(
    connection: "DuckDBPyConnection", sources: Sources, org: str, without: LeftOut = NOBODY
) -> None:
    """Makes each pinned table a view `schema.table` of one tenant's rows.

    Args:
        connection: of lake/duck.py; views of these names are replaced.
        sources: what a run has pinned.
        org: the tenant; one without a file has empty views.
        without: whose rows are left out.

    Raises:
        duckdb.Error: a file cannot be read.
    """
    if without.people:
        left_out.keep(connection, without.people)
    for one in sources.inputs:
        files = [file.path for file in one.files if file.org == org]
        persons = without.persons.get(one.table, ()) if without.people else ()
        where = left_out.condition(persons, f"org_id = {literal(org)}")
        create_view(connection, one.table, one.columns, files, where)
