"""The repository's own views over a few thousand events: what is served is what a model is trained on, entity by entity."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from moto import mock_aws

from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.tables import FeatureStore
from millrace.features import views as feature_views
from millrace.features.materialize import Materializer
from millrace.features.offline import OfflineStore
from millrace.features.online import OnlineStore
from millrace.features.online_writer import OnlineWriter

pytestmark = pytest.mark.integration
TABLE, ORGS = "FeatureStore", ("org_acme", "org_globex")
AS_OF = datetime(2026, 11, 21, 10, 6, 12, 345_000, tzinfo=UTC)
NOW = AS_OF + timedelta(minutes=34, seconds=5)
ODD = ["Ärger & Söhne", "a#b", "42", "42.0", "🦊", "o'Neill"]


def sources(org: str) -> duckdb.DuckDBPyConnection:
    """Four months of one tenant; both tenants use the same keys."""
    rng = random.Random(org)
    users = range(400)

    def moment() -> datetime:
        return AS_OF - timedelta(microseconds=int(rng.random() ** 3 * 120 * 86_400_000_000) - 3_600_000_000)

    paid = [
        {
            "user_id": rng.choice(users),
            "merchant": rng.choice([*ODD, *(f"shop {number}" for number in range(60)), None]),
            "event_time": moment(),
            "amount": Decimal(rng.randrange(1, 900_000)) / 10_000,
            "is_fraud": rng.choice([True, False, False, False, None]),
        }
        for _ in range(2_500)
    ]
    ordered = [
        {
            "user_id": rng.choice([str(rng.choice(users)), "usr_7", "042", "42.0", "a#b"]),
            "event_time": moment(),
            "total_amount": Decimal(rng.randrange(900_000)) / 10_000,
        }
        for _ in range(800)
    ]
    products = [
        {
            "product_id": rng.choice([*ODD, *(f"sku_{number}" for number in range(80))]),
            "event_time": moment(),
            "received_at": moment(),
            "event_id": f"{number:06}",
            "category": rng.choice(["shoes", "'hats'", None]),
            "brand": rng.choice(["Ä", None]),
            "price": Decimal(rng.randrange(900_000)) / 10_000,
        }
        for number in range(400)
    ]
    money, when = pa.decimal128(18, 4), pa.timestamp("us", tz="UTC")
    typed = {"amount": money, "total_amount": money, "price": money, "event_time": when, "received_at": when}
    made = duckdb.connect(config={"threads": 1})
    tables: dict[str, list[dict[str, Any]]] = {
        "marts.fct_transactions": paid,
        "silver.order_created_v1": ordered,
        "silver.product_updated_v1": products,
    }
    for name, rows in tables.items():
        columns = {column: pa.array([row[column] for row in rows], typed.get(column)) for column in rows[0]}
        made.register("given", pa.table(columns))
        made.execute(f"CREATE SCHEMA IF NOT EXISTS {name.partition('.')[0]}")
        made.execute(f"CREATE TABLE {name} AS FROM given")
        made.unregister("given")
    return made


@pytest.fixture(scope="module")
def counted(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    import boto3

    folder = tmp_path_factory.mktemp("states")
    with mock_aws():
        FeatureStore.create_table(billing_mode="PAY_PER_REQUEST")
        dynamodb = boto3.client("dynamodb")
        for org in ORGS:
            with sources(org) as connection:
                writer = OnlineWriter(Table(dynamodb, TABLE))
                done = Materializer(
                    connection, feature_views.load(), writer, lambda *names: str(folder / "-".join(names))
                ).materialize(org, "run", clock.utc_text(AS_OF))
                assert {one.status for one in done} == {"complete"}
                assert sum(one.written for one in done) > 500
        yield dynamodb


@pytest.mark.parametrize("org", ORGS)
def test_every_feature_that_is_served_is_what_a_model_is_trained_on(counted: Any, org: str) -> None:
    views, rng = feature_views.load(), random.Random(7)
    features = [f"{name}:{one}" for name in views.names() for one in views.view(name).features]
    with sources(org) as connection:
        keys = {
            "user_id": "SELECT user_id::VARCHAR FROM marts.fct_transactions UNION SELECT user_id FROM silver.order_created_v1",
            "merchant": "SELECT merchant FROM marts.fct_transactions WHERE merchant IS NOT NULL",
            "product_id": "SELECT product_id FROM silver.product_updated_v1",
        }
        known = {
            key: [*sorted({row[0] for row in connection.execute(sql).fetchall()}), "nobody"]
            for key, sql in keys.items()
        }
        size = max(map(len, known.values()))
        assert size > 300
        rows: list[dict[str, object]] = [
            {key: found[place % len(found)] for key, found in known.items()}
            | {"amount": rng.choice([0.0, 0.1, 17.5, 9_999.99])}
            for place in range(size)
        ]
        moments = pa.array([NOW] * size, pa.timestamp("us", tz="UTC"))
        frame = pa.Table.from_pylist(rows).append_column("event_timestamp", moments)
        frame = frame.append_column("known_at", pa.array([AS_OF] * size, pa.timestamp("us", tz="UTC")))
        trained = OfflineStore(connection, views).get_historical_features(
            frame, features, known_at="known_at", full_feature_names=True
        )
    store = OnlineStore(Table(counted, TABLE), views, lambda: NOW)
    served = store.get_online_features(
        org, features=features, entity_rows=rows, full_feature_names=True
    ).to_dict()
    nulls = 0
    for name in (one.replace(":", "__") for one in features):
        wanted = trained[name].to_pylist()
        nulls += wanted.count(None)
        # To the last digit: the same figures, and JSON keeps a double whole.
        assert served[name] == wanted, name
    assert 0 < nulls < len(features) * size / 2
