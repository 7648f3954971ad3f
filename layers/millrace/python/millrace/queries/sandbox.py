"""Runs the text of a query on a database of what its caller may see, in a process of its own: `python -m millrace.queries.sandbox`.

The process has no credentials, no files but that database, no extension, and bounds on memory and time that the kernel keeps:
whatever a text does, it ends with the process. Standard input has the task as JSON, standard output the result: a line of JSON, and the rows.
"""

import os
import resource
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson

from millrace.core.plain import plain
from millrace.core.sql import identifier
from millrace.queries.errors import QueryError, SqlError, TooLargeQueryError
from millrace.queries.names import distinct

if TYPE_CHECKING:
    import duckdb

# Rows that are read at once.
PART = 1_000
RESULT = "result"
# What Python and DuckDB's code take of the addresses of a process, beside what DuckDB counts.
_CODE_MB = 512


@dataclass(frozen=True, slots=True)
class Task:
    """What to run.

    Attributes:
        database: the file with the tables.
        text: the statement, which was judged; it runs as it is.
        rows: of the result at most.
        bytes: of the rows as JSON at most.
        whole: whether a result that is larger is kept as the table `result` of the database.
        memory_mb, threads, temp_mb: what DuckDB may use.
        temp_dir: where it spills.
    """

    database: str
    text: str
    rows: int
    bytes: int
    whole: bool
    memory_mb: int
    threads: int
    temp_mb: int
    temp_dir: str


def connect(task: Task) -> "duckdb.DuckDBPyConnection":
    """The database, which reaches nothing else and whose settings are locked."""
    import duckdb  # noqa: PLC0415

    connection = duckdb.connect(
        task.database,
        config={
            "memory_limit": f"{task.memory_mb}MB",
            "threads": task.threads,
            "temp_directory": task.temp_dir,
            "max_temp_directory_size": f"{task.temp_mb}MB",
            "allow_persistent_secrets": False,
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "python_enable_replacements": False,
            "max_expression_depth": 250,
        },
    )
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")
    return connection


def run(task: Task) -> dict[str, Any]:
    """Runs a task.

    Returns:
        `{"columns": [{"name", "type"}], "rows": [[…]], "rowCount", "truncated", "kept"}`: `kept` says that the whole result
        is in the table `result`.

    Raises:
        QueryError: the statement is wrong, or wants more than there is.
    """
    connection = connect(task)
    try:
        return _in_words(connection, task)
    finally:
        connection.close()


def _in_words(connection: "duckdb.DuckDBPyConnection", task: Task) -> dict[str, Any]:
    import duckdb  # noqa: PLC0415

    try:
        if task.whole and not task.rows:
            return _keep(connection, task)
        found = _read(connection, task)
        return _keep(connection, task) if found["truncated"] and task.whole else found
    except (duckdb.OutOfMemoryException, MemoryError) as error:
        raise TooLargeQueryError(
            "the query needs more memory than it may have: choose fewer rows and columns, or aggregate earlier"
        ) from error
    except (OverflowError, ValueError) as error:
        raise SqlError(f"a value is out of range ({error}): cast it to VARCHAR") from error
    except duckdb.Error as error:
        raise SqlError(str(error)) from error


def _keep(connection: "duckdb.DuckDBPyConnection", task: Task) -> dict[str, Any]:
    """Runs the text into the table `result`, whose columns DuckDB names as those of a subquery: each its own."""
    is_select = not task.text.lstrip().lower().startswith("summarize")
    connection.execute(f"CREATE TABLE {RESULT} AS\n{task.text if is_select else f'FROM ({task.text})'}\n")
    described = connection.execute(f"SELECT * FROM {RESULT} LIMIT 0").description or []  # noqa: S608  our own
    return {**_result(described, []), "truncated": True, "kept": True}


def _read(connection: "duckdb.DuckDBPyConnection", task: Task) -> dict[str, Any]:
    connection.execute(task.text)
    described = connection.description or []
    rows: list[Any] = []
    size, truncated = 0, False
    while not truncated and (part := connection.fetchmany(PART)):
        for row in part:
            values = plain(row)
            size += len(orjson.dumps(values))
            truncated = len(rows) >= task.rows or size > task.bytes
            if truncated:
                break
            rows.append(values)
    return {**_result(described, rows), "truncated": truncated, "kept": False}


def _result(described: list[Any], rows: list[Any]) -> dict[str, Any]:
    names = distinct(column[0] for column in described)
    types = [str(column[1]) for column in described]
    columns = [{"name": name, "type": of} for name, of in zip(names, types, strict=True)]
    return {"columns": columns, "rows": rows, "rowCount": len(rows)}


def result_sql(columns: list[dict[str, str]], table: str) -> str:
    """The SELECT that a kept result is written to Parquet with, which has no integer of 128 bits."""
    wide = {"HUGEINT", "UHUGEINT"}
    chosen = (
        f"CAST({identifier(one['name'])} AS DECIMAL(38,0)) AS {identifier(one['name'])}"
        if one["type"] in wide
        else identifier(one["name"])
        for one in columns
    )
    return f"SELECT {', '.join(chosen)} FROM {table}"  # noqa: S608  quoted


def main() -> None:
    """Reads the task, and writes the result or the error."""
    document = orjson.loads(sys.stdin.buffer.read())
    bound = (document["memory_mb"] + _CODE_MB) << 20
    task = Task(**document)
    os.environ.clear()
    with suppress(OSError, ValueError):
        # macOS has no such bound.
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        found = run(task)
    except QueryError as error:
        found = {"error": error.code, "message": str(error)}
    # The rows apart, as text: whoever reads them as JSON would lose digits of numbers.
    rows = orjson.dumps(found.pop("rows", []))
    sys.stdout.buffer.write(orjson.dumps(found) + b"\n" + rows)
    sys.stdout.buffer.flush()
    # Whatever threads there still are.
    os._exit(0)


if __name__ == "__main__":
    main()
