"""P13: gold by the pipeline's builder against the same windows, written by hand, run by DuckDB over the same files."""

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from bench.figure import Figure, ratio
from millrace.contracts import registry
from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable
from millrace.lake.build_table import TableBuilder
from millrace.lake.duck import connect
from millrace.runs.documents import Input, InputFile, Prepared, Work
from millrace.warehouse import project as projects

TABLE, SILVER = "gold.merchant_10min", "silver.transaction_created_v1"
ROWS = 500_000
ORG, DAY = "org_acme", "2026-11-02"
TARGET = 1.15
# What somebody writes who knows the files and DuckDB, and wants these rows: a transaction counts once, money is exact, a mean
# of it rounded half to even.
BY_HAND = """
COPY (SELECT * EXCLUDE (units, whole, twice) FROM (
    SELECT org_id, window_start, window_start + INTERVAL 10 MINUTE AS window_end, merchant,
        count(*) AS transaction_count, sum(amount)::DECIMAL(38, 4) AS revenue,
        (sum(amount) * 10000)::BIGINT AS units, units // count(*) AS whole, 2 * (units % count(*)) AS twice,
        ((whole + (twice > count(*) OR (twice = count(*) AND whole % 2 = 1))::BIGINT) / 10000)::DECIMAL(18, 4) AS average_amount,
        count(*) FILTER (WHERE is_fraud) AS fraud_count,
        count(*) FILTER (WHERE is_fraud) / count(*) AS fraud_rate,
        count(DISTINCT user_id) AS distinct_users, count(DISTINCT device_id) AS distinct_devices
    FROM (
        SELECT *, time_bucket(INTERVAL 10 MINUTE, event_time) AS window_start
        FROM read_parquet('{source}')
        QUALIFY row_number() OVER (
            PARTITION BY org_id, transaction_id ORDER BY event_time DESC, received_at DESC, event_id DESC) = 1
    )
    GROUP BY ALL
)) TO '{target}' (FORMAT parquet, COMPRESSION zstd)
"""


def measure() -> list[Figure]:
    """Our CPU time over the hand-written query's, for one tenant's day; both write a file of the same rows."""
    tables = registry.load().tables()
    with TemporaryDirectory(prefix="millrace-p13-") as name:
        folder = Path(name)
        source = folder / "silver.parquet"
        _silver(source, tables[SILVER])
        with (
            connect(memory_mb=2_000, threads=2, temp_dir=folder) as ours,
            connect(memory_mb=2_000, threads=2, temp_dir=folder) as theirs,
        ):
            made, by_hand = folder / "ours.parquet", folder / "by_hand.parquet"
            builder = TableBuilder(ours, projects.load(), tables, lambda *_: str(made))
            prepared = _prepared(source, tables)
            sql = BY_HAND.format(source=source, target=by_hand)

            def run() -> None:
                if builder.run(prepared, 0).failures:
                    raise AssertionError("the table failed")

            def write() -> None:
                theirs.execute(sql)

            run()
            write()
            _compare(theirs, made, by_hand)
            measured = ratio(run, write)
    return [Figure("P13", "gold by the builder, checked / hand-written DuckDB SQL", measured, TARGET)]


def _silver(path: Path, table: LakeTable) -> None:
    """A day of a tenant: three percent are reported twice."""
    values = {
        "event_id": "uuid()::VARCHAR",
        "event_time": f"TIMESTAMPTZ '{DAY} 00:00:00+00' + to_microseconds((i * 86400000000 // {ROWS})::BIGINT)",
        "event_source": "'shop'",
        "org_id": f"'{ORG}'",
        "received_at": f"TIMESTAMPTZ '{DAY} 00:00:01+00' + to_microseconds((i * 86400000000 // {ROWS})::BIGINT)",
        "contract": "'transaction.created/1.0.0'",
        "transaction_id": "'txn_' || (i - (i % 33 = 0)::INT)",
        "user_id": "(hash(i) % 40000)::BIGINT",
        "amount": "((hash(i + 1) % 90000000) / 10000)::DECIMAL(18, 4)",
        "merchant": "'merchant ' || hash(i + 2) % 300",
        "is_fraud": "hash(i + 3) % 50 = 0",
        "payment_method": "'credit_card'",
        "device_id": "'dev_' || hash(i + 4) % 60000",
        "country": "'Portugal'",
    }
    columns = ", ".join(
        f'CAST({values.get(c.name, "NULL")} AS {duckdb_type(c.type)}) AS "{c.name}"' for c in table.columns
    )
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute(f"COPY (SELECT {columns} FROM range({ROWS}) AS t(i)) TO '{path}' (FORMAT parquet)")  # noqa: S608


def _prepared(source: Path, tables: Mapping[str, LakeTable]) -> Prepared:
    columns = tuple((column.name, duckdb_type(column.type)) for column in tables[SILVER].columns)
    read = Input(SILVER, 1, columns, (InputFile(str(source), ORG, DAY, ROWS),))
    definition = projects.load().transform(TABLE).definition
    return Prepared("run", TABLE, "ready", "", definition, None, (read,), ((Work(ORG, DAY),),))


def _compare(connection: duckdb.DuckDBPyConnection, made: Path, by_hand: Path) -> None:
    ours, theirs = (f"SELECT * FROM read_parquet('{path}')" for path in (made, by_hand))  # noqa: S608
    for left, right in ((ours, theirs), (theirs, ours)):
        if connection.execute(f"{left} EXCEPT ALL {right}").fetchall():
            raise AssertionError("the builder and the query by hand make other rows")
