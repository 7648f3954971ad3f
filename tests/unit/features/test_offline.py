"""Point in time: against brute force, and what callers rely on."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.features.offline import OfflineStore
from millrace.features.views import Derived, Feature, FeatureError, FeatureGroup, FeatureView, FeatureViews
from tests.unit.features import oracle

SECOND = 1_000_000
SOURCE = "silver.payment_v1"


def feature(name: str, aggregate: Any, column: str | None, window: int | None, **more: Any) -> Feature:
    settings_ = {"offset_us": 0, "default": None, "kind": "double", **more}
    return Feature(name, aggregate, column, window, description="", **settings_)


GROUP = FeatureGroup(
    SOURCE,
    "user_id",
    "happened",
    (),
    0,
    None,
    (
        feature("count", "count", None, 10 * SECOND, default=0, kind="long"),
        feature("count_ever", "count", None, None, default=0, kind="long"),
        feature("sum", "sum", "amount", 10 * SECOND, default=0.0),
        feature("mean", "mean", "amount", 3 * SECOND),
        feature("usual", "mean", "amount", 10 * SECOND, offset_us=5 * SECOND),
        feature("least", "min", "amount", 10 * SECOND),
        feature("most", "max", "amount", None),
        feature("spread", "stddev", "amount", 20 * SECOND),
        feature("since", "since", None, 20 * SECOND),
        feature("newest", "latest", "amount", None),
        feature("fresh", "latest", "amount", 5 * SECOND),
    ),
)
LATE = FeatureGroup(
    SOURCE,
    "user_id",
    "happened",
    (),
    7 * SECOND,
    None,
    (
        feature("known", "count", None, 10 * SECOND, default=0, kind="long"),
        feature("share", "share", "bad", 10 * SECOND),
        feature("share_ever", "share", "bad", None, default=0.0),
        feature("late", "latest", "amount", None),
    ),
)
VIEW = FeatureView("user", "1.0.0", "", "", "", "user", "user_id", (GROUP, LATE), (), ())


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 2}) as made:
        made.execute("CREATE SCHEMA silver")
        yield made


def store(
    connection: duckdb.DuckDBPyConnection, rows: Sequence[dict[str, Any]], *views: FeatureView
) -> OfflineStore:
    kinds = {
        "user_id": pa.int64(),
        "happened": pa.timestamp("us", tz="UTC"),
        "amount": pa.float64(),
        "bad": pa.bool_(),
    }
    table = pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in kinds.items()})
    connection.register("given", table)
    connection.execute(f"CREATE OR REPLACE TABLE {SOURCE} AS FROM given")
    connection.unregister("given")
    return OfflineStore(connection, FeatureViews(views or (VIEW,)))


def frame(rows: Sequence[tuple[int | None, int]], **more: list[Any]) -> pa.Table:
    return pa.table(
        {
            "user_id": pa.array([user for user, _ in rows], pa.int64()),
            "event_timestamp": pa.array([at for _, at in rows], pa.timestamp("us")),
            **more,
        }
    )


def row(user: int | None, at: int, amount: float | None = 1.0, bad: bool | None = False) -> dict[str, Any]:
    return {"user_id": user, "happened": at, "amount": amount, "bad": bad}


moments = st.integers(0, 40).map(lambda seconds: seconds * SECOND) | st.integers(0, 40 * SECOND)
users = st.integers(1, 3) | st.none()
amounts = (
    st.none() | st.integers(-500, 500).map(lambda cents: cents / 4) | st.sampled_from([math.nan, math.inf])
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.builds(row, users, moments, amounts, st.booleans() | st.none()), max_size=25),
    st.lists(st.tuples(users, moments), max_size=12),
)
def test_every_feature_is_what_brute_force_says(
    connection: duckdb.DuckDBPyConnection, rows: list[dict[str, Any]], asked: list[tuple[int | None, int]]
) -> None:
    # Which of two rows of one moment is the newest is not said without `newest_by`.
    rows = list({(one["user_id"], one["happened"]): one for one in rows}.values())
    answer = store(connection, rows).get_historical_features(
        frame(asked), [f"user:{name}" for name in VIEW.features]
    )
    assert answer.num_rows == len(asked)
    for name in VIEW.features:
        expected = [oracle.value(VIEW, name, {SOURCE: rows}, user, at) for user, at in asked]
        for found, wanted in zip(answer[name].to_pylist(), expected, strict=True):
            assert found == wanted or found == pytest.approx(wanted, rel=1e-9, abs=1e-7), name


def test_the_event_itself_and_the_future_do_not_count(connection: duckdb.DuckDBPyConnection) -> None:
    rows = [row(1, 10), row(1, 20), row(1, 30)]
    answer = store(connection, rows).get_historical_features(
        frame([(1, 20), (1, 21), (1, 10)]), ["user:count_ever", "user:newest"]
    )
    assert answer["count_ever"].to_pylist() == [1, 2, 0]
    assert answer["newest"].to_pylist() == [1.0, 1.0, None]


def test_a_label_is_known_after_its_delay_and_not_before(connection: duckdb.DuckDBPyConnection) -> None:
    made = store(connection, [row(1, 10, bad=True)])
    known = 10 + LATE.delay_us
    answer = made.get_historical_features(
        frame([(1, known), (1, known + 1)]), ["user:known", "user:share", "user:late"]
    )
    assert answer["known"].to_pylist() == [0, 1]
    assert answer["share"].to_pylist() == [None, 1.0]
    assert answer["late"].to_pylist() == [None, 1.0]


def test_rows_stay_as_they_are(connection: duckdb.DuckDBPyConnection) -> None:
    entities = [(2, 50), (1, 50), (9, 50), (1, 50), (None, 50), (1, 5)]
    label = ["c", "a", "x", "a", "n", "early"]
    given_ = frame(entities, label=label)
    answer = store(connection, [row(1, 10), row(2, 20), row(2, 30), row(None, 1)]).get_historical_features(
        given_, ["user:count"]
    )
    assert answer.column_names == ["user_id", "event_timestamp", "label", "count"]
    assert answer.select(given_.column_names) == given_
    assert answer["count"].to_pylist() == [2, 1, 0, 1, 0, 0]


def test_a_frame_without_rows_has_an_answer_without_rows(connection: duckdb.DuckDBPyConnection) -> None:
    answer = store(connection, [row(1, 10)]).get_historical_features(frame([]), ["user:count", "user:newest"])
    assert answer.num_rows == 0
    assert answer.column_names[2:] == ["count", "newest"]


def test_a_relation_answers_with_a_relation(connection: duckdb.DuckDBPyConnection) -> None:
    made = store(connection, [row(1, 10)])
    asked = connection.sql("SELECT 1::BIGINT AS user_id, make_timestamp(20) AS event_timestamp")
    answer = made.get_historical_features(asked, ["user:count"])
    assert isinstance(answer, duckdb.DuckDBPyRelation)
    assert answer.project("count").fetchall() == [(1,)]


def test_a_key_of_another_type_is_read_as_the_sources(connection: duckdb.DuckDBPyConnection) -> None:
    entities = pa.table(
        {"user_id": ["1", "usr_1"], "event_timestamp": pa.array([50, 50], pa.timestamp("us"))}
    )
    answer = store(connection, [row(1, 10)]).get_historical_features(entities, ["user:count"])
    assert answer["count"].to_pylist() == [1, 0]


@pytest.mark.parametrize(
    ("keys", "counts"),
    [
        (["1", "1.0", "01", " 1", "+1", "one"], [1, 0, 0, 0, 0, 0]),
        ([1.0, 1.5, math.nan, math.inf, 1e300, None], [1, 0, 0, 0, 0, 0]),
        ([Decimal("1.00"), Decimal("1.50")], [1, 0]),
        (pa.array(["1", "2"]).dictionary_encode(), [1, 0]),
    ],
)
def test_a_number_is_one_entity_and_a_text_only_itself(
    connection: duckdb.DuckDBPyConnection, keys: Any, counts: list[int]
) -> None:
    entities = pa.table({"user_id": keys, "event_timestamp": pa.array([50] * len(keys), pa.timestamp("us"))})
    made = store(connection, [row(1, 10)])
    assert made.get_historical_features(entities, ["user:count"])["count"].to_pylist() == counts


def test_a_sum_that_no_double_holds_is_the_default(connection: duckdb.DuckDBPyConnection) -> None:
    made = store(connection, [row(1, 10, 1e308), row(1, 11, 1e308), row(2, 10, 3.0)])
    answer = made.get_historical_features(frame([(1, 50), (2, 50)]), ["user:sum", "user:mean"])
    assert answer["sum"].to_pylist() == [0.0, 3.0]
    assert answer["mean"].to_pylist() == [None, 3.0]


def test_moments_in_another_zone_are_the_same_moments(connection: duckdb.DuckDBPyConnection) -> None:
    entities = frame([(1, 11)])
    there = entities.set_column(
        1, "event_timestamp", entities["event_timestamp"].cast(pa.timestamp("ns", tz="Asia/Tokyo"))
    )
    answer = store(connection, [row(1, 10)]).get_historical_features(there, ["user:count"])
    assert answer["count"].to_pylist() == [1]


def test_a_filter_leaves_rows_out(connection: duckdb.DuckDBPyConnection) -> None:
    view = replace(VIEW, groups=(replace(GROUP, filter="bad and amount > 2"),))
    rows = [row(1, 1, 5, True), row(1, 2, 1, True), row(1, 3, 5, False), row(1, 4, 5, None)]
    answer = store(connection, rows, view).get_historical_features(frame([(1, 50)]), ["user:count"])
    assert answer["count"].to_pylist() == [1]


def test_of_rows_of_one_moment_the_newest_is_the_one_that_the_view_says(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    view = replace(VIEW, groups=(replace(GROUP, newest_by=("amount",)),))
    rows = [row(1, 10, 3), row(1, 10, 7), row(1, 10, 5), row(1, 10, None)]
    answer = store(connection, rows, view).get_historical_features(frame([(1, 50)]), ["user:newest"])
    assert answer["newest"].to_pylist() == [7.0]


def test_derived_features_are_of_features_and_the_request(connection: duckdb.DuckDBPyConnection) -> None:
    ratio = Derived("ratio", "request.amount / user.mean", -1.0, "")
    hour = Derived("hour", "hour(moment)", None, "")
    derived = FeatureView("asked", "1.0.0", "", "", "", "", "", (), ("amount",), (ratio, hour))
    made = store(connection, [row(1, 10, 4.0), row(2, 10, 0.0)], VIEW, derived)
    entities = frame([(1, 20), (2, 20), (3, 3 * 3600 * SECOND)], amount=[8.0, 8.0, 8.0])
    answer = made.get_historical_features(entities, ["asked:ratio", "asked:hour"])
    # Over zero and over nothing there is no ratio.
    assert answer["ratio"].to_pylist() == [2.0, -1.0, -1.0]
    assert answer["hour"].to_pylist() == [0.0, 0.0, 3.0]
    with pytest.raises(FeatureError, match="amount"):
        made.get_historical_features(frame([(1, 20)]), ["asked:ratio"])


def test_sources_are_known_up_to_another_moment_than_the_rows(connection: duckdb.DuckDBPyConnection) -> None:
    share = Derived("share", "request.amount / user.mean", -1.0, "")
    hour = Derived("hour", "hour(moment)", None, "")
    derived = FeatureView("asked", "1.0.0", "", "", "", "", "", (), ("amount",), (share, hour))
    made = store(connection, [row(1, 10, 4.0), row(1, 20, 100.0)], VIEW, derived)
    known = pa.array([20, 21, 10], pa.timestamp("us"))
    entities = frame([(1, 3 * 3600 * SECOND)] * 3, amount=[8.0, 8.0, 8.0], known=known)
    names = ["user:count_ever", "user:newest", "user:since", "asked:share", "asked:hour"]
    answer = made.get_historical_features(entities, names, known_at="known")
    assert answer["count_ever"].to_pylist() == [1, 2, 0]
    assert answer["newest"].to_pylist() == [4.0, 100.0, None]
    # As it was served: seconds up to the moment that was known, and the question's own hour.
    assert answer["since"].to_pylist() == [1e-5, 1e-6, None]
    assert answer["share"].to_pylist() == [2.0, pytest.approx(8 / 52), -1.0]
    assert answer["hour"].to_pylist() == [3.0, 3.0, 3.0]
    with pytest.raises(FeatureError, match="no column known_at"):
        made.get_historical_features(entities.drop_columns("known"), names, known_at="known_at")


def test_a_view_can_be_read_with_another_delay(connection: duckdb.DuckDBPyConnection) -> None:
    made = store(connection, [row(1, 10)], VIEW.with_delay(2))
    answer = made.get_historical_features(frame([(1, 12), (1, 13)]), ["user:known", "user:count"])
    assert answer["known"].to_pylist() == [0, 1]
    assert answer["count"].to_pylist() == [1, 1]


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (["user"], "write view:feature"),
        (["nobody:count"], "no feature view nobody"),
        (["user:none"], "no feature none"),
        (["user:count", "user:count"], "twice"),
        ([], "no feature is named"),
    ],
)
def test_what_is_no_feature_is_refused(
    connection: duckdb.DuckDBPyConnection, features: list[str], says: str
) -> None:
    with pytest.raises(FeatureError, match=says):
        store(connection, []).get_historical_features(frame([(1, 1)]), features)


@pytest.mark.parametrize(
    ("entities", "says"),
    [
        (pa.table({"event_timestamp": pa.array([1], pa.timestamp("us"))}), "no column user_id"),
        (pa.table({"user_id": [1]}), "no column event_timestamp"),
        (pa.table({"user_id": [1], "event_timestamp": [1]}), "no moments but int64"),
        (
            pa.table({"user_id": [1], "event_timestamp": pa.array([None], pa.timestamp("us"))}),
            "null in 1 row",
        ),
        ([{"user_id": 1}], "this is a list"),
        (frame([(1, 1)], count=[0]), "a column twice"),
    ],
)
def test_a_frame_that_cannot_be_read_is_refused(
    connection: duckdb.DuckDBPyConnection, entities: Any, says: str
) -> None:
    with pytest.raises(FeatureError, match=says):
        store(connection, []).get_historical_features(entities, ["user:count"])


def test_features_of_one_name_are_distinguished_by_their_views(connection: duckdb.DuckDBPyConnection) -> None:
    made = store(connection, [row(1, 10)])
    answer = made.get_historical_features(
        frame([(1, 20)], count=[0]), ["user:count"], full_feature_names=True
    )
    assert answer["user__count"].to_pylist() == [1]
