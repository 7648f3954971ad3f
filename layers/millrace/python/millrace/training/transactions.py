"""A tenant's transactions on a DuckDB connection: the lake's, or uploaded files of card transactions.

Either way they become `marts.fct_transactions`, from which the feature views are computed.
"""

# ruff: noqa: S608  names are the platform's own, files are quoted

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta
from typing import TYPE_CHECKING

from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.core.errors import PermanentError
from millrace.features import missing
from millrace.features.sources import ORG
from millrace.lake.duck import create_view, parquet
from millrace.lake.sources import NOBODY, LeftOut, open_views
from millrace.runs.documents import Sources

if TYPE_CHECKING:
    import pyarrow as pa
    from duckdb import DuckDBPyConnection

FACTS = "marts.fct_transactions"
# Column of a file → the column of marts.fct_transactions, its type, and how its values are read. A simulation's
# `fraud_scenario` names how it made a fraud: it is never read.
COLUMNS: Mapping[str, tuple[str, str, Callable[[str, str], str]]] = {
    "transaction_id": ("transaction_id", "VARCHAR", missing.text),
    "timestamp": ("event_time", "TIMESTAMPTZ", missing.finite),
    "customer_id": ("user_id", "BIGINT", missing.number),
    "terminal_id": ("merchant", "VARCHAR", missing.text),
    "amount": ("amount", "DECIMAL(18, 4)", missing.number),
    "is_fraud": ("is_fraud", "BOOLEAN", missing.number),
}
# A served transaction sees rows of the hourly run before it: that run reads the events received until it began, and writes
# its rows some minutes after the hour.
BEHIND = "INTERVAL 10 MINUTE"
# A row that lacks one of these cannot be trained on. The lake's rows all have them.
_COMPLETE = "is_fraud IS NOT NULL AND amount IS NOT NULL AND user_id IS NOT NULL"


def open_lake(
    connection: "DuckDBPyConnection", sources: Sources, org: str, without: LeftOut = NOBODY
) -> None:
    """Makes the pinned tables views of one tenant's rows, without those of some people.

    Raises:
        PermanentError: the transactions are not among them.
    """
    open_views(connection, sources, org, without)
    if FACTS not in {one.table for one in sources.inputs}:
        raise PermanentError(f"{FACTS} is not among the pinned tables")


def open_files(
    connection: "DuckDBPyConnection", files: list[str], others: Iterable[LakeTable], org: str
) -> None:
    """Makes files the table of transactions; every other table that the views read exists and is empty.

    Args:
        connection: of lake/duck.py.
        files: URLs of Parquet with the columns of `COLUMNS`.
        others: contracts of the other tables that the views read.
        org: the tenant whose transactions they are.

    Raises:
        PermanentError: there is no file, a column is missing or holds values of another type, or rows are of another tenant.
    """
    import duckdb  # noqa: PLC0415  80 MB that only the workers load

    if not files:
        raise PermanentError("there is no Parquet file to train on")
    relation = connection.sql(f"SELECT * FROM {parquet(files)} LIMIT 0")
    if lacking := missing_columns(relation.columns):
        raise PermanentError(f"the files have no column {', '.join(lacking)}")
    if tenants := other_tenants(connection, files, org):
        raise PermanentError(f"the files hold rows of {', '.join(tenants)}: bring those of {org} alone")
    for table in others:
        columns = [(column.name, duckdb_type(column.type)) for column in table.columns]
        create_view(connection, table.full_name, columns, [])
    connection.execute("CREATE SCHEMA IF NOT EXISTS marts")
    connection.execute(f"DROP VIEW IF EXISTS {FACTS}")
    types = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    chosen = ", ".join(select_columns(types))
    try:
        # A table, not a view: the feature views read it many times.
        connection.execute(
            f"CREATE TABLE {FACTS} AS SELECT {chosen} FROM {parquet(files)} ORDER BY timestamp"
        )
    except (duckdb.ConversionException, duckdb.OutOfRangeException, duckdb.BinderException) as error:
        reason = str(error).splitlines()[0]
        raise PermanentError(f"the files hold rows that are not transactions: {reason}") from error


def select_columns(types: Mapping[str, str]) -> list[str]:
    """The columns of marts.fct_transactions in SQL; a NaN in a file becomes null.

    Args:
        types: of the files' columns, as DuckDB writes them.
    """
    columns = []
    for name, (target, kind, read) in COLUMNS.items():
        value = read(name, types[name])
        # A moment without a zone is UTC, whatever the connection's zone is.
        cast = f"CAST({value} AS TIMESTAMP)" if kind == "TIMESTAMPTZ" else value
        columns.append(f"CAST({cast} AS {kind}) AS {target}")
    return columns


def missing_columns(columns: list[str]) -> list[str]:
    """The columns that files with these columns lack."""
    return sorted(set(COLUMNS) - set(columns))


def other_tenants(connection: "DuckDBPyConnection", files: list[str], org: str) -> list[str]:
    """Up to three tenants besides this one whose rows the files hold; files without an `org_id` are this tenant's."""
    if ORG not in connection.sql(f"SELECT * FROM {parquet(files)} LIMIT 0").columns:
        return []
    rows = connection.execute(
        f"SELECT DISTINCT CAST({ORG} AS VARCHAR) FROM {parquet(files)} WHERE {ORG} IS DISTINCT FROM ? ORDER BY 1 LIMIT 3",
        [org],
    ).fetchall()
    return [str(row[0]) for row in rows]


def ends(connection: "DuckDBPyConnection") -> tuple[date, date] | None:
    """The first and the last UTC day that has a transaction; None without one."""
    row = connection.execute(
        f"SELECT CAST(min(event_time) AS DATE), CAST(max(event_time) AS DATE) FROM {FACTS}"
    ).fetchone()
    return None if row is None or row[0] is None else (row[0], row[1])


def labelled(connection: "DuckDBPyConnection", first: date, last: date) -> "pa.Table":
    """The transactions of these days that have a label, as an entity frame.

    `known_at` is the moment up to which a served decision's features are counted: the whole hour before ten minutes ago.
    """
    frame: pa.Table = connection.execute(
        "SELECT user_id, merchant, amount, is_fraud, event_time AS event_timestamp, "
        f"date_trunc('hour', event_time - {BEHIND}) AS known_at FROM {FACTS} "
        f"WHERE {_COMPLETE} AND event_time >= ? AND event_time < ? ORDER BY event_time, transaction_id",
        [f"{first}T00:00:00Z", f"{last + timedelta(days=1)}T00:00:00Z"],
    ).to_arrow_table()
    return frame


def counts(connection: "DuckDBPyConnection", first: date, last: date) -> tuple[int, int]:
    """Labelled transactions of these days, and frauds among them."""
    row = connection.execute(
        f"SELECT count(*), count(*) FILTER (is_fraud) FROM {FACTS} WHERE {_COMPLETE} AND event_time >= ? AND event_time < ?",
        [f"{first}T00:00:00Z", f"{last + timedelta(days=1)}T00:00:00Z"],
    ).fetchone()
    return (row[0], row[1]) if row else (0, 0)
