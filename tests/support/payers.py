"""Users who pay now and then, and the repository's own feature views of them, brought online run by run over a store in memory."""

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from cli.costing import rounding
from millrace.core import clock
from millrace.core.table import Table
from millrace.features.materialize import EntityResult, Materializer
from millrace.features.offline import OfflineStore
from millrace.features.online import OnlineStore
from millrace.features.online_writer import OnlineWriter
from millrace.features.views import FeatureViews
from tests.support.stores import MemoryDynamoDB

ORG, TABLE = "org_acme", "FeatureStore"
# Longer than the longest window with its offset.
PAST = timedelta(days=120)
START = datetime(2026, 8, 1, tzinfo=UTC)
_WHEN, _MONEY = pa.timestamp("us", tz="UTC"), pa.decimal128(18, 4)
_PAID = pa.schema(
    [("user_id", pa.int64()), ("merchant", pa.string()), ("event_time", _WHEN), ("amount", _MONEY), ("is_fraud", pa.bool_())]
)  # fmt: skip
_OTHERS = """
    CREATE SCHEMA marts; CREATE SCHEMA silver;
    CREATE TABLE silver.order_created_v1 (user_id VARCHAR, event_time TIMESTAMPTZ, total_amount DECIMAL(18, 4));
    CREATE TABLE silver.product_updated_v1 (product_id VARCHAR, event_time TIMESTAMPTZ, received_at TIMESTAMPTZ,
        event_id VARCHAR, category VARCHAR, brand VARCHAR, price DECIMAL(18, 4));
"""


class Store(MemoryDynamoDB):
    """Counts what writing an entity's rows costs: rows by kind of entity, and write units."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: Counter[str] = Counter()
        self.units: Counter[str] = Counter()

    def put_item(self, **call: Any) -> Any:
        kind = call["Item"]["featureKey"]["S"].split("#")[1]
        self.rows[kind] += 1
        self.units[kind] += rounding.write_units(rounding.item_bytes(call["Item"]))
        return super().put_item(**call)

    def bytes_of(self, kind: str) -> int:
        """What the stored rows of an entity take."""
        items = [item for (key, _), item in self.tables[TABLE].items() if key.startswith(f"{ORG}#{kind}#")]
        return sum(rounding.item_bytes(item) + rounding.ITEM_OVERHEAD for item in items)


class Payers:
    """Transactions of users who pay independently of each other at one rate, as the lake knows them at each run."""

    def __init__(
        self, views: FeatureViews, folder: Path, *, users: int, a_day: float, days: float, merchants: int = 5
    ) -> None:
        """Draws the payments of `PAST` and of so many days from START on; `a_day`: of a user."""
        self.views, self.store, self.now = views, Store(), START
        self.rows = _payments(random.Random(8), users, a_day, days, merchants)
        self.connection = duckdb.connect(config={"threads": 1})
        self.connection.execute(_OTHERS)
        self.connection.register("given", pa.Table.from_pylist(self.rows, _PAID))
        self.connection.execute("CREATE TABLE paid AS FROM given")
        writer = OnlineWriter(Table(self.store, TABLE), now=lambda: self.now)
        place = lambda *names: str(folder / f"{'-'.join(names)}.parquet")  # noqa: E731
        self._materializer = Materializer(self.connection, views, writer, place)

    def run(self, at: datetime) -> tuple[EntityResult, ...]:
        """Brings the store to a moment."""
        self.now = at
        self.connection.execute(
            "CREATE OR REPLACE TABLE marts.fct_transactions AS FROM paid WHERE event_time < $1", [at]
        )
        return self._materializer.materialize(ORG, f"run-{at:%d%H%M}", clock.utc_text(at))

    def paid(self, first: datetime, end: datetime, every: timedelta) -> int:
        """Payments in these days; those of a user between two runs count as one."""
        moments = ((row["user_id"], row["event_time"]) for row in self.rows)
        return len({(user, (moment - first) // every) for user, moment in moments if first <= moment < end})

    def served_and_offline(self, frame: pa.Table) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
        """Every feature of these users and merchants, as it is served and as the offline store has it at the last run."""
        features = [
            f"{view.name}:{name}"
            for entity in self.views.online()
            for view in entity.views
            if view.key in frame.column_names
            for name in view.features
        ]
        moments = pa.array([self.now] * frame.num_rows, _WHEN)
        offline = OfflineStore(self.connection, self.views).get_historical_features(
            frame.append_column("event_timestamp", moments), features, full_feature_names=True
        )
        served = OnlineStore(Table(self.store, TABLE), self.views, lambda: self.now).get_online_features(
            ORG, features=features, entity_rows=frame.to_pylist(), full_feature_names=True
        )
        names = [name.replace(":", "__") for name in features]
        held = served.to_dict()
        return {name: held[name] for name in names}, {name: offline[name].to_pylist() for name in names}


def _payments(
    rng: random.Random, users: int, a_day: float, days: float, merchants: int
) -> list[dict[str, Any]]:
    rows = []
    for user in range(users):
        at = -PAST / timedelta(days=1)
        while (at := at + rng.expovariate(a_day)) < days:
            rows.append(
                {
                    "user_id": user,
                    "merchant": f"shop {rng.randrange(merchants)}",
                    "event_time": START + timedelta(microseconds=int(at * 86_400e6)),
                    "amount": Decimal(rng.randrange(100, 90_000)) / 100,
                    "is_fraud": rng.random() < 0.01,
                }
            )
    return rows
