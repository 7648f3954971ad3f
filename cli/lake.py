"""The lake in DuckDB: views over the Parquet of the bucket; nothing is downloaded, and nothing is changed.

`raw` is the archive's output; the other layers are Iceberg tables. Only the tables that a statement names are opened,
each at the snapshot that it names. DuckDB itself reaches the lake's bucket alone, and its settings are locked.
"""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from cli.api import must_answer
from cli.errors import NoPlatformError, RefusedError, UsageError
from cli.statements import check
from cli.table_names import SCHEMAS, TableReference, no_such_table, rewrite
from cli.target import LOCAL_REGION, Target
from millrace.core.errors import PermanentError
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.sql import identifier, literal
from millrace.iceberg.layout import RUN
from millrace.lake import duck

if TYPE_CHECKING:
    import duckdb
    from pyarrow import RecordBatchReader

    from millrace.iceberg.tables import IcebergCatalog, OpenTable

# Rows that are read at once.
PART = 10_000
PARTITIONS = ("org", "category", "year", "month", "day")
RAW_TABLE = "raw.events"
SNAPSHOTS = "lake.snapshots"
_SHOW_TABLES = re.compile(r"show\s+(all\s+)?tables|show|describe", re.IGNORECASE)
_DESCRIBE = re.compile(r"\s*desc(ribe)?\s+\S", re.IGNORECASE)
_NO_TABLE = re.compile(r'Table with name "?([^\s"]+)"? does not exist')
_NO_COLUMN = re.compile(
    r'Referenced column "(?P<column>[^"]+)" not found|does not have a column named "(?P<of_table>[^"]+)"'
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of one statement: the names of its columns, each distinct, and its rows, which are read once."""

    names: list[str]
    cursor: "duckdb.DuckDBPyConnection"

    def parts(self, size: int = PART) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, so many at a time.

        Raises:
            UsageError: a value is out of what Python can hold.
        """
        try:
            while part := self.cursor.fetchmany(size):
                yield part
        except (OverflowError, ValueError) as error:
            raise UsageError(f"a value is out of range ({error}): cast it to VARCHAR") from error

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows; see `parts`."""
        return [row for part in self.parts() for row in part]

    def batches(self) -> "RecordBatchReader":
        """The rows as Arrow has them."""
        return self.cursor.to_arrow_reader()


class Lake:
    """The tables of one platform as one connection of DuckDB, which reads and changes nothing.

    With a tenant every table has the rows of that tenant alone, whatever the statement says.
    """

    def __init__(self, target: Target, org: str | None = None) -> None:
        """Connects.

        Raises:
            RefusedError: the lake cannot be read.
            NoPlatformError: there is no lake.
        """
        import duckdb

        self._target, self._org = target, org
        self._iceberg: IcebergCatalog | None = None
        self._connection = duckdb.connect(
            config={
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                # A name in SQL is never a variable of this program.
                "python_enable_replacements": "false",
            }
        )
        with self._in_words():
            _connect(self._connection, target)
            self._connection.execute("CREATE SCHEMA raw")

    def __enter__(self) -> "Lake":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    @contextmanager
    def ask(self, sql: str) -> Iterator[Answer]:
        """Runs one statement. The answer is read within the context, where every error is one in words.

        Raises:
            UsageError: the statement is wrong, or names a table or a snapshot that is not there.
            RefusedError: it does more than read, or the lake cannot be read.
        """
        import duckdb

        with self._in_words():
            if _SHOW_TABLES.fullmatch(sql.strip().rstrip(";")):
                yield self._answer('SELECT unnest(?) AS "table"', [self.tables()])
                return
            text, references = rewrite(sql)
            check(self._connection, text, one_tenant=self._org is not None)
            if _DESCRIBE.match(text):
                # A view has neither keys nor defaults, and says of every column that it may be null.
                text = (
                    f'SELECT column_name AS "column", column_type AS type FROM ({text.strip().rstrip(";")})'  # noqa: S608
                )
            missing = self.open(references)
            try:
                answer = self._answer(text)
            except duckdb.CatalogException as error:
                match = _NO_TABLE.search(str(error))
                if not (missing or match):
                    raise
                name = missing[0] if missing else match[1] if match else ""
                raise no_such_table(name, self.tables) from error
            yield answer

    def tables(self) -> list[str]:
        """Every table that can be queried."""
        from millrace.iceberg.glue_tables import locations

        glue = self._target.client("glue")
        return [RAW_TABLE, *sorted(locations(glue, self._target.env)), SNAPSHOTS]

    def columns(self) -> list[str]:
        """The columns of all tables that were opened."""
        sql = f"SELECT DISTINCT column_name FROM duckdb_columns() WHERE schema_name IN {SCHEMAS} ORDER BY 1"  # noqa: S608  our own
        return [str(name) for (name,) in self._connection.cursor().execute(sql).fetchall()]

    def open(self, references: list[TableReference]) -> list[str]:
        """Creates a view of each table that a statement names; returns the names of those that do not exist.

        Raises:
            UsageError: a snapshot is not there.
        """
        missing: list[str] = []
        for reference in references:
            if reference.table == RAW_TABLE:
                if reference.moment is not None:
                    raise UsageError(
                        "raw.events has no snapshots because it only grows; filter by received_at"
                    )
                _raw_events(self._connection, self._target.output("LakeBucket"), self._org)
                continue
            self._iceberg = self._iceberg or _catalog(self._target)
            if reference.table == SNAPSHOTS:
                _snapshots(self._connection, self._target, self._iceberg, self._org)
            elif not _view(self._connection, self._iceberg, reference, self._org):
                if reference.moment is not None:
                    raise no_such_table(reference.table, self.tables)
                missing.append(reference.table)
        return missing

    def _answer(self, text: str, values: object = None) -> Answer:
        # A cursor of its own: the next statement must not end this answer.
        cursor = self._connection.cursor()
        try:
            cursor.execute(text, values)
        except RuntimeError:
            # Ctrl-C ends the wait for the query; this ends the query itself, which a close would otherwise wait for.
            cursor.interrupt()
            raise
        return Answer(distinct(column[0] for column in cursor.description or ()), cursor)

    @contextmanager
    def _in_words(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.InterruptException as error:
            raise KeyboardInterrupt from error
        except duckdb.PermissionException as error:
            raise RefusedError(f"queries read the lake and nothing else: {_sentence(error)}") from error
        except (duckdb.HTTPException, duckdb.IOException) as error:
            must_answer(self._target)
            raise RefusedError(f"the lake could not be read: {_sentence(error)}") from error
        except duckdb.BinderException as error:
            raise UsageError(self._no_column(error)) from error
        except duckdb.Error as error:
            raise UsageError(_sentence(error)) from error
        except RuntimeError as error:
            # What DuckDB makes of Ctrl-C.
            if "interrupted" not in str(error):
                raise
            raise KeyboardInterrupt from error

    def _no_column(self, error: Exception) -> str:
        match = _NO_COLUMN.search(str(error))
        if match is None:
            return _sentence(error)
        name = match["column"] or match["of_table"]
        meant = get_close_matches(name, self.columns())
        return f"there is no column {name}" + (f"; did you mean {' or '.join(meant)}?" if meant else "")


def rows(target: Target, sql: str, org: str | None = None) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Runs one statement; returns the names of the columns and the rows. Raises as `Lake` does."""
    with Lake(target, org) as lake, lake.ask(sql) as answer:
        return answer.names, answer.rows()


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


def _view(
    connection: "duckdb.DuckDBPyConnection",
    lake: "IcebergCatalog",
    reference: TableReference,
    org: str | None,
) -> bool:
    from millrace.iceberg.tables import open_table

    try:
        table = open_table(lake, reference.table)
    except PermanentError:
        # `lake.x` is not a table's name.
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
    where = f"org_id = {literal(org)}" if org else ""
    duck.create_view(connection, reference.view, table.columns, [file.path for file in files], where)
    return True


def _must_reach_back(table: "OpenTable", reference: TableReference) -> None:
    moment, known = reference.moment, table.snapshots()
    if moment is None or moment.at is None:
        return
    if not known or known[0].at > moment.at:
        first = f"the first is of {known[0].at.isoformat()}" if known else "it has none"
        raise UsageError(f"{reference.table} has no snapshot before {moment.at.isoformat()}: {first}")


def _snapshots(
    connection: "duckdb.DuckDBPyConnection", target: Target, lake: "IcebergCatalog", org: str | None
) -> None:
    """The snapshots of all tables. A snapshot counts the rows of all tenants, so with a tenant chosen it has no count."""
    from millrace.iceberg.glue_tables import locations
    from millrace.iceberg.tables import open_table

    connection.execute("CREATE SCHEMA IF NOT EXISTS lake")
    connection.execute(
        'CREATE OR REPLACE TABLE lake.snapshots ("table" VARCHAR, snapshot BIGINT, committed_at TIMESTAMPTZ, operation VARCHAR, '
        "run VARCHAR, rows BIGINT)"
    )
    for name in sorted(locations(target.client("glue"), target.env)):
        table = open_table(lake, name)
        for one in table.snapshots() if table is not None else ():
            rows_then = None if org else one.properties.get("total-records")
            connection.execute(
                "INSERT INTO lake.snapshots VALUES (?, ?, ?, ?, ?, ?)",
                [name, one.id, one.at, one.operation, one.properties.get(RUN), rows_then],
            )


def _sentence(error: Exception) -> str:
    """The message of DuckDB without the repeated line of the statement and its guesses at names of its own."""
    lines = [line.strip() for line in str(error).splitlines()]
    said = []
    for line in lines:
        if line.startswith(("LINE ", "Did you mean")):
            break
        said += [line] if line else []
    place = next((line.partition(":")[0].lower() for line in lines if line.startswith("LINE ")), "line 1")
    return " ".join(said) + ("" if place == "line 1" else f" ({place})")


def _connect(connection: "duckdb.DuckDBPyConnection", target: Target) -> None:
    connection.execute("SET TimeZone = 'UTC'")
    try:
        path = duck.extension()
    except PermanentError as error:
        raise NoPlatformError(f"{error}: make up") from error
    connection.execute(f"LOAD {literal(str(path))}")
    connection.execute(_access(target).secret_sql())
    connection.execute(f"SET allowed_directories = ['s3://{target.output('LakeBucket')}/']")
    connection.execute("SET enable_external_access = false; SET lock_configuration = true")


def _access(target: Target) -> duck.S3Access:
    if target.env == "local":
        return duck.S3Access("test", "test", LOCAL_REGION, endpoint=target.endpoint)
    try:
        return duck.S3Access.from_environment()
    except PermanentError as error:
        raise NoPlatformError(f"{target.env}: {error}") from error


def _raw_events(connection: "duckdb.DuckDBPyConnection", bucket: str, org: str | None) -> None:
    from millrace.archive.raw import SCHEMA

    pattern = f"s3://{bucket}/{RAW_EVENTS}{f'org={org}/' if org else ''}**/*.parquet"
    # All columns, also where there are no objects, or only some that were written before a column was.
    kinds = {field.name: "TIMESTAMPTZ" if "timestamp" in str(field.type) else field.type for field in SCHEMA}
    columns = {**kinds, **dict.fromkeys(PARTITIONS, "VARCHAR")}
    empty = ", ".join(f"NULL::{kind} AS {identifier(name)}" for name, kind in columns.items())
    rows = f"SELECT {empty} WHERE false"
    files = connection.execute(f"SELECT count(*) FROM glob({literal(pattern)})").fetchone()  # noqa: S608
    if files is not None and files[0]:
        # Partitions as text: 01 is a month, and an org that looks like a number is still a name.
        source = f"read_parquet({literal(pattern)}, hive_partitioning = true, hive_types_autocast = false, union_by_name = true)"
        condition = f" WHERE org_id = {literal(org)}" if org else ""
        rows += f" UNION ALL BY NAME SELECT * FROM {source}{condition}"  # noqa: S608  quoted above
    connection.execute(f"CREATE OR REPLACE VIEW raw.events AS {rows}")
