"""A tenant's transactions on a DuckDB connection: the lake's, or files that somebody brought along.

Either way they are `marts.fct_transactions`, of which the feature views are made.
"""

# ruff: noqa: S608  names are the platform's own, files are quoted

from collections.abc import Iterable
from datetime import date, timedelta
from typing import TYPE_CHECKING

from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.core.errors import PermanentError
from millrace.features.sources import ORG
from millrace.lake.duck import create_view, parquet
from millrace.lake.sources import open_views
from millrace.runs.documents import Sources
from millrace.training import cards

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

FACTS = "marts.fct_transactions"
# A served transaction sees rows of the hourly run before it; that run takes in what had come until it began, and writes
# them some minutes after the hour.
BEHIND = "INTERVAL 10 MINUTE"
# What a decision cannot do without: a row that lacks it teaches nothing. The lake's rows all have it.
_WHOLE = "is_fraud IS NOT NULL AND amount IS NOT NULL AND user_id IS NOT NULL"


def open_lake(connection: "DuckDBPyConnection", sources: Sources, org: str) -> None:
    """Makes the pinned tables views of one tenant's rows.

    Raises:
        PermanentError: the transactions are not among them.
    """
    open_views(connection, sources, org)
    if FACTS not in {one.table for one in sources.inputs}:
        raise PermanentError(f"{FACTS} is not among the pinned tables")


def open_files(
    connection: "DuckDBPyConnection", files: list[str], others: Iterable[LakeTable], org: str
) -> None:
    """Makes files the table of transactions; every other table that views read is there and empty.

    Args:
        connection: of lake/duck.py.
        files: URLs of Parquet with the columns of `cards.COLUMNS`.
        others: contracts of the tables that the views read.
        org: the tenant whose they are.

    Raises:
        PermanentError: there is no file, a column is missing or holds what it cannot, or they are of another tenant too.
    """
    import duckdb  # noqa: PLC0415  80 MB that only the workers load

    if not files:
        raise PermanentError("there is no Parquet file to train on")
    found = connection.sql(f"SELECT * FROM {parquet(files)} LIMIT 0")
    if lacking := cards.missing(found.columns):
        raise PermanentError(f"the files have no column {', '.join(lacking)}")
    if others_ := strangers(connection, files, org):
        raise PermanentError(f"the files hold rows of {', '.join(others_)}: bring those of {org} alone")
    for table in others:
        columns = [(column.name, duckdb_type(column.type)) for column in table.columns]
        create_view(connection, table.full_name, columns, [])
    connection.execute("CREATE SCHEMA IF NOT EXISTS marts")
    connection.execute(f"DROP VIEW IF EXISTS {FACTS}")
    types = {name: str(kind) for name, kind in zip(found.columns, found.types, strict=True)}
    chosen = ", ".join(cards.columns(types))
    try:
        # A table, because the views read it many times, and the files are someone's.
        connection.execute(
            f"CREATE TABLE {FACTS} AS SELECT {chosen} FROM {parquet(files)} ORDER BY timestamp"
        )
    except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.BinderException) as error:
        said = str(error).splitlines()[0]
        raise PermanentError(f"the files hold what is no transaction: {said}") from error


def strangers(connection: "DuckDBPyConnection", files: list[str], org: str) -> list[str]:
    """Tenants besides this one that files have rows of, the first few; files without an `org_id` are this one's."""
    if ORG not in connection.sql(f"SELECT * FROM {parquet(files)} LIMIT 0").columns:
        return []
    found = connection.execute(
        f"SELECT DISTINCT CAST({ORG} AS VARCHAR) FROM {parquet(files)} WHERE {ORG} IS DISTINCT FROM ? ORDER BY 1 LIMIT 3",
        [org],
    ).fetchall()
    return [str(row[0]) for row in found]


def ends(connection: "DuckDBPyConnection") -> tuple[date, date] | None:
    """The first and the last UTC day that has a transaction; None without one."""
    row = connection.execute(
        f"SELECT CAST(min(event_time) AS DATE), CAST(max(event_time) AS DATE) FROM {FACTS}"
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def labelled(connection: "DuckDBPyConnection", first: date, last: date) -> "pa.Table":
    """The transactions of these days of which somebody said whether they were fraud, as an entity frame.

    `known_at` is when what a served decision sees had been counted: the whole hour before ten minutes ago.
    """
    frame: pa.Table = connection.execute(
        "SELECT user_id, merchant, amount, is_fraud, event_time AS event_timestamp, "
        f"date_trunc('hour', event_time - {BEHIND}) AS known_at FROM {FACTS} "
        f"WHERE {_WHOLE} AND event_time >= ? AND event_time < ? ORDER BY event_time, transaction_id",
        [f"{first}T00:00:00Z", f"{last + timedelta(days=1)}T00:00:00Z"],
    ).to_arrow_table()
    return frame


def counts(connection: "DuckDBPyConnection", first: date, last: date) -> tuple[int, int]:
    """Labelled transactions of these days, and frauds among them."""
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER (is_fraud) FROM {FACTS} WHERE {_WHOLE} AND event_time >= ? AND event_time < ?",
        [f"{first}T00:00:00Z", f"{last + timedelta(days=1)}T00:00:00Z"],
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)
