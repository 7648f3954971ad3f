"""Silver of a running platform, copied into a DuckDB file for dbt to build on."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import RefusedError
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.core.errors import MillraceError
from millrace.lake.duck import S3Access, connect, create_view, identifier, text
from millrace.lake.iceberg import OpenTable

if TYPE_CHECKING:
    import duckdb

MEMORY_MB = 2_000


def copy(
    open_table: Callable[[str], OpenTable | None],
    tables: Mapping[str, LakeTable],
    database: Path,
    s3: S3Access | None,
) -> dict[str, int]:
    """Makes the file anew with these tables; how many rows each has.

    Args:
        open_table: a table of the lake by its full name, None if there is none yet.
        tables: the contracts of those to copy.
        database: the file.
        s3: how to read the lake.

    Raises:
        RefusedError: the catalog or the lake does not answer.
    """
    import duckdb

    database.parent.mkdir(parents=True, exist_ok=True)
    database.unlink(missing_ok=True)
    try:
        connection = connect(memory_mb=MEMORY_MB, threads=2, temp_dir=database.parent, s3=s3)
        try:
            connection.execute(f"ATTACH {text(str(database))} AS warehouse")
            return {name: _copy(connection, table, open_table(name)) for name, table in tables.items()}
        finally:
            connection.close()
    except (MillraceError, duckdb.Error, OSError) as error:
        raise RefusedError(f"silver cannot be read: {str(error).splitlines()[0]}") from error


def _copy(connection: "duckdb.DuckDBPyConnection", table: LakeTable, opened: OpenTable | None) -> int:
    columns = [(column.name, duckdb_type(column.type)) for column in table.columns]
    files = [file.path for file in opened.files()] if opened is not None else []
    create_view(connection, "source", columns, files)
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS warehouse.{identifier(table.layer)}")
    name = f"warehouse.{identifier(table.layer)}.{identifier(table.name)}"
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM source")  # noqa: S608  quoted
    found = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608  quoted
    return int(found[0]) if found is not None else 0
