"""Derived features as a function: the same number as SQL says, whatever the expression and the values."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.features import views as feature_views
from millrace.features.evaluate import compile_view
from millrace.features.expression import ExpressionError
from millrace.features.offline import OfflineStore
from millrace.features.views import Derived, Feature, FeatureGroup, FeatureView, FeatureViews, Reference

DAY = 86_400_000_000
NAMES = ("a", "b", "c")
numbers = (
    st.none()
    | st.sampled_from([0.0, -0.0, 1.0, math.nan, math.inf, -math.inf, 5e-324, 1e308, 0.1])
    | st.integers(-3, 3).map(float)
    | st.floats()
)
moments = st.integers(-400 * DAY, 30_000 * DAY) | st.sampled_from([0, -1, DAY - 1, 3_599_999_999])


def number_texts(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    two = st.tuples(inner, inner)
    return st.one_of(
        st.tuples(st.sampled_from("+-*/"), two).map(lambda one: f"({one[1][0]} {one[0]} {one[1][1]})"),
        inner.map(lambda one: f"(-{one})"),
        inner.map(lambda one: f"abs({one})"),
        st.tuples(st.sampled_from(["coalesce", "least", "greatest"]), st.lists(inner, min_size=2, max_size=4)).map(
            lambda one: f"{one[0]}({', '.join(one[1])})"
        ),
    )  # fmt: skip


leaves = st.sampled_from(
    [*(f"view.{name}" for name in NAMES), "request.x", "0.05", "0", "1", "7", "2.5", "moment"]
) | st.sampled_from(["hour", "weekday"]).flatmap(
    lambda function: st.sampled_from([f"{function}(moment)", f"{function}(moment - 3600000000)"])
)
texts = st.recursive(leaves, number_texts, max_leaves=8)
compared = st.tuples(texts, st.sampled_from([">", ">=", "<", "<=", "==", "!="]), texts).map(
    lambda one: f"({one[0]} {one[1]} {one[2]})"
)
truths = st.recursive(
    compared | st.sampled_from(["True", "False"]),
    lambda inner: st.one_of(
        inner.map(lambda one: f"(not {one})"),
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(" ".join).map(lambda one: f"({one})"),
        st.tuples(inner, inner).map(lambda one: f"coalesce({one[0]}, {one[1]})"),
        st.tuples(inner, inner).map(lambda one: f"greatest({one[0]}, {one[1]})"),
    ),
    max_leaves=4,
)
defaults = st.none() | st.floats(allow_nan=False, allow_infinity=False)


def view(derived: Sequence[tuple[str, float | None]]) -> FeatureView:
    made = tuple(Derived(f"d{at}", text, default, "") for at, (text, default) in enumerate(derived))
    return FeatureView("asked", "1.0.0", "", "", "", "", "", (), ("x",), made)


class Said(OfflineStore):
    """The offline store, told what it has read."""

    def __init__(
        self, connection: duckdb.DuckDBPyConnection, views: FeatureViews, read: Mapping[Any, Any]
    ) -> None:
        super().__init__(connection, views)
        self._told = read

    def _read(self, *_: Any) -> Any:
        return self._told


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        yield made


def by_sql(
    connection: duckdb.DuckDBPyConnection,
    chosen: FeatureView,
    rows: Sequence[tuple[Mapping[str, Any], float | None, int]],
) -> list[list[float | None]]:
    """What the offline store makes of values, the request and a moment, row by row."""
    group = FeatureGroup("silver.x", "k", "t", (), 0, None, tuple(_feature(name) for name in NAMES))
    read_ = FeatureView("view", "1.0.0", "", "", "", "e", "k", (group,), (), ())
    views = FeatureViews([read_, chosen])
    read = {
        Reference("view", name): pa.chunked_array(
            [pa.array([values[name] for values, _, _ in rows], pa.float64())]
        )
        for name in NAMES
    }
    frame = pa.table(
        {
            "x": pa.array([x for _, x, _ in rows], pa.float64()),
            "event_timestamp": pa.array([moment for _, _, moment in rows], pa.timestamp("us")),
        }
    )
    names = [f"asked:{one}" for one in chosen.features]
    answer = Said(connection, views, read).get_historical_features(frame, names)
    return [list(row) for row in zip(*(answer[name].to_pylist() for name in chosen.features), strict=True)]


def _feature(name: str) -> Feature:
    return Feature(name, "max", name, None, 0, None, "double", "")


rows_ = st.lists(
    st.tuples(st.fixed_dictionaries(dict.fromkeys(NAMES, numbers)), numbers, moments), min_size=1, max_size=6
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(texts | truths, defaults), min_size=1, max_size=4), rows_)
@example([("view.a > view.b", None), ("view.a < view.b", None), ("view.a == view.b", None)],
         [({"a": a, "b": b, "c": 0.0}, None, 0) for a in (math.nan, math.inf, 1.0) for b in (math.nan, 1.0)])  # fmt: skip
@example(
    [("1 + 0.05", None), ("view.a / 0", -1.0), ("0 / 0", None)], [({"a": 1.0, "b": 1.0, "c": 1.0}, 1.0, 0)]
)
def test_the_function_says_what_sql_says(
    connection: duckdb.DuckDBPyConnection,
    derived: list[tuple[str, float | None]],
    rows: list[tuple[dict[str, Any], float | None, int]],
) -> None:
    chosen = view(derived)
    function = compile_view(chosen)
    found = [function({"view": values}, {"x": x}, moment) for values, x, moment in rows]
    assert found == by_sql(connection, chosen, rows)


@pytest.mark.parametrize("odd", [math.nan, math.inf, -math.inf, None])
def test_what_is_not_finite_is_never_more_nor_less_than_anything(
    connection: duckdb.DuckDBPyConnection, odd: float | None
) -> None:
    texts_ = ["request.x > 5000", "request.x < 5000", "view.a >= 0", "view.a != 1", "greatest(view.a, 3) > 5"]
    chosen = view([(f"coalesce({text}, False)", None) for text in texts_])
    rows = [({"a": odd, "b": 0.0, "c": 0.0}, odd, 0)]
    (found,) = [compile_view(chosen)({"view": values}, {"x": x}, moment) for values, x, moment in rows]
    assert found == [0.0] * len(texts_)
    assert by_sql(connection, chosen, rows) == [found]


def test_every_form_over_every_odd_pair(connection: duckdb.DuckDBPyConnection) -> None:
    odd = (None, math.nan, math.inf, -math.inf, 0.0, -0.0, 1.0, -2.5)
    rows = [({"a": a, "b": b, "c": 0.0}, None, 0) for a in odd for b in odd]
    two = [f"view.a {operator} view.b" for operator in (">", ">=", "<", "<=", "==", "!=", "+", "-", "*", "/")]
    two += [f"{function}(view.a, view.b)" for function in ("coalesce", "least", "greatest")]
    two += [
        "view.a > 0 and view.b > 0",
        "view.a > 0 or view.b > 0",
        "not view.a > 0",
        "-view.a",
        "abs(view.a)",
    ]
    # What is not finite is null in the end: these tell it from null.
    two += [f"coalesce({one}, 7) > 3" for one in two[6:13]]
    chosen = view([(one, None) for one in two])
    function = compile_view(chosen)
    assert [function({"view": values}, {}, 0) for values, _, _ in rows] == by_sql(connection, chosen, rows)


def test_the_repository_s_derived_features_are_equal_to_the_last_digit(
    connection: duckdb.DuckDBPyConnection, bundle: Any
) -> None:
    views = feature_views.load()
    view = views.view("transaction_features")
    read = views.aggregates(views.references(f"transaction_features:{name}" for name in view.features))
    # Counts, means, spreads, shares and nothing at all, in all their combinations with each other.
    pool: list[float | None] = [None, 0, 1, 3, 17, 0.1, 1.05, 99.99, 1e9]
    rows = [{one: pool[(at * (place + 1) + place) % len(pool)] for place, one in enumerate(read)} for at in range(500)]  # fmt: skip
    amounts = [pool[at % len(pool)] for at in range(500)]
    moments_ = [at * 7_919_000_000_123 % (60 * 365 * DAY) for at in range(500)]
    told = {one: pa.chunked_array([pa.array([row[one] for row in rows], pa.float64())]) for one in read}
    frame = pa.table(
        {
            "amount": pa.array(amounts, pa.float64()),
            "event_timestamp": pa.array(moments_, pa.timestamp("us")),
        }
    )
    answer = Said(connection, views, told).get_historical_features(
        frame, [f"transaction_features:{name}" for name in view.features], full_feature_names=True
    )
    function = compile_view(view)
    for at, row in enumerate(rows):
        values: dict[str, dict[str, float | None]] = {}
        for one, value in row.items():
            values.setdefault(one.view, {})[one.feature] = value
        found = function(values, {"amount": amounts[at]}, moments_[at])
        assert found == [answer[f"transaction_features__{name}"][at].as_py() for name in view.features]


def test_what_the_request_lacks_is_null_and_what_a_view_lacks_is_an_error() -> None:
    function = compile_view(view([("request.x + 1", -1.0), ("view.a", None)]))
    assert function({"view": {"a": 2}}, {}, 0) == [-1.0, 2.0]
    assert function({"view": {"a": 2}}, {"x": None}, 0) == [-1.0, 2.0]
    with pytest.raises(KeyError):
        function({"view": {}}, {}, 0)


@pytest.mark.parametrize(
    "text", ["'a'", "a", "view.a + True", "hour(view.a)", "least(1)", "f(1)", "1 < 2 < 3"]
)
def test_what_is_no_derived_feature_is_not_compiled(text: str) -> None:
    with pytest.raises(ExpressionError):
        compile_view(view([(text, None)]))
