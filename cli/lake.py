"""The lake in DuckDB: views over the Parquet of the bucket; nothing is downloaded.

`raw` is the archive's output; the other layers are Iceberg tables. Only the tables that a statement names are opened,
each at the snapshot that it names.
"""

import os
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from cli.api import must_answer
from cli.errors import NoPlatformError, RefusedError, UsageError
from cli.table_names import TableReference, no_such_table, rewrite
from cli.target import LOCAL_REGION, Target
from millrace.core.errors import PermanentError
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.sql import literal
from millrace.iceberg.layout import RUN
from millrace.lake import duck

if TYPE_CHECKING:
    import duckdb

    from millrace.iceberg.tables import IcebergCatalog, OpenTable

PARTITIONS = ("org", "category", "year", "month", "day")
RAW_TABLE = "raw.events"
SNAPSHOTS = "lake.snapshots"


def rows(target: Target, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs one statement; returns the names of the columns, each distinct, and the rows.

    Raises:
        UsageError: the statement is wrong, or names a table or a snapshot that is not there.
        RefusedError: the lake cannot be read.
        NoPlatformError: there is no lake.
    """
    import duckdb

    text, references = rewrite(sql)
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    try:
        _connect(connection, target)
        connection.execute("CREATE SCHEMA raw")
        missing = _open(connection, target, references)
        if len(duckdb.extract_statements(text)) != 1:
            raise UsageError("query takes one statement")
        try:
            cursor = connection.execute(text)
        except duckdb.CatalogException as error:
            if not missing:
                raise
            raise no_such_table(missing[0], lambda: tables(target)) from error
        names = distinct(column[0] for column in cursor.description or ())
        try:
            return names, cursor.fetchall()
        except (OverflowError, ValueError) as error:
            raise UsageError(f"a value is out of range ({error}): cast it to VARCHAR") from error
    except (duckdb.HTTPException, duckdb.IOException) as error:
        must_answer(target)
        raise RefusedError(f"the lake could not be read: {_first_line(error)}") from error
    except duckdb.Error as error:
        raise UsageError(_first_line(error)) from error
    finally:
        connection.close()


def distinct(names: Iterable[str]) -> list[str]:
    """Names made distinct, ignoring case: `a, a, A` → `a, a_1, A_2`, as DuckDB names a subquery's columns."""
    result: dict[str, str] = {}
    for name in names:
        candidate, number = name, 0
        while candidate.lower() in result:
            number += 1
            candidate = f"{name}_{number}"
        result[candidate.lower()] = candidate
    return list(result.values())


def tables(target: Target) -> list[str]:
    """Every table that can be queried."""
    from millrace.iceberg.glue_tables import locations

    return [RAW_TABLE, *sorted(locations(target.client("glue"), target.env)), SNAPSHOTS]


def _open(
    connection: "duckdb.DuckDBPyConnection", target: Target, references: list[TableReference]
) -> list[str]:
    """Creates a view of each table that the statement names; returns the names of those that do not exist."""
    missing: list[str] = []
    lake: IcebergCatalog | None = None
    for reference in references:
        if reference.table == RAW_TABLE:
            if reference.moment is not None:
                raise UsageError("raw.events has no snapshots because it only grows; filter by received_at")
            _raw_events(connection, target.output("LakeBucket"))
            continue
        lake = lake or _catalog(target)
        if reference.table == SNAPSHOTS:
            _snapshots(connection, target, lake)
        elif not _view(connection, lake, reference):
            if reference.moment is not None:
                raise no_such_table(reference.table, lambda: tables(target))
            missing.append(reference.table)
    return missing


def _catalog(target: Target) -> "IcebergCatalog":
    from millrace.iceberg.tables import catalog

    if target.env == "local":
        # pyiceberg and pyarrow take these from the environment; this process calls no other AWS.
        os.environ |= {
            "AWS_ENDPOINT_URL": str(target.endpoint),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": LOCAL_REGION,
            "AWS_DEFAULT_REGION": LOCAL_REGION,
        }
        for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
            os.environ.pop(name, None)
    return catalog(target.env, target.output("LakeBucket"))


def _view(connection: "duckdb.DuckDBPyConnection", lake: "IcebergCatalog", reference: TableReference) -> bool:
    from millrace.iceberg.tables import open_table

    try:
        table = open_table(lake, reference.table)
    except PermanentError:
        # `lake.x` is no table's name.
        return False
    if table is None:
        return False
    moment = reference.moment
    if moment is not None:
        _must_reach_back(table, reference)
    try:
        files = table.files(snapshot_id=moment.snapshot if moment else None, at=moment.at if moment else None)
    except PermanentError as error:
        raise UsageError(f"{error}; lake.snapshots lists those there are") from error
    duck.create_view(connection, reference.view, table.columns, [file.path for file in files])
    return True


def _must_reach_back(table: "OpenTable", reference: TableReference) -> None:
    moment, known = reference.moment, table.snapshots()
    if moment is None or moment.at is None:
        return
    if not known or known[0].at > moment.at:
        first = f"the first is of {known[0].at.isoformat()}" if known else "it has none"
        raise UsageError(f"{reference.table} has no snapshot before {moment.at.isoformat()}: {first}")


def _snapshots(connection: "duckdb.DuckDBPyConnection", target: Target, lake: "IcebergCatalog") -> None:
    from millrace.iceberg.glue_tables import locations
    from millrace.iceberg.tables import open_table

    connection.execute("CREATE SCHEMA IF NOT EXISTS lake")
    connection.execute(
        'CREATE TABLE lake.snapshots ("table" VARCHAR, snapshot BIGINT, committed_at TIMESTAMPTZ, operation VARCHAR, '
        "run VARCHAR, rows BIGINT)"
    )
    for name in sorted(locations(target.client("glue"), target.env)):
        table = open_table(lake, name)
        for one in table.snapshots() if table is not None else ():
            rows_then = one.properties.get("total-records")
            connection.execute(
                "INSERT INTO lake.snapshots VALUES (?, ?, ?, ?, ?, ?)",
                [name, one.id, one.at, one.operation, one.properties.get(RUN), rows_then],
            )


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])


def _connect(connection: "duckdb.DuckDBPyConnection", target: Target) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    try:
        path = duck.extension()
    except PermanentError as error:
        raise NoPlatformError(f"{error}: make up") from error
    connection.execute(f"LOAD {literal(str(path))}")
    connection.execute(_access(target).secret_sql())


def _access(target: Target) -> duck.S3Access:
    if target.env == "local":
        return duck.S3Access("test", "test", LOCAL_REGION, endpoint=target.endpoint)
    try:
        return duck.S3Access.from_environment()
    except PermanentError as error:
        raise NoPlatformError(f"{target.env}: {error}") from error


def _raw_events(connection: "duckdb.DuckDBPyConnection", bucket: str) -> None:
    pattern = f"s3://{bucket}/{RAW_EVENTS}**/*.parquet"
    files = connection.execute(f"SELECT count(*) FROM glob({literal(pattern)})").fetchone()  # noqa: S608
    if files is not None and files[0]:
        # Partitions as text: 01 is a month, and an org that looks like a number is still a name.
        source = f"read_parquet({literal(pattern)}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
        connection.execute(f"CREATE VIEW raw.events AS SELECT * FROM {source}")  # noqa: S608  quoted above
        return
    from millrace.archive.raw import SCHEMA

    connection.register("raw_columns", SCHEMA.empty_table())
    partitions = ", ".join(f"NULL::VARCHAR AS {name}" for name in PARTITIONS)
    connection.execute(f"CREATE VIEW raw.events AS SELECT *, {partitions} FROM raw_columns")  # noqa: S608  our own names
