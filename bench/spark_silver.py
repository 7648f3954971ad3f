"""Silver of transactions as one writes it in PySpark; runs in an environment of its own, which `bench.spark` makes.

`python spark_silver.py <raw folder> <out folder> <cores> <memory, such as 8g>`; tells the seconds of the work (also of CPU), without the
start of the JVM, and the most of memory that JVM and Python held at once.
"""

import json
import sys
import threading
import time

import psutil  # type: ignore[import-untyped]  # only in the environment of this bench
from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

FIELDS = (
    "transaction_id STRING, user_id BIGINT, amount DECIMAL(18,4), merchant STRING, timestamp STRING, is_fraud BOOLEAN, "
    "payment_method STRING, location STRING, device_id STRING"
)
ENVELOPE = (
    "event_id",
    "event_time",
    "event_source",
    "correlation_id",
    "session_id",
    "org_id",
    "received_at",
    "contract",
)


def main(raw: str, out: str, cores: str, memory: str) -> None:
    """Measures one run."""
    peak = Peak()
    spark = (
        SparkSession.builder.master(f"local[{cores}]")
        .config("spark.driver.memory", memory)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.parquet.compression.codec", "zstd")
        .config("spark.sql.shuffle.partitions", "8")
        .getOrCreate()
    )
    started, used = time.perf_counter(), cpu()
    rows = spark.read.option("recursiveFileLookup", "true").parquet(raw)
    first = Window.partitionBy("event_id", f.to_date("event_time")).orderBy(
        "received_at", "request_id", "fingerprint"
    )
    kept = rows.withColumn("place", f.row_number().over(first)).where("place = 1")
    p = kept.withColumn("p", f.from_json("payload", FIELDS))
    place = f.regexp_extract("p.location", "^(.*),", 1)
    amount, moment, local = (
        f.col("p.amount"),
        f.col("p.timestamp"),
        f.to_date(f.substring("p.timestamp", 1, 10)),
    )
    typed = p.select(
        *ENVELOPE,
        f.col("user_id").alias("user_key"),
        *("p.transaction_id", "p.user_id", "p.amount", "p.merchant", "p.is_fraud", "p.payment_method"),
        *("p.location", "p.device_id"),
        f.to_timestamp(moment).alias("timestamp"),
        f.trim(f.when(f.col("p.location").contains(","), place).otherwise(f.col("p.location"))).alias("city"),
        f.trim(f.regexp_extract("p.location", ",([^,]*)$", 1)).alias("country"),
        f.when(amount < 50, "small")
        .when(amount < 200, "medium")
        .when(amount < 1000, "large")
        .otherwise("very_large")
        .alias("amount_category"),
        f.substring(moment, 12, 2).cast("int").alias("hour"),
        (f.weekday(local) + 1).alias("day_of_week"),
        (f.weekday(local) >= 5).alias("is_weekend"),
        (amount > 1000).alias("is_high_value"),
        f.to_date("event_time").alias("day"),
    )
    typed.repartition("day").sortWithinPartitions("day", "event_time").write.partitionBy("day").mode(
        "overwrite"
    ).parquet(out)
    seconds, spent = time.perf_counter() - started, cpu() - used
    count = spark.read.parquet(out).count()
    spark.stop()
    sys.stdout.write(json.dumps({"seconds": seconds, "cpu": spent, "peak_mb": peak.stop(), "rows": count}))


def cpu() -> float:
    """Seconds of CPU that this process and all below it have used."""
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return float(sum(one.user + one.system for one in times))


class Peak:
    """Watches the memory of this process and all below it."""

    def __init__(self) -> None:
        self._most, self._done = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> float:
        """The most at once, in MB."""
        self._done.set()
        self._thread.join()
        return self._most / 2**20

    def _watch(self) -> None:
        here = psutil.Process()
        while not self._done.wait(0.1):
            total = 0
            for process in (here, *here.children(recursive=True)):
                try:
                    total += process.memory_info().rss
                except psutil.NoSuchProcess:
                    continue
            self._most = max(self._most, total)


if __name__ == "__main__":
    main(*sys.argv[1:])
