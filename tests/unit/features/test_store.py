"""One `FeatureStore` over both stores, in Feast's shapes."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import orjson
import pandas as pd
import pyarrow as pa
import pytest

from millrace.core import clock
from millrace.core.table import Table
from millrace.features.repo_config import RepoConfig
from millrace.features.store import FeatureStore
from millrace.features.views import FeatureError, FeatureViews
from tests.support import online_rows
from tests.support.stores import MemoryDynamoDB

ORG = "org_acme"
AT = datetime(2026, 11, 1, 12, tzinfo=UTC)
YAML = f"project: {ORG}\nregistry: bundle\noffline_store: {{path: lake.duckdb}}\nonline_store: {{table: FeatureStore}}\n"


def group(name: str, aggregate: str, column: str | None, kind: str, default: Any = None) -> dict[str, Any]:
    feature = {
        **{"name": name, "aggregate": aggregate, "column": column, "window_us": None, "offset_us": 0},
        **{"default": default, "kind": kind, "description": f"The {name}."},
    }
    return {
        **{"table": "silver.order_created_v1", "key": "user_id", "timestamp": "event_time", "newest_by": []},
        **{"delay_us": 0, "filter": None, "features": [feature]},
    }


def view(name: str, *groups: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        **{"name": name, "version": "1.0.0", "digest": "d", "description": "Orders.", "owner": "a team"},
        **{"entity": "user", "key": "user_id", "groups": groups, "request": [], "derived": [], **more},
    }


DOCUMENT = {
    "views": [
        view("orders", group("count", "count", None, "long", 0), group("newest", "latest", "amount", "double")),
        view("archive", group("count", "count", None, "long", 0), online=False),
    ],
    "services": {"fraud": ["orders:newest", "orders:count"]},
}  # fmt: skip


@dataclass(frozen=True)
class InMemory(RepoConfig):
    """The folder's settings with a table in memory."""

    dynamodb: MemoryDynamoDB

    def online_table(self) -> Table:
        return Table(self.dynamodb, self.table)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "features.json").write_bytes(orjson.dumps(DOCUMENT))
    (tmp_path / "feature_store.yaml").write_text(YAML)
    with duckdb.connect(tmp_path / "lake.duckdb") as made:
        made.execute("CREATE SCHEMA silver")
        made.execute(
            "CREATE TABLE silver.order_created_v1 (org_id VARCHAR, user_id BIGINT, event_time TIMESTAMPTZ, amount DOUBLE)"
        )
        rows = [(ORG, 1, AT - timedelta(hours=2), 10.0), (ORG, 1, AT - timedelta(hours=1), 20.0)]
        rows += [(ORG, 2, AT - timedelta(hours=1), 5.0), ("org_globex", 1, AT - timedelta(hours=1), 99.0)]
        made.executemany("INSERT INTO silver.order_created_v1 VALUES (?, ?, ?, ?)", rows)
    return tmp_path


@pytest.fixture
def store(repo: Path) -> FeatureStore:
    return FeatureStore(repo_path=str(repo))


def test_the_past_for_a_pandas_frame(store: FeatureStore) -> None:
    frame = pd.DataFrame({"user_id": [2, 1, 3], "event_timestamp": [pd.Timestamp(AT)] * 3})
    answer = store.get_historical_features(
        entity_df=frame, features=["orders:count", "orders:newest"], full_feature_names=True
    )
    assert answer.to_df()["orders__count"].tolist() == [1, 2, 0]
    assert answer.to_arrow()["orders__newest"].to_pylist()[:2] == [5.0, 20.0]


def test_the_past_for_a_table_and_a_service(store: FeatureStore) -> None:
    table = pa.table({"user_id": [1], "event_timestamp": [AT]})
    answer = store.get_historical_features(table, store.get_feature_service("fraud"))
    assert answer.to_arrow().column_names == ["user_id", "event_timestamp", "newest", "count"]
    assert answer.to_df().to_dict("list")["count"] == [2]


def test_the_past_for_a_select(store: FeatureStore) -> None:
    sql = f"SELECT user_id, event_time AS event_timestamp FROM silver.order_created_v1 WHERE org_id = '{ORG}' ORDER BY ALL"
    answer = store.get_historical_features(sql, ["orders:count"]).to_arrow()
    assert (answer["user_id"].to_pylist(), answer["count"].to_pylist()) == ([1, 1, 2], [0, 1, 0])
    with pytest.raises(FeatureError, match="entity_df"):
        store.get_historical_features("SELEKT", ["orders:count"])
    with pytest.raises(FeatureError, match="cannot be read"):
        store.get_historical_features("SELECT * FROM silver.nothing", ["orders:count"])


def test_the_present_by_rows_and_by_columns(repo: Path) -> None:
    dynamodb, views = MemoryDynamoDB(), FeatureViews.from_json(DOCUMENT)
    as_of = clock.utc_text(clock.now())
    orders = views.view("orders")
    values = {"count": 2, "newest": 20.0}
    for item in (
        online_rows.marker(ORG, [orders], asOf=as_of, wholeAt=as_of),
        online_rows.row(ORG, "1", as_of, (orders, values)),
    ):
        dynamodb.put_item(TableName="FeatureStore", Item=item)
    read = RepoConfig.read(repo)
    store = FeatureStore(
        config=InMemory(
            read.project, read.environment, read.registry, read.database, read.bucket, read.table, dynamodb
        )
    )
    by_row = store.get_online_features(["orders:count", "orders:newest"], [{"user_id": 1}, {"user_id": 7}])
    assert by_row.to_dict() == {"user_id": [1, 7], "count": [2, 0], "newest": [20.0, None]}
    by_column = store.get_online_features(
        features=["orders:count"], entity_rows={"user_id": [1, 7]}, full_feature_names=True
    )
    assert by_column.to_df().to_dict("list") == {"user_id": [1, 7], "orders__count": [2, 0]}
    with pytest.raises(FeatureError, match="1 and 2 values"):
        store.get_online_features(["orders:count"], {"user_id": [1, 7], "other": [1]})
    with pytest.raises(FeatureError, match="archive is not online"):
        store.get_online_features(["archive:count"], [{"user_id": 1}])


def test_what_there_is(store: FeatureStore) -> None:
    archive, orders = store.list_feature_views()
    assert (archive.name, archive.online, orders.online) == ("archive", False, True)
    assert orders == store.get_feature_view("orders")
    assert (orders.entities, orders.ttl) == (("user",), timedelta(days=1))
    assert [(one.name, one.dtype) for one in orders.features] == [("count", "long"), ("newest", "double")]
    assert [one.name for one in store.list_feature_services()] == ["fraud"]
    assert store.project == ORG
    with pytest.raises(FeatureError, match="one for each model: fraud"):
        store.get_feature_service("churn")


def test_materializing_is_the_platforms(store: FeatureStore, capsys: pytest.CaptureFixture[str]) -> None:
    store.materialize(AT, AT)
    store.materialize_incremental(AT, feature_views=["orders"])
    assert capsys.readouterr().err.count("hourly run materializes") == 2
    with pytest.raises(FeatureError, match="archive is not online"):
        store.materialize(AT, AT, ["archive"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is not YAML"),
        ("- a", "holds no settings"),
        ("environment: dev", "project names the tenant"),
        ("project: a\nofline_store: {}", "unknown: ofline_store"),
        ("project: a\nregistry: nowhere", "no compiled feature views"),
    ],
)
def test_a_wrong_file(repo: Path, text: str, message: str) -> None:
    (repo / "feature_store.yaml").write_text(text)
    with pytest.raises(FeatureError, match=message):
        FeatureStore(repo)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(FeatureError, match=r"no feature_store\.yaml"):
        FeatureStore(tmp_path)


def test_a_local_platform_names_its_lake_and_table(repo: Path) -> None:
    (repo / ".local").mkdir()
    (repo / ".local" / "outputs.json").write_text('{"LakeBucket": "lake", "FeatureStoreTable": "t"}')
    (repo / "feature_store.yaml").write_text(f"project: {ORG}\n")
    config = RepoConfig.read(repo)
    assert (config.bucket, config.table, config.database) == ("lake", "t", None)
    (repo / "feature_store.yaml").write_text(f"project: {ORG}\nenvironment: dev\nregistry: bundle\n")
    store = FeatureStore(repo)
    with pytest.raises(FeatureError, match="names no table"):
        store.get_online_features(["orders:count"], [{"user_id": 1}])
    with pytest.raises(FeatureError, match="names no bucket"):
        store.get_historical_features("SELECT 1", ["orders:count"])
