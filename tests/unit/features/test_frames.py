"""An entity frame comes back as it went in, of one tenant, and what is not finite is missing."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import pytest

from millrace.features.offline import OfflineStore
from millrace.features.views import (
    Aggregate,
    Derived,
    Feature,
    FeatureError,
    FeatureGroup,
    FeatureView,
    FeatureViews,
    Kind,
)

pytestmark = pytest.mark.unit
AT = datetime(2026, 11, 21, tzinfo=UTC)
LARGE = 2**53 + 1


def feature(name: str, aggregate: Aggregate, column: str | None = None, kind: Kind = "double") -> Feature:
    default = 0 if aggregate == "count" else None
    return Feature(name, aggregate, column, None, 0, default, "long" if aggregate == "count" else kind, "")


def view(key: str = "user_id", filter_: str | None = None) -> FeatureView:
    features = (
        feature("order_count", "count"),
        feature("total", "sum", "amount"),
        feature("last_id", "latest", "number", "long"),
    )
    group = FeatureGroup("silver.orders", key, "event_time", (), 0, filter_, features)
    return FeatureView("user", "1.0.0", "", "", "", "user", key, (group,), (), ())


ASKED = FeatureView(
    *("asked", "1.0.0", "", "", "", "", "", (), ("amount",)),
    (Derived("large", "request.amount > 5000", 0.0, ""), Derived("twice", "request.amount * 2", None, "")),
)


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        made.execute("SET TimeZone = 'UTC'; CREATE SCHEMA silver")
        made.execute(
            "CREATE TABLE silver.orders (org_id VARCHAR, user_id BIGINT, merchant VARCHAR, shop DOUBLE, amount DOUBLE,"
            " number BIGINT, event_time TIMESTAMPTZ)"
        )
        yield made


def put(connection: duckdb.DuckDBPyConnection, **row: Any) -> None:
    names = ("org_id", "user_id", "merchant", "shop", "amount", "number")
    given = {"org_id": "org_acme", "user_id": 1, "amount": 1.0, **row}
    values = [given.get(name) for name in names]
    connection.execute(
        "INSERT INTO silver.orders VALUES (?, ?, ?, ?, ?, ?, TIMESTAMPTZ '2026-11-20')", values
    )


def store(connection: duckdb.DuckDBPyConnection, *views: FeatureView) -> OfflineStore:
    return OfflineStore(connection, FeatureViews(views or (view(), ASKED)))


COLUMNS: dict[str, Any] = {
    "int64": pd.array([LARGE, None], dtype="Int64"),
    "objects": pd.Series([LARGE, None], dtype="object"),
    "uint64": pd.array([2**64 - 1, None], dtype="UInt64"),
    "plain": pd.Series([LARGE, -LARGE], dtype="int64"),
    "bool": pd.array([True, None], dtype="boolean"),
    "decimal": pd.Series([Decimal("12345678901234567.8901"), None], dtype="object"),
    "zoned": pd.Series(pd.to_datetime(["2026-11-21T01:00:00.123456789", None]).tz_localize("Asia/Tokyo")),
    "category": pd.Categorical(["b", None], categories=["c", "b", "a"], ordered=True),
    "float32": pd.Series([0.1, None], dtype="float32"),
    "text": pd.array(["x", None], dtype="string"),
}


def test_a_frame_of_pandas_comes_back_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    put(connection, number=LARGE)
    frame = pd.DataFrame({"user_id": [1, 2], "event_timestamp": [AT, AT], **COLUMNS}, index=[7, 7])
    answer = store(connection).get_historical_features(frame, ["user:order_count", "user:last_id"])
    pd.testing.assert_frame_equal(answer[frame.columns], frame)
    assert list(answer.columns) == [*frame.columns, "order_count", "last_id"]
    assert answer["order_count"].tolist() == [1, 0]
    assert answer["last_id"].tolist() == [LARGE, pd.NA]
    assert (str(answer["order_count"].dtype), str(answer["last_id"].dtype)) == ("int64", "Int64")
    assert "order_count" not in frame.columns, "the frame that was given is as it was"


def test_an_arrow_table_comes_back_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    put(connection, number=LARGE)
    frame = pa.table(
        {
            "user_id": pa.array([1, None], pa.uint64()),
            "event_timestamp": pa.array([AT, AT], pa.timestamp("ns", "UTC")),
            "long": pa.array([LARGE, None], pa.int64()),
            "large": pa.array(["x", None], pa.large_string()),
            "words": pa.array(["x", None]).dictionary_encode(),
            "money": pa.array([Decimal("1.5000"), None], pa.decimal128(38, 4)),
        }
    )
    answer = store(connection).get_historical_features(frame, ["user:last_id"])
    assert answer.select(frame.column_names) == frame
    assert answer["last_id"].to_pylist() == [LARGE, None]


def test_a_relation_comes_back_as_it_was(connection: duckdb.DuckDBPyConnection) -> None:
    sql = (
        "SELECT 1 AS user_id, TIMESTAMP '2026-11-21' AS event_timestamp, 5::HUGEINT AS h, uuid() AS u, 1::UBIGINT AS b,"
        " 'a'::ENUM('a', 'b') AS e, 1.5::DECIMAL(38, 4) AS d, [1, NULL] AS l, 'x'::BLOB AS o"
    )
    connection.execute(f"CREATE TABLE asked AS {sql}")
    frame = connection.sql("SELECT * FROM asked")
    answer = store(connection).get_historical_features(frame, ["user:order_count"])
    assert answer.types[:-1] == frame.types
    assert [row[:-1] for row in answer.fetchall()] == frame.fetchall()


def frame(**columns: Any) -> pa.Table:
    given = {
        "user_id": pa.array([1], pa.int64()),
        "event_timestamp": pa.array([AT], pa.timestamp("us", "UTC")),
    }
    return pa.table({**given, **columns})


@pytest.mark.parametrize("name", ["order_count", "Order_Count", "ORDER_COUNT"])
def test_a_column_that_is_a_feature_in_another_case_is_refused(
    connection: duckdb.DuckDBPyConnection, name: str
) -> None:
    with pytest.raises(FeatureError, match=f"{name}.* would be a column twice"):
        store(connection).get_historical_features(frame(**{name: [1]}), ["user:order_count"])
    found = store(connection).get_historical_features(
        frame(**{name: [1]}), ["user:order_count"], full_feature_names=True
    )
    assert found.column_names[2:] == [name, "user__order_count"]


@pytest.mark.parametrize("name", ["USER_ID", "Event_Timestamp", "user_id"])
def test_a_second_key_or_moment_is_refused(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    entities = frame().append_column(name, pa.array([9]))
    with pytest.raises(FeatureError, match=f"{name}.* would be a column twice|would be a column twice"):
        store(connection).get_historical_features(entities, ["user:order_count"])
    twice = pd.DataFrame([[1, AT, 2]], columns=["user_id", "event_timestamp", name])
    with pytest.raises(FeatureError, match="would be a column twice"):
        store(connection).get_historical_features(twice, ["user:order_count"])


@pytest.mark.parametrize(
    "name", ["row", "key", "instant", "millrace_entity_frame", "moment", "request.amount", "d0"]
)
def test_no_name_of_ours_is_in_the_way(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    put(connection)
    request = frame(amount=[4.0], **{name: ["theirs"]})
    found = store(connection).get_historical_features(request, ["user:order_count", "asked:twice"])
    assert found.to_pylist()[0] | {"event_timestamp": None} == {
        **request.to_pylist()[0],
        "event_timestamp": None,
        "order_count": 1,
        "twice": 8.0,
    }


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, None])
def test_a_request_that_is_no_number_is_missing(
    connection: duckdb.DuckDBPyConnection, odd: float | None
) -> None:
    entities = frame(amount=pa.array([odd], pa.float64()))
    found = store(connection).get_historical_features(entities, ["asked:large", "asked:twice"])
    assert (found["large"].to_pylist(), found["twice"].to_pylist()) == ([0.0], [None])


@pytest.mark.parametrize("kind", [pa.float32(), pa.float64()])
def test_a_key_that_is_no_number_matches_no_entity(
    connection: duckdb.DuckDBPyConnection, kind: pa.DataType
) -> None:
    for text in ("nan", "NaN", "inf", "-inf", "7", "7.0"):
        put(connection, merchant=text)
    merchants = pa.array([math.nan, math.inf, -math.inf, None, 7.0], kind)
    entities = pa.table(
        {"merchant": merchants, "event_timestamp": pa.array([AT] * 5, pa.timestamp("us", "UTC"))}
    )
    found = store(connection, view("merchant")).get_historical_features(entities, ["user:order_count"])
    assert found["order_count"].to_pylist() == [0, 0, 0, 0, 1]


@pytest.mark.parametrize("odd", [math.nan, math.inf])
def test_a_source_s_number_that_is_none_passes_no_filter(
    connection: duckdb.DuckDBPyConnection, odd: float
) -> None:
    put(connection, amount=odd, shop=odd, number=5)
    put(connection, amount=9_000.0, shop=2.0)
    for key in ("user_id", "shop"):
        keys = {"user_id": pa.array([1, 0]), "shop": pa.array([2.0, odd])}
        entities = pa.table({**keys, "event_timestamp": pa.array([AT, AT], pa.timestamp("us", "UTC"))})
        found = store(connection, view(key, "amount > 5000")).get_historical_features(
            entities, ["user:order_count", "user:total"]
        )
        assert found["order_count"].to_pylist() == [1, 0]
        assert found["total"].to_pylist() == [9_000.0, None]


def test_tenants_are_never_mixed(connection: duckdb.DuckDBPyConnection) -> None:
    put(connection, amount=1.0)
    put(connection, org_id="org_globex", amount=100.0)
    names = ["user:order_count", "user:total"]
    with pytest.raises(FeatureError, match=r"rows of several tenants \(org_acme, org_globex\): org= names"):
        store(connection).get_historical_features(frame(), names)
    for org, total in (("org_acme", 1.0), ("org_globex", 100.0), ("org_'x", None)):
        found = store(connection).get_historical_features(frame(), names, org=org)
        assert found["total"].to_pylist() == [total]
    found = store(connection).get_historical_features(frame(org_id=["org_globex"]), names)
    assert found["total"].to_pylist() == [100.0], "the frame says whose rows it asks for"
    others: list[tuple[list[str], str | None]] = [
        (["org_acme"], "org_globex"),
        (["org_acme", "org_globex"], None),
    ]
    for orgs, whose in others:
        entities = pa.concat_tables([frame(org_id=[one]) for one in orgs])
        with pytest.raises(FeatureError, match="one tenant at a time"):
            store(connection).get_historical_features(entities, names, org=whose)


def test_one_tenant_needs_no_name(connection: duckdb.DuckDBPyConnection) -> None:
    put(connection)
    assert store(connection).get_historical_features(frame(), ["user:total"])["total"].to_pylist() == [1.0]
