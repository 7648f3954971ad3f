"""A tenant's silver of a running platform, copied into a DuckDB file for dbt to build on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cli.errors import RefusedError
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.core.errors import MillraceError
from millrace.core.sql import identifier, literal
from millrace.iceberg.data_file import DataFile
from millrace.iceberg.tables import OpenTable
from millrace.lake.duck import S3Access, connect, create_view

if TYPE_CHECKING:
    import duckdb

MEMORY_MB = 2_000


def copy(
    open_table: Callable[[str], OpenTable | None],
    tables: Mapping[str, LakeTable],
    database: Path,
    s3: S3Access | None,
    org: str | None = None,
) -> dict[str, int]:
    """Creates the file with these tables; returns how many rows each has.

    Args:
        open_table: a table of the lake by its full name, None if there is none yet.
        tables: the contracts of those to copy.
        database: the file.
        s3: access to the lake.
        org: the tenant; None where silver has rows of one tenant only.

    Raises:
        RefusedError: the catalog or the lake does not answer, or there are rows of several tenants and none is named.
    """
    import duckdb

    database.parent.mkdir(parents=True, exist_ok=True)
    database.unlink(missing_ok=True)
    try:
        connection = connect(memory_mb=MEMORY_MB, threads=2, temp_dir=database.parent, s3=s3)
        try:
            held = {name: opened.files() if (opened := open_table(name)) else [] for name in tables}
            whose = org or _only({file.org for files in held.values() for file in files})
            connection.execute(f"ATTACH {literal(str(database))} AS warehouse")
            return {name: _copy(connection, tables[name], files, whose) for name, files in held.items()}
        finally:
            connection.close()
    except (MillraceError, duckdb.Error, OSError) as error:
        raise RefusedError(f"silver cannot be read: {str(error).splitlines()[0]}") from error


def _only(orgs: set[str]) -> str:
    """The only tenant; empty where there is none."""
    if len(orgs) > 1:
        raise RefusedError(f"silver has rows of {', '.join(sorted(orgs))}: name one with ORG=")
    return next(iter(orgs), "")


def _copy(
    connection: "duckdb.DuckDBPyConnection", table: LakeTable, files: Sequence[DataFile], org: str
) -> int:
    columns = [(column.name, duckdb_type(column.type)) for column in table.columns]
    own = [file.path for file in files if file.org == org]
    create_view(connection, "source", columns, own, f"org_id = {literal(org)}")
    connection.execute(f"CREATE SCHEMA IF NOT EXISTS warehouse.{identifier(table.layer)}")
    name = f"warehouse.{identifier(table.layer)}.{identifier(table.name)}"
    connection.execute(f"CREATE TABLE {name} AS SELECT * FROM source")  # noqa: S608  quoted
    counted = connection.execute(f"SELECT count(*) FROM {name}").fetchone()  # noqa: S608  quoted
    return int(counted[0]) if counted is not None else 0
