"""Online features: what a row of the table says of an entity, and how rows are read."""

import math
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from millrace.core import clock
from millrace.core.errors import ThrottledError
from millrace.core.table import Table
from millrace.features import rows
from millrace.features.online import OnlineStore
from millrace.features.views import Derived, Feature, FeatureError, FeatureGroup, FeatureView, FeatureViews
from tests.support import online_rows
from tests.support.stores import MemoryDynamoDB

NOW = datetime(2026, 11, 21, 10, 30, tzinfo=UTC)
AT = "2026-11-21T10:05:00.000Z"
EARLIER = "2026-11-21T09:05:00.000Z"


def feature(name: str, aggregate: Any = "max", default: Any = None) -> Feature:
    return Feature(name, aggregate, None, None, 0, default, "double", "")


def view(name: str, key: str, *features: Feature, version: str = "1.0.0", digest: str = "d1") -> FeatureView:
    group = FeatureGroup("silver.x", key, "t", (), 0, None, features)
    return FeatureView(name, version, digest, "", "", key, key, (group,), (), ())


USER = view("user", "user_id", feature("orders", "count", 0), feature("mean"), feature("last", "since"))
SHOP = view("shop", "merchant", feature("share", default=0.0))
ASKED = FeatureView(
    "asked", "1.0.0", "", "", "", "", "", (), ("amount",),
    (Derived("ratio", "request.amount / user.mean", 1.0, ""), Derived("risk", "shop.share * 2", None, ""),
     Derived("amount", "request.amount", 0.0, ""), Derived("hour", "hour(moment)", None, "")),
)  # fmt: skip
VIEWS = FeatureViews([USER, SHOP, ASKED])


class Rows(MemoryDynamoDB):
    """FeatureStore in memory; the stored rows are views' markers and entities' rows."""

    def mark(self, org: str, one: FeatureView, as_of: str | None = AT, **more: str) -> None:
        item = online_rows.marker(org, [one], **{"asOf": as_of or "", "wholeAt": EARLIER, **more})
        self.put_item(TableName="FeatureStore", Item=item)

    def put(
        self, org: str, one: FeatureView, entity: object, values: Any, as_of: str = AT, **later: Any
    ) -> None:
        """A row with what is known; `later`: `us_60` → the values from 60 microseconds after its moment on."""
        key = rows.entity_text(entity)
        assert key is not None
        changes = {int(after.removeprefix("us_")): changed for after, changed in later.items()}
        held = {} if values is None else {one.name: online_rows.text(one, values, as_of, changes)}
        item = rows.item(org, one.entity, key, held, as_of, clock.epoch(NOW + online_rows.KEPT))
        self.put_item(TableName="FeatureStore", Item=item)

    @property
    def reads(self) -> int:
        return self.calls["batch_get_item"]


@pytest.fixture
def table() -> Rows:
    made = Rows()
    for one in (USER, SHOP):
        made.mark("org_a", one)
    return made


def ask(
    table: Rows, *features: str, org: str = "org_a", views: FeatureViews = VIEWS, **row: object
) -> list[tuple[Any, ...]]:
    store = OnlineStore(Table(table, "FeatureStore"), views, lambda: NOW)
    (answer,) = store.get_online_features(
        org, features=features, entity_rows=[row], full_feature_names=True
    ).rows
    return [(one.value, one.status, one.as_of) for one in answer]


def test_an_entity_with_a_row_and_one_without(table: Rows) -> None:
    table.put("org_a", USER, 42, {"orders": 3, "mean": 1.5, "last": 60.0})
    assert ask(table, "user:orders", "user:mean", user_id=42) == [(3, "ok", AT), (1.5, "ok", AT)]
    assert ask(table, "user:orders", "user:mean", user_id=43) == [(0, "missing", AT), (None, "missing", AT)]
    assert ask(table, "user:orders", user_id=None) == [(0, "missing", AT)]
    # Another tenant has none of it, nor has its view ever been counted.
    assert ask(table, "user:orders", org="org_b", user_id=42) == [(0, "missing", None)]


@pytest.mark.parametrize("same", ["42", 42.0, Decimal(42), Decimal("42.000")])
def test_a_number_is_one_entity_however_it_is_written(table: Rows, same: object) -> None:
    table.put("org_a", USER, 42, {"orders": 3})
    assert ask(table, "user:orders", user_id=same) == [(3, "ok", AT)]


@pytest.mark.parametrize("other", ["42.0", "042", " 42", "42#", 42.5, "４２", "user#42"])
def test_a_text_is_only_itself(table: Rows, other: object) -> None:
    table.put("org_a", USER, 42, {"orders": 3})
    assert ask(table, "user:orders", user_id=other) == [(0, "missing", AT)]


@pytest.mark.parametrize(
    "odd", ["a#b", "a%23b", "Ärger & Söhne", "🦊", "#", "views", "x" * 1_600, "ä" * 5_000]
)
def test_odd_keys_are_entities_of_their_own(table: Rows, odd: str) -> None:
    others = ["a#b", "a%23b", "Ärger & Söhne", "🦊", "#", "views", "x" * 1_600, "x" * 1_601, "ä" * 5_000]
    for place, one in enumerate(others):
        table.put("org_a", SHOP, one, {"share": place})
    assert ask(table, "shop:share", merchant=odd) == [(others.index(odd), "ok", AT)]
    assert all(len(key.encode()) <= 2_048 for key, _ in table.tables["FeatureStore"])


@pytest.mark.parametrize("wrong", [True, [1], "\ud800"])
def test_what_is_no_key_is_refused(table: Rows, wrong: object) -> None:
    with pytest.raises(FeatureError, match="is not a key of an entity"):
        ask(table, "user:orders", user_id=wrong)


@pytest.mark.parametrize(
    "nobody", [float("nan"), float("inf"), -math.inf, Decimal("NaN"), Decimal("Infinity"), None]
)
def test_nan_and_infinity_match_no_entity(table: Rows, nobody: object) -> None:
    for text in ("nan", "NaN", "inf", "Infinity", "-inf", "None"):
        table.put("org_a", USER, text, {"orders": 3})
    assert ask(table, "user:orders", user_id=nobody) == [(0, "missing", AT)]


def test_what_is_too_old_is_expired_and_says_what_it_was(table: Rows) -> None:
    table.put("org_a", USER, 42, {"orders": 3}, EARLIER)
    table.mark("org_a", USER, "2026-11-20T10:29:59.000Z", wholeAt="2026-11-20T10:29:59.000Z")
    table.put("org_a", USER, 43, {"orders": 4}, "2026-11-20T10:29:59.000Z")
    assert ask(table, "user:orders", user_id=43) == [(4, "expired", "2026-11-20T10:29:59.000Z")]
    assert ask(table, "user:orders", user_id=44)[0][1] == "expired"
    # A day old to the second is not too old, and a view may say otherwise.
    table.mark("org_a", USER, "2026-11-20T10:30:00.000Z", wholeAt="2026-11-20T10:29:59.000Z")
    assert ask(table, "user:orders", user_id=43)[0][:2] == (4, "ok")
    short = FeatureViews([replace(USER, ttl_us=3_600_000_000)])
    assert ask(table, "user:orders", user_id=43, views=short)[0][:2] == (4, "expired")


def test_rows_of_another_version_are_expired_and_not_understood(table: Rows) -> None:
    table.put("org_a", replace(USER, version="0.9.0"), 42, {"orders": 3})
    assert ask(table, "user:orders", user_id=42) == [(0, "expired", AT)]
    table.mark("org_a", replace(USER, digest="d0"))
    table.put("org_a", USER, 42, {"orders": 3})
    assert ask(table, "user:orders", user_id=42) == [(0, "expired", AT)]


def test_a_row_that_did_not_change_holds_until_the_marker_and_time_goes_on(table: Rows) -> None:
    table.put("org_a", USER, 42, {"orders": 3, "last": 0.000_001}, EARLIER)
    assert ask(table, "user:orders", "user:last", user_id=42) == [(3, "ok", AT), (3600.000_001, "ok", AT)]
    # While the next run is writing, its rows are newer than the marker.
    table.put("org_a", USER, 43, {"orders": 4, "last": 5.0}, "2026-11-21T10:20:00.000Z")
    assert ask(table, "user:last", user_id=43) == [(5.0, "ok", "2026-11-21T10:20:00.000Z")]


def test_a_row_changes_with_time_up_to_the_marker_and_no_further(table: Rows) -> None:
    hour = 3_600_000_000
    left = {f"us_{hour}": {"mean": 2.5}, f"us_{hour + 1}": {"orders": 0, "mean": None, "last": None}}
    table.put("org_a", USER, 42, {"orders": 3, "mean": 1.5, "last": 60.0}, EARLIER, **left)
    names = ("user:orders", "user:mean", "user:last")
    table.mark("org_a", USER, "2026-11-21T10:04:59.999Z")
    assert [one[0] for one in ask(table, *names, user_id=42)] == [3, 1.5, 3659.999]
    table.mark("org_a", USER)
    assert [one[0] for one in ask(table, *names, user_id=42)] == [3, 2.5, 3660.0]
    # The present is past the next change, and nobody has looked whether it is what time alone would have it be.
    table.mark("org_a", USER, "2026-11-21T10:05:00.001Z")
    assert {one[1] for one in ask(table, *names, user_id=42)} == {"missing"}
    assert [one[0] for one in ask(table, *names, user_id=42)] == [0, None, None]


def test_views_of_an_entity_share_its_row_and_their_versions_are_their_own(table: Rows) -> None:
    other = replace(SHOP, name="habits", entity="user_id", key="user_id")
    views = FeatureViews([USER, replace(other, version="2.0.0", digest="d2")])
    parts = {one.name: online_rows.text(one, values, AT) for one, values in ((USER, {"orders": 3}), (other, {"share": 0.5}))}  # fmt: skip
    item = rows.item("org_a", "user_id", "42", parts, AT, clock.epoch(NOW + online_rows.KEPT))
    table.put_item(TableName="FeatureStore", Item=item)
    table.put_item(TableName="FeatureStore", Item=online_rows.marker("org_a", [USER, other], asOf=AT))
    assert ask(table, "user:orders", "habits:share", user_id=42, views=views) == [(3, "ok", AT), (0.0, "expired", AT)]  # fmt: skip


def test_a_view_that_is_not_online_is_refused_with_the_way_to_it(table: Rows) -> None:
    views = FeatureViews([USER, replace(SHOP, online=False), ASKED])
    for features in ("shop:share", "asked:risk"):
        with pytest.raises(
            FeatureError, match=r"shop is not online.*`online: true` in schemas/features/shop.yaml"
        ):
            ask(table, features, merchant="Nile", views=views)
    assert [one[0] for one in ask(table, "asked:hour", views=views)] == [10.0]
    assert table.reads == 0


def test_a_row_older_than_the_last_complete_writing_does_not_count(table: Rows) -> None:
    table.put("org_a", USER, 42, {"orders": 3}, EARLIER)
    table.mark("org_a", USER, wholeAt=AT)
    assert ask(table, "user:orders", user_id=42) == [(0, "missing", AT)]
    table.put("org_a", USER, 42, None)
    assert ask(table, "user:orders", user_id=42) == [(0, "missing", AT)]


def test_rows_before_the_first_complete_run_are_served(table: Rows) -> None:
    table.mark("org_c", USER, None, startedAt=AT, wholeAt="", views="")
    table.put("org_c", USER, 42, {"orders": 3})
    assert ask(table, "user:orders", org="org_c", user_id=42) == [(3, "ok", AT)]
    assert ask(table, "user:orders", org="org_c", user_id=43) == [(0, "missing", None)]


def test_derived_features_are_of_now(table: Rows) -> None:
    table.put("org_a", USER, 42, {"mean": 4.0})
    table.put("org_a", SHOP, "Nile", {"share": 0.25}, EARLIER)
    names = ("asked:ratio", "asked:risk", "asked:amount", "asked:hour")
    now = "2026-11-21T10:30:00.000Z"
    found = ask(table, *names, user_id=42, merchant="Nile", amount=Decimal("6.0"))
    assert found == [(1.5, "ok", AT), (0.5, "ok", AT), (6.0, "ok", now), (10.0, "ok", now)]
    found = ask(table, *names, user_id=9, merchant="Nile", amount=None)
    assert found == [(1.0, "missing", AT), (0.5, "ok", AT), (0.0, "ok", now), (10.0, "ok", now)]


def test_only_the_requested_features_need_their_inputs(table: Rows) -> None:
    assert [one[0] for one in ask(table, "asked:hour")] == [10.0]
    assert table.reads == 0
    assert [one[0] for one in ask(table, "asked:risk", merchant="Nile")] == [0.0]
    with pytest.raises(FeatureError, match="asked needs amount"):
        ask(table, "asked:ratio", user_id=1)
    with pytest.raises(FeatureError, match="there is no user_id"):
        ask(table, "asked:ratio", amount=1)
    with pytest.raises(FeatureError, match="amount is 'much', and a number is needed"):
        ask(table, "asked:amount", amount="much")


def test_all_views_of_an_entity_row_are_one_call(table: Rows) -> None:
    ask(table, "user:orders", "shop:share", "asked:ratio", user_id=1, merchant="Nile", amount=1)
    assert table.reads == 1


def test_many_entities_are_read_a_hundred_keys_at_a_time_and_what_is_left_again() -> None:
    table = Rows()
    table.mark("org_a", USER)
    for number in range(250):
        table.put("org_a", USER, number, {"orders": number})
    table.leaving.extend([30, 0, 30, 0, 30, 0])
    store = OnlineStore(Table(table, "FeatureStore", first_pause_seconds=0), VIEWS, lambda: NOW)
    asked = [{"user_id": number} for number in (*range(250), 7, 7)]
    found = store.get_online_features("org_a", features=["user:orders"], entity_rows=asked).to_dict()
    assert found == {"user_id": [row["user_id"] for row in asked], "orders": [*range(250), 7, 7]}
    # 251 keys in three, and 30 of each again.
    assert table.reads == 6
    assert store.get_online_features("org_a", features=["user:orders"], entity_rows=[]).to_dict() == {
        "orders": []
    }


def test_a_table_that_does_not_answer_for_all_is_an_error(
    table: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    table.leaving.extend([2] * 5)
    with pytest.raises(ThrottledError, match="2 keys left unprocessed"):
        ask(table, "user:orders", user_id=1)


@pytest.mark.parametrize(
    ("features", "says"),
    [
        (["user"], "write view:feature"),
        (["nobody:count"], "no feature view nobody"),
        (["user:none"], "no feature none"),
        (["user:orders", "user:orders"], "twice"),
        ([], "no feature is named"),
    ],
)
def test_what_is_no_feature_is_refused(table: Rows, features: list[str], says: str) -> None:
    with pytest.raises(FeatureError, match=says):
        ask(table, *features, user_id=1)


def test_columns_of_one_name_are_refused(table: Rows) -> None:
    store = OnlineStore(Table(table, "FeatureStore"), VIEWS, lambda: NOW)
    with pytest.raises(FeatureError, match="amount would be a column twice"):
        store.get_online_features("org_a", features=["asked:amount"], entity_rows=[{"amount": 1}])
