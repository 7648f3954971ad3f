"""P12: silver as it is generated from contracts, against DuckDB SQL written by hand for the table, and against PySpark.

All of them parse, type, derive, drop the duplicates and write sorted zstd Parquet. Ours also tells what cannot be typed.
The checks of the written rows are in the second figure: the peers have none.
"""

import logging
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from bench import spark
from bench.figure import Figure, ratio
from bench.silver_worker import run, transform
from bench.transactions import BUCKET, write
from millrace.core.sql import literal
from millrace.lake import duck
from millrace.lake.raw_to_silver import SilverTransform
from millrace.runs.documents import TenantDay, Unit

ROWS = 200_000
# For Spark: big enough that its start weighs nothing.
DAYS, DAY_ROWS = 10, 300_000
MEMORY_MB = 1_769
_BY_HAND = """
COPY (
    SELECT event_id, event_time, event_source, correlation_id, user_id AS user_key, session_id, org_id, received_at,
        contract, p.transaction_id, p.user_id, p.amount, p.merchant, CAST(p."timestamp" AS TIMESTAMPTZ) AS "timestamp",
        p.is_fraud, p.payment_method, p.location, p.device_id,
        trim(CASE WHEN contains(p.location, ',') THEN regexp_extract(p.location, '^(.*),', 1) ELSE p.location END) AS city,
        nullif(trim(regexp_extract(p.location, ',([^,]*)$', 1)), '') AS country,
        CASE WHEN p.amount < 50 THEN 'small' WHEN p.amount < 200 THEN 'medium' WHEN p.amount < 1000 THEN 'large'
            ELSE 'very_large' END AS amount_category,
        CAST(substr(p."timestamp", 12, 2) AS INTEGER) AS "hour",
        CAST(isodow(CAST(left(p."timestamp", 10) AS DATE)) AS INTEGER) AS day_of_week,
        isodow(CAST(left(p."timestamp", 10) AS DATE)) >= 6 AS is_weekend,
        p.amount > 1000 AS is_high_value
    FROM (
        SELECT *, from_json(payload, '{{"transaction_id":"VARCHAR","user_id":"BIGINT","amount":"DECIMAL(18,4)","merchant":"VARCHAR",
            "timestamp":"VARCHAR","is_fraud":"BOOLEAN","payment_method":"VARCHAR","location":"VARCHAR","device_id":"VARCHAR"}}') AS p
        FROM read_parquet([{objects}])
        QUALIFY row_number() OVER (PARTITION BY event_id ORDER BY received_at, request_id, fingerprint) = 1
    )
    ORDER BY event_time
) TO '{out}' (FORMAT parquet, COMPRESSION zstd)
"""


def measure() -> list[Figure]:
    """Ours over each peer."""
    return [*_duckdb(), *_spark()]


def _duckdb() -> list[Figure]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        day = write(root, "2026-11-20", ROWS)
        made, out = transform(root, MEMORY_MB), root / "by_hand.parquet"
        _same(made, day, root, out)

        def against(one: SilverTransform) -> float:
            unit = Unit(day.org, day.day, 0, 1)
            return ratio(lambda: one.unit("bench", unit, day), lambda: _by_hand(root, day, out))

        return [
            Figure("P12", "silver without checks / DuckDB SQL by hand", against(_Unchecked(made)), 1.15),
            Figure("P12", "silver with its checks / DuckDB SQL by hand", against(made), 1.15),
        ]


def _by_hand(root: Path, day: TenantDay, out: Path) -> None:
    objects = ", ".join(literal(str(root / part.key)) for part in day.objects)
    with duck.connect(memory_mb=duck.share(MEMORY_MB), threads=2, temp_dir=root) as connection:
        connection.execute(_BY_HAND.format(objects=objects, out=out))


class _Unchecked(SilverTransform):
    """Ours without what the peers do not do either: the checks of the written rows."""

    def __init__(self, of: SilverTransform) -> None:
        super().__init__(of._connect, of._registry, of._bucket, of._root)

    def _checked(self, *_: object) -> tuple[()]:
        return ()


def _same(made: SilverTransform, day: TenantDay, root: Path, out: Path) -> None:
    """Both sides make the same rows, or there is nothing to compare."""
    _by_hand(root, day, out)
    (part,) = made.unit("bench", Unit(day.org, day.day, 0, 1), day).parts
    ours = f"{root}{str(part.file).removeprefix(f's3://{BUCKET}')}"
    for one, other in ((ours, out), (out, ours)):
        sql = f"SELECT count(*) FROM (SELECT * FROM '{one}' EXCEPT SELECT * FROM '{other}')"  # noqa: S608
        if duckdb.sql(sql).fetchone() != (0,):
            raise AssertionError("ours and the SQL by hand make different rows")


def _spark() -> list[Figure]:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        days = [write(root, f"2026-11-{number:02}", DAY_ROWS) for number in range(1, DAYS + 1)]
        try:
            theirs = spark.silver(root / "raw", root / "spark")
        except spark.NoSparkError as error:
            logging.getLogger("bench").warning("P12 against Spark is not measured: %s", error)
            return []
        ours = run(root, days, memory_mb=MEMORY_MB)
        if ours["rows"] != theirs["rows"]:
            raise AssertionError(f"{ours} {theirs}")
        return [
            Figure(
                "P12",
                "CPU time of PySpark local[2] / silver with its checks",
                theirs["cpu"] / ours["cpu"],
                4,
                at_least=True,
            ),
            Figure(
                "P12",
                "memory of silver / PySpark local[2], 8g heap",
                ours["peak_mb"] / theirs["peak_mb"],
                0.2,
            ),
        ]
