"""Makes a table's rows, tenant by tenant (and day by day), in DuckDB. A worker without pyarrow and pyiceberg.

DuckDB sees one tenant's rows of one piece of work: views are made of that tenant's files and hold that tenant's rows
only, and a result that carries another tenant or day is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing, suppress
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from millrace.contracts.columns import Scalar
from millrace.contracts.tables import LakeTable
from millrace.core.errors import RetryableError, in_a_line
from millrace.core.sql import identifier, literal
from millrace.iceberg import layout
from millrace.lake.duck import create_view, is_passing
from millrace.quality.checks import checks_of
from millrace.quality.measure import measure
from millrace.runs import portions
from millrace.runs.documents import Failure, Input, Part, Piece, Prepared, TableChunk, Work
from millrace.runs.store import RunStore
from millrace.warehouse.project import Project, Transform

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_RESULT = "result"
# (table, run, org, day) → path or URL.
Place = Callable[[str, str, str, str | None], str]


class TableBuilder:
    """Builds chunks of tables on one connection."""

    def __init__(
        self,
        connection: "DuckDBPyConnection",
        project: Project,
        tables: Mapping[str, LakeTable],
        place: Place,
    ) -> None:
        """Args of note.

        Args:
            connection: of lake/duck.py.
            project: the transforms.
            tables: every table's contract.
            place: where a file of (table, run, org, day) goes.
        """
        self._connection, self._project, self._tables, self._place = connection, project, tables, place

    def run(self, prepared: Prepared, chunk: int) -> TableChunk:
        """What came of each work of a chunk; one that fails is named and lets the others go on.

        Raises:
            RetryableError: the lake did not answer.
        """
        pieces = [self.make(prepared, work) for work in prepared.chunks[chunk]]
        return portions.as_chunk(prepared.run, prepared.table, chunk, pieces)

    def make(self, prepared: Prepared, work: Work) -> Piece:
        """What came of one work.

        Raises:
            RetryableError: the lake did not answer.
        """
        import duckdb  # noqa: PLC0415  80 MB that only the workers load

        transform = self._project.transform(prepared.table)
        try:
            return Piece(parts=(self._make(transform, prepared, work),))
        except RetryableError:
            raise
        except Exception as error:
            if isinstance(error, duckdb.Error) and is_passing(error):
                raise RetryableError(f"{transform.full_name} of {work.org}: {_said(error)}") from error
            # Whatever one tenant's rows set off must not stop the others.
            return Piece(failures=(Failure(work.org, work.day, _said(error)),))

    def _make(self, transform: Transform, prepared: Prepared, work: Work) -> Part:
        import duckdb  # noqa: PLC0415  80 MB that only the workers load

        table = self._tables[transform.full_name]
        for one in prepared.inputs:
            self._view(one, work)
        for view in transform.staging:
            self._connection.execute("CREATE SCHEMA IF NOT EXISTS staging")
            self._connection.execute(f"CREATE OR REPLACE VIEW staging.{identifier(view.name)} AS {view.sql}")
        self._connection.execute(f"CREATE OR REPLACE TEMP TABLE {_RESULT} AS {transform.sql}")
        try:
            return self._keep(table, prepared.run, work)
        finally:
            # An error that ended the database is raised already.
            with suppress(duckdb.Error):
                self._connection.execute(f"DROP TABLE {_RESULT}")

    def _view(self, one: Input, work: Work) -> None:
        """The tenant's rows of an input, and the day's where both have days."""
        table = self._tables[one.table]
        day = work.day if table.grain == "day" else None
        files = [f.path for f in one.files if f.org == work.org and day in (None, f.day)]
        create_view(self._connection, one.table, one.columns, files, _own(table, work.org, day))

    def _keep(self, table: LakeTable, run: str, work: Work) -> Part:
        own = _own(table, work.org, work.day)
        rows, foreign = self._one(
            f"SELECT count(*), count(*) FILTER (WHERE ({own}) IS NOT TRUE) FROM {_RESULT}"  # noqa: S608  quoted
        )
        if foreign:
            raise ForeignRowsError(f"{foreign} of {rows} rows are of another tenant or day")
        checks = tuple(measure(self._connection, _RESULT, checks_of(table)))
        file, size = None, 0
        if rows:
            file = self._place(table.full_name, run, work.org, work.day)
            # The order of the contract, in which the compiled columns stand already.
            size = self._one(
                f"COPY {_RESULT} TO {literal(file)} (FORMAT parquet, COMPRESSION zstd, RETURN_STATS true)"
            )[2]
        return Part(
            table=table.full_name,
            org=work.org,
            day=work.day,
            file=file,
            rows_in=rows,
            rows=rows,
            size=size,
            checks=checks,
        )

    def _one(self, sql: str) -> Sequence[Any]:
        row: Sequence[Any] | None = self._connection.execute(sql).fetchone()
        if row is None:
            raise RetryableError("DuckDB answered without a row")
        return row


class ForeignRowsError(Exception):
    """A transform made rows of another tenant or day than it was asked for."""


def build_chunk(
    store: RunStore,
    connect: "Callable[[], DuckDBPyConnection]",
    builder: "Callable[[DuckDBPyConnection], TableBuilder]",
    run: str,
    table: str,
    chunk: int,
) -> TableChunk:
    """Makes a chunk and keeps what came of it; a repeated call returns the same.

    Args:
        store: of the run's documents.
        connect: a database. Behind a work that failed there is a new one: an error may have ended it for all.
        builder: of tables, on a database.
        run: the run.
        table: its full name.
        chunk: number of the chunk.

    Raises:
        PermanentError: the table was not prepared.
        RetryableError: the lake did not answer.
    """
    done = store.chunk(run, table, chunk)
    if done is not None:
        return done
    prepared = store.prepared(run, table)
    with ExitStack() as open_ones:
        held: list[DuckDBPyConnection] = []

        def make(number: int) -> Piece:
            if not held:
                held.append(open_ones.enter_context(closing(connect())))
            piece = builder(held[0]).make(prepared, prepared.chunks[chunk][number])
            if piece.failures:
                held.pop().close()
            return piece

        pieces = portions.do(store, portions.of_chunk(prepared, chunk), make)
    made = portions.as_chunk(run, table, chunk, pieces)
    store.put_chunk(made)
    return made


def in_lake(bucket: str) -> Place:
    """Places in the lake's bucket. One worker writes all of a tenant (and day), so its file is number 0."""
    return lambda table, run, org, day: layout.data_file(bucket, table, run, org, day, 0)


def _own(table: LakeTable, org: str, day: str | None) -> str:
    """The condition of a tenant's rows, and of the day's."""
    tenant = f"org_id = {literal(org)}"
    if day is None or table.time_column is None:
        return tenant
    column = identifier(table.time_column)
    kind = next(c.type for c in table.columns if c.name == table.time_column)
    if kind == Scalar("date"):
        return f"{tenant} AND {column} = DATE {literal(day)}"
    after = date.fromisoformat(day) + timedelta(days=1)
    # A range and no cast of the column: so whole row groups are passed over.
    bounds = (f"TIMESTAMPTZ {literal(f'{one} 00:00:00+00')}" for one in (day, after.isoformat()))
    return f"{tenant} AND {column} >= {next(bounds)} AND {column} < {next(bounds)}"


def _said(error: Exception) -> str:
    return in_a_line(error, 500)
