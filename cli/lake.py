"""The lake as DuckDB sees it: views over the Parquet of the bucket, without a download of anything."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cli.errors import NoPlatformError, RefusedError, UsageError
from cli.target import LOCAL_REGION, Target
from millrace.core.errors import PermanentError
from millrace.lake import duck

if TYPE_CHECKING:
    import duckdb

PARTITIONS = ("org", "category", "year", "month", "day")


def rows(target: Target, sql: str) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs one statement; the names of the columns, and the rows.

    Raises:
        UsageError: the statement is wrong.
        RefusedError: the lake cannot be read.
        NoPlatformError: there is no lake.
    """
    import duckdb

    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    try:
        _connect(connection, target)
        _raw_events(connection, target.output("LakeBucket"))
        if len(duckdb.extract_statements(sql)) != 1:
            raise UsageError("query takes one statement")
        cursor = connection.execute(sql)
        found = cursor.fetchall()
        return [column[0] for column in cursor.description or []], found
    except (duckdb.HTTPException, duckdb.IOException) as error:
        raise RefusedError(f"the lake could not be read: {_first_line(error)}") from error
    except duckdb.Error as error:
        raise UsageError(_first_line(error)) from error
    finally:
        connection.close()


def _first_line(error: Exception) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:3])


def _connect(connection: "duckdb.DuckDBPyConnection", target: Target) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    try:
        path = duck.extension()
    except PermanentError as error:
        raise NoPlatformError(f"{error}: make up") from error
    connection.execute(f"LOAD {_quoted(str(path))}")
    options = {"TYPE": "s3", **_credentials(target)}
    if target.endpoint:
        address = urlsplit(target.endpoint)
        options |= {
            "ENDPOINT": address.netloc,
            "URL_STYLE": "path",
            "USE_SSL": str(address.scheme == "https").lower(),
        }
    connection.execute(
        f"CREATE SECRET ({', '.join(f'{name} {_quoted(value)}' for name, value in options.items())})"
    )


def _credentials(target: Target) -> dict[str, str]:
    if target.env == "local":
        return {"KEY_ID": "test", "SECRET": "test", "REGION": LOCAL_REGION}
    import boto3

    session = boto3.Session()
    found = session.get_credentials()
    if found is None:
        raise NoPlatformError(f"no AWS credentials to read the lake of {target.env} with")
    frozen = found.get_frozen_credentials()
    options = {
        "KEY_ID": frozen.access_key,
        "SECRET": frozen.secret_key,
        "REGION": session.region_name or LOCAL_REGION,
    }
    return options | ({"SESSION_TOKEN": frozen.token} if frozen.token else {})


def _raw_events(connection: "duckdb.DuckDBPyConnection", bucket: str) -> None:
    pattern = f"s3://{bucket}/raw/events/**/*.parquet"
    connection.execute("CREATE SCHEMA raw")
    found = connection.execute(f"SELECT count(*) FROM glob({_quoted(pattern)})").fetchone()  # noqa: S608
    if found is not None and found[0]:
        # Partitions as text: 01 is a month, and an org that looks like a number is still a name.
        source = f"read_parquet({_quoted(pattern)}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
        connection.execute(f"CREATE VIEW raw.events AS SELECT * FROM {source}")  # noqa: S608  quoted above
        return
    from millrace.archive.raw import SCHEMA

    connection.register("raw_columns", SCHEMA.empty_table())
    partitions = ", ".join(f"NULL::VARCHAR AS {name}" for name in PARTITIONS)
    connection.execute(f"CREATE VIEW raw.events AS SELECT *, {partitions} FROM raw_columns")  # noqa: S608  our own names


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
