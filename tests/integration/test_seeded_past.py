"""`millrace seed --days` as a model sees it: with the past of users and merchants fraud is found, in a later week."""

from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pytest
from sklearn.ensemble import RandomForestClassifier

from cli.seeding import past
from millrace.compiler.feature_views import compile_views
from millrace.features.offline import OfflineStore
from millrace.features.views import FeatureViews

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
SCHEMAS = Path(__file__).parents[2] / "schemas"
TODAY = date(2026, 11, 21)
# A month to train on, a week in which its labels become known, a week to judge by.
TRAINED, JUDGED = ("2026-10-10", "2026-11-07"), ("2026-11-14", "2026-11-21")
VIEWS = ("transaction_features", "merchant_features", "merchant_risk")


def test_a_model_that_sees_the_past_finds_fraud_in_a_later_week() -> None:
    views = FeatureViews.from_json({"views": compile_views(SCHEMAS)})
    names = [f"{view}:{name}" for view in VIEWS for name in views.view(view).features]
    with duckdb.connect(config={"threads": 1}) as connection:
        _load(connection)
        answers = {
            period: OfflineStore(connection, views).get_historical_features(
                connection.execute(
                    "SELECT user_id, merchant, amount, is_fraud, event_time AS event_timestamp "
                    "FROM marts.fct_transactions WHERE event_time >= ? AND event_time < ?",
                    [f"{day} 00:00:00+00" for day in period],
                ).to_arrow_table(),
                names,
                full_feature_names=True,
            )
            for period in (TRAINED, JUDGED)
        }
    columns = [name.replace(":", "__") for name in names]
    rows = {
        period: (
            np.column_stack([answer[name].cast(pa.float64()).to_numpy() for name in columns]),
            answer["is_fraud"].to_numpy(zero_copy_only=False),
        )
        for period, answer in answers.items()
    }
    forest = RandomForestClassifier(n_estimators=150, min_samples_leaf=2, random_state=7).fit(*rows[TRAINED])
    values, labels = rows[JUDGED]
    called = forest.predict_proba(values)[:, 1] >= 0.4
    hits = (called & labels).sum()
    assert labels.sum() > 30
    assert hits / called.sum() >= 0.8
    assert hits / labels.sum() >= 0.7


def _load(connection: duckdb.DuckDBPyConnection) -> None:
    """The seeded payments and orders as the tables that the views read."""
    payments, orders = [], []
    for event in past(7, today=TODAY, days=60, count=18_000):
        payload = event["data"]["payload"]
        at = datetime.fromisoformat(event["timestamp"]).astimezone(UTC)
        if event["eventType"] == "transaction.created":
            row = {name: payload[name] for name in ("user_id", "merchant", "amount", "is_fraud")}
            payments.append(row | {"event_time": at})
        elif event["eventType"] == "order.created":
            orders.append(
                {"user_id": event["userId"], "total_amount": payload["totalAmount"], "event_time": at}
            )
    connection.register("payments", pa.Table.from_pylist(payments))
    connection.register("orders", pa.Table.from_pylist(orders))
    connection.execute("CREATE SCHEMA marts; CREATE SCHEMA silver")
    connection.execute("CREATE TABLE marts.fct_transactions AS FROM payments")
    connection.execute("CREATE TABLE silver.order_created_v1 AS FROM orders")
