"""A user's `FeatureStore` on the lake itself: the tables of the catalog, one tenant's rows."""

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType, TimestamptzType

from millrace.features.store import FeatureStore
from millrace.features.views import FeatureError
from millrace.iceberg import tables
from tests.support.emulator import Lake

AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
TABLE = "silver.order_created_v1"


@pytest.fixture
def store(bundle: Path, lake: Lake, tmp_path: Path) -> FeatureStore:
    (tmp_path / "feature_store.yaml").write_text(
        f"project: org_acme\nregistry: {bundle}\noffline_store: {{bucket: {lake.bucket}}}\nonline_store: {{table: FeatureStore}}\n"
    )
    catalog = tables.catalog("local", lake.bucket)
    schema = Schema(
        NestedField(1, "org_id", StringType()),
        NestedField(2, "user_id", LongType()),
        NestedField(3, "event_time", TimestamptzType()),
    )
    spec = PartitionSpec(PartitionField(1, 1000, IdentityTransform(), "org_id"))
    made = catalog.glue.create_table(catalog.identifier(TABLE), schema, f"s3://{lake.bucket}/orders", spec)
    rows = [("org_acme", 1), ("org_acme", 1), ("org_globex", 1)]
    columns = {"org_id": [org for org, _ in rows], "user_id": [user for _, user in rows]}
    made.append(pa.table({**columns, "event_time": pa.array([AT] * len(rows), pa.timestamp("us", "UTC"))}))
    return FeatureStore(tmp_path)


def test_past_and_present_of_one_tenant(store: FeatureStore) -> None:
    features = ["user_features:order_count", "user_features:transaction_count_7d"]
    sql = f"SELECT DISTINCT user_id, event_time + INTERVAL 1 DAY AS event_timestamp FROM {TABLE}"
    past = store.get_historical_features(sql, features).to_arrow()
    assert past.select(["order_count", "transaction_count_7d"]).to_pylist() == [
        {"order_count": 2, "transaction_count_7d": 0}
    ]
    now = store.get_online_features(["merchant_features:fraud_share_7d"], {"merchant": ["Nile"]})
    assert now.to_dict() == {"merchant": ["Nile"], "fraud_share_7d": [0]}


def test_the_features_of_the_model_are_a_service(store: FeatureStore) -> None:
    service = store.get_feature_service("fraud")
    frame = pa.table({"user_id": [1], "merchant": ["Nile"], "amount": [9.5], "event_timestamp": [AT]})
    past = store.get_historical_features(frame, service, full_feature_names=True).to_arrow()
    assert past["transaction_features__amount"].to_pylist() == [9.5]
    assert past.num_columns == frame.num_columns + len(service.features)


def test_a_table_that_no_contract_describes(store: FeatureStore) -> None:
    with pytest.raises(FeatureError, match=r"no table silver\.nothing"):
        store.get_historical_features("SELECT * FROM silver.nothing", ["user_features:order_count"])
