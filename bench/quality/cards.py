"""Card transactions as the platform's own table, and the rows that a split is made of."""

from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa

from millrace.core.sql import literal
from millrace.features.offline import OfflineStore
from millrace.features.views import FeatureViews
from millrace.training import channel
from millrace.training.dataset import DAY_US, LabelledRows, number
from millrace.training.rows import to_dataset
from millrace.training.split import Split, first_needed
from millrace.training.transactions import missing_columns, select_columns

MEMORY = "2GB"


class DataError(Exception):
    """The folder does not hold the transactions that the benchmark needs."""


def connect(folder: Path, until: date, temporary: Path) -> duckdb.DuckDBPyConnection:
    """The transactions of a folder of Parquet files up to and with a day, as `marts.fct_transactions`.

    Raises:
        DataError: there are no such files, or they have other columns.
    """
    if not any(folder.glob("*.parquet")):
        raise DataError(f"there is no Parquet file in {folder}")
    connection = duckdb.connect(
        config={"threads": 2, "memory_limit": MEMORY, "temp_directory": str(temporary)}
    )
    files = literal(folder / "*.parquet")
    relation = connection.sql(f"SELECT * FROM {files} LIMIT 0")  # noqa: S608  a path, quoted
    if lacking := missing_columns(relation.columns):
        raise DataError(f"the files in {folder} have no column {', '.join(lacking)}")
    types = {name: str(kind) for name, kind in zip(relation.columns, relation.types, strict=True)}
    connection.execute("CREATE SCHEMA marts; CREATE SCHEMA silver")
    connection.execute(
        f"CREATE TABLE marts.fct_transactions AS SELECT {', '.join(select_columns(types))} FROM {files} "  # noqa: S608
        f"WHERE epoch_us(CAST(timestamp AS TIMESTAMP)) < {(number(until) + 1) * DAY_US} ORDER BY timestamp"
    )
    return connection


def rows(connection: duckdb.DuckDBPyConnection, split: Split, views: FeatureViews) -> LabelledRows:
    """The transactions from the first fold of validation to the last day of the test, with every feature.

    Raises:
        DataError: there is no transaction in the training or the test days.
    """
    first = first_needed(split)
    entities: pa.Table = connection.execute(
        "SELECT user_id, merchant, amount, is_fraud, event_time AS event_timestamp FROM marts.fct_transactions "
        "WHERE epoch_us(event_time) >= ?",
        [number(first) * DAY_US],
    ).to_arrow_table()
    answer = OfflineStore(connection, views).get_historical_features(
        entities, channel.features(views), full_feature_names=True
    )
    data = to_dataset(answer, channel.features(views))
    for period, what in ((split.train, "training"), (split.test, "test")):
        if not len(data.within(period)):
            raise DataError(f"there is no transaction in the {what} days {period}")
    return data
