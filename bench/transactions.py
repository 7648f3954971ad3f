"""Raw objects of transactions, made by DuckDB: as the archive writes them, by the million, and the same every time."""

from pathlib import Path

import duckdb

from millrace.archive.raw import partition
from millrace.runs.documents import RawObject, TenantDay

BUCKET, ORG = "lake", "org_bench"
# Of the rows: an event that came twice, the second time in another object.
DUPLICATES = 0.03
_ROWS = """
SELECT
    md5('{day}' || n) AS hex,
    concat_ws('-', hex[1:8], hex[9:12], '4' || hex[14:16], '8' || hex[18:20], hex[21:32]) AS event_id,
    'transaction.created' AS event_type, 'card-processor' AS event_source,
    TIMESTAMPTZ '{day} 00:00:00+00' + to_milliseconds(CAST(hash(n) % 86400000 AS BIGINT)) AS event_time,
    strftime(event_time, '%Y-%m-%dT%H:%M:%S.%g') || 'Z' AS "timestamp",
    '1.0.0' AS version, 'pay-' || hex[1:8] AS correlation_id, CAST(n % 50000 AS VARCHAR) AS user_id,
    NULL::VARCHAR AS session_id, 'production' AS environment, 'eu-central-1' AS region, '{org}' AS org_id,
    event_time + to_milliseconds(1500 + i) AS received_at, concat_ws('-', hex[25:32], hex[1:4], '4000', '8000', hex[5:16]) AS request_id,
    'business-events' AS event_category, 'transaction.created/1.1.0' AS contract, NULL::VARCHAR AS derived_from,
    printf('{{"transaction_id":"txn_%010d","user_id":%d,"amount":%s,"merchant":"terminal_%d","timestamp":"%s+00:00",'
        || '"is_fraud":%s,"payment_method":"%s","location":"%s","device_id":"dev_%s"}}',
        n, n % 50000, CAST(CAST(hash(n, 1) % 500000 AS DOUBLE) / 100 AS VARCHAR), hash(n, 2) % 5000,
        strftime(event_time, '%Y-%m-%dT%H:%M:%S.%g'), if(n % 200 = 0, 'true', 'false'),
        ['credit_card', 'debit_card', 'crypto', 'wallet'][1 + n % 4],
        ['Lisbon, Portugal', 'Washington, D.C., USA', 'Berlin', 'Oslo, Norway'][1 + CAST(hash(n, 3) % 4 AS BIGINT)],
        hex[9:16]) AS payload,
    '{{}}' AS metadata, unhex(hex) AS fingerprint, 1800000000 AS expires_at, 'transaction.created.v1.1' AS dictionary
FROM (SELECT i, if(i < {unique}, i, i - {unique}) AS n FROM range({rows}) AS r(i))
"""


def write(root: Path, day: str, rows: int, objects: int = 4) -> TenantDay:
    """A tenant's day below `root`, about 3 % of its rows twice.

    Args:
        root: stands for the bucket.
        day: UTC.
        rows: in all, duplicates included.
        objects: to spread them over.
    """
    folder = partition(ORG, "business-events", day)
    (root / folder).mkdir(parents=True, exist_ok=True)
    unique = rows - int(rows * DUPLICATES)
    held = []
    with duckdb.connect(config={"threads": 2, "preserve_insertion_order": True}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for number in range(objects):
            sql = _ROWS.format(day=day, org=ORG, unique=unique, rows=rows)
            key = f"{folder}/object-{number}.parquet"
            done = connection.execute(
                f"COPY (SELECT * EXCLUDE (hex) FROM ({sql} WHERE i % {objects} = {number})) "  # noqa: S608
                f"TO '{root / key}' (FORMAT parquet, COMPRESSION zstd)"
            ).fetchone()
            held.append(RawObject(key, done[0] if done else 0))
    return TenantDay(ORG, day, tuple(held))
