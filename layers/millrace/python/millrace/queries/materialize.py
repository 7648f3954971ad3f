"""Copies what a query reads, as its caller sees it, into a database file of its own."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from millrace.core.sql import identifier, literal
from millrace.lake import left_out
from millrace.lake.duck import create_view, parquet
from millrace.queries.masks import RAW
from millrace.queries.tables import Source

if TYPE_CHECKING:
    import duckdb

_BOX = "box"


def materialize(
    connection: "duckdb.DuckDBPyConnection",
    path: Path,
    sources: Iterable[Source],
    wanted: frozenset[str] | None,
    *,
    empty: bool,
    without: Collection[str] = (),
) -> None:
    """Makes a table of each source in a new database.

    Args:
        connection: of lake/duck.py, which reaches the lake; whoever runs the statement gets another one.
        path: of the database file.
        sources: what the statement names.
        wanted: the columns that it may read, in lower case; None for all that are shown.
        empty: whether the tables have columns only.
        without: the numbers of people whose rows are left out.

    Raises:
        duckdb.Error: a file cannot be read, or there is no room.
    """
    connection.execute(f"ATTACH {literal(str(path))} AS {_BOX}")
    if without:
        left_out.keep(connection, without)
        sources = [_without(source) for source in sources]
    for source in sources:
        schema, name = source.name.split(".", 1)
        target = f"{_BOX}.{identifier(schema)}.{identifier(name)}"
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {_BOX}.{identifier(schema)}")
        if source.rows or source.dataset.startswith("lake."):
            _rows(connection, target, source)
        else:
            chosen = _select(connection, source, wanted, empty=empty)
            connection.execute(f"CREATE TABLE {target} AS {chosen}")
    connection.execute(f"DETACH {_BOX}")


def _without(source: Source) -> Source:
    """The source without the rows of those who are left out; of a view, the tables that it reads."""
    inputs = tuple(map(_without, source.inputs))
    if not source.persons:
        return replace(source, inputs=inputs)
    return replace(source, inputs=inputs, where=left_out.condition(source.persons, source.where))


def described(connection: "duckdb.DuckDBPyConnection", source: Source) -> list[str]:
    """The columns of a source that its caller sees, in order."""
    if not source.views:
        return [column.name for column in source.columns if column.sql is not None]
    cursor = connection.execute(f"SELECT * FROM ({_staging(connection, source, empty=True)}) LIMIT 0")  # noqa: S608
    return [str(column[0]) for column in cursor.description or ()]


def _select(
    connection: "duckdb.DuckDBPyConnection", source: Source, wanted: frozenset[str] | None, *, empty: bool
) -> str:
    if source.views:
        return _staging(connection, source, empty=empty)
    shown = [column for column in source.columns if column.sql is not None]
    chosen = [column for column in shown if wanted is None or column.name.lower() in wanted] or shown[:1]
    parts = ", ".join(f"{column.sql} AS {identifier(column.name)}" for column in chosen)
    where = f" WHERE {source.where}" if source.where else ""
    return f"SELECT {parts} FROM ({_stored(source, empty=empty)}){where}"  # noqa: S608  quoted by their makers


def _stored(source: Source, *, empty: bool) -> str:
    """The rows as the files have them; a column that a file lacks is null."""
    typed = ", ".join(
        f"CAST(NULL AS {column.type}) AS {identifier(column.name)}" for column in source.columns
    )
    rows = f"SELECT {typed} WHERE false"
    if empty or not source.files:
        return rows
    files = [file.path for file in source.files]
    if source.dataset == RAW:
        # Partitions as text: 01 is a month, and an org that looks like a number is still a name.
        listed = ", ".join(map(literal, files))
        read = f"read_parquet([{listed}], hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
    else:
        read = parquet(files)
    return f"{rows} UNION ALL BY NAME SELECT * FROM {read}"  # noqa: S608  quoted


def _staging(connection: "duckdb.DuckDBPyConnection", source: Source, *, empty: bool) -> str:
    """Makes the view, over views of the tables that it reads, and returns the SELECT of it."""
    for one in source.inputs:
        files: Sequence[str] = () if empty else [file.path for file in one.files]
        create_view(connection, one.name, [(c.name, c.type) for c in one.columns], files, one.where)
    connection.execute("CREATE SCHEMA IF NOT EXISTS staging")
    for view in source.views:
        connection.execute(f"CREATE OR REPLACE VIEW staging.{identifier(view.name)} AS {view.sql}")
    return f"SELECT * FROM staging.{identifier(source.dataset.split('.', 1)[1])}"  # noqa: S608


def _rows(connection: "duckdb.DuckDBPyConnection", target: str, source: Source) -> None:
    typed = ", ".join(f"{identifier(column.name)} {column.type}" for column in source.columns)
    connection.execute(f"CREATE TABLE {target} ({typed})")
    if source.rows:
        marks = ", ".join("?" for _ in source.columns)
        connection.executemany(f"INSERT INTO {target} VALUES ({marks})", [list(row) for row in source.rows])  # noqa: S608
