"""Windows of a day as one writes them in Flink's SQL; runs in an environment of its own, which `bench.flink` makes.

`python flink_windows.py <events.csv> <out folder>`: reads events as `bench.windows_day` writes them, and writes windows below `10m` and `15m`.
Batch mode, one core: nothing is kept open for late events, which serves Flink best.
"""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment  # type: ignore[import-not-found]  # there alone

EVENTS = """
CREATE TABLE events (org STRING, event_id STRING, happened TIMESTAMP(3), received TIMESTAMP(3), merchant STRING,
    amount DECIMAL(18, 4), user_id STRING, is_fraud BOOLEAN)
WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'csv')
"""
# Copies of an event are alike in everything.
COUNTED = """
CREATE TEMPORARY VIEW counted AS SELECT DISTINCT * FROM events WHERE received <= happened + INTERVAL '2' HOUR
"""
SINK = """
CREATE TABLE `{name}` (org STRING, window_start TIMESTAMP(3), merchant STRING, volume BIGINT, revenue DECIMAL(38, 4),
    smallest DECIMAL(18, 4), largest DECIMAL(18, 4), fraud_rate DOUBLE, customers BIGINT)
WITH ('connector' = 'filesystem', 'path' = '{out}/{name}', 'format' = 'csv')
"""
WINDOWS = """
INSERT INTO `{name}` SELECT org, window_start, merchant, COUNT(*), SUM(amount), MIN(amount), MAX(amount),
    CAST(SUM(CASE WHEN is_fraud THEN 1 ELSE 0 END) AS DOUBLE) / COUNT(*), COUNT(DISTINCT user_id)
FROM TABLE({windows}) GROUP BY org, window_start, window_end, merchant
"""
OF_COUNTED = "TABLE counted, DESCRIPTOR(happened)"
TUMBLING = f"TUMBLE({OF_COUNTED}, INTERVAL '10' MINUTES)"
SLIDING = f"HOP({OF_COUNTED}, INTERVAL '5' MINUTES, INTERVAL '15' MINUTES)"


def main(path: str, out: str) -> None:
    """Writes both kinds of windows in one job, which reads the events once."""
    tables = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
    for name, value in (
        ("parallelism.default", "1"),
        ("table.local-time-zone", "UTC"),
        ("table.exec.mini-batch.enabled", "false"),
    ):
        tables.get_config().set(name, value)
    tables.execute_sql(EVENTS.format(path=path))
    tables.execute_sql(COUNTED)
    job = tables.create_statement_set()
    for name, windows in (("10m", TUMBLING), ("15m", SLIDING)):
        tables.execute_sql(SINK.format(name=name, out=out))
        job.add_insert_sql(WINDOWS.format(name=name, windows=windows))
    job.execute().wait()


if __name__ == "__main__":
    main(*sys.argv[1:])
