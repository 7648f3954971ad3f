"""`GET /v1/features` through the front door: values that are known, missing and expired, and bad queries."""

from datetime import timedelta
from typing import Any

import pytest

from millrace.core import clock
from millrace.core.table import Table
from millrace.features import views as feature_views
from millrace.people.rows import PeopleRows
from millrace.privacy import assemble
from millrace.privacy.consent import Statement
from millrace.privacy.identities import NOBODY
from millrace.privacy.person import of_user
from millrace.privacy.suppressed import ANALYTICS, SCORING
from tests.support import online_rows
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.user_ids import number_of

pytestmark = pytest.mark.integration
ROUTE = "/v1/features"


class Counted:
    """The platform with rows of feature views, as a run would have written them."""

    def __init__(self, running: Platform) -> None:
        self.running, self.views = running, feature_views.load()
        self.at = clock.utc_text(clock.now() - timedelta(minutes=20))

    def run(self, org: str, as_of: str | None = None) -> None:
        marks = {"asOf": as_of or self.at, "wholeAt": as_of or self.at}
        for entity in self.views.online():
            self._put(online_rows.marker(org, entity.views, **marks))

    def put(self, org: str, view: str, entity: str, as_of: str | None = None, **values: Any) -> None:
        self._put(online_rows.row(org, entity, as_of or self.at, (self.views.view(view), values)))

    def _put(self, item: dict[str, Any]) -> None:
        self.running.dynamodb.put_item(TableName="FeatureStore", Item=item)

    def ask(self, features: str, org: str = ACME, **query: str) -> dict[str, Any]:
        return self.running.get(ROUTE, org=org, query={"features": features, **query})

    def results(self, features: str, org: str = ACME, **query: str) -> list[dict[str, Any]]:
        answer = self.ask(features, org, **query)
        assert answer["status"] == 200, answer
        assert set(answer["body"]) == {"results"}
        results: list[dict[str, Any]] = answer["body"]["results"]
        return results


@pytest.fixture
def counted(running: Platform) -> Counted:
    counted = Counted(running)
    counted.run(ACME)
    return counted


def test_features_of_several_views_in_the_order_of_the_query(counted: Counted) -> None:
    counted.put(ACME, "user_features", "42", order_count=3, lifetime_value=99.5, mean_amount_7d=None)
    counted.put(ACME, "merchant_features", "Ärger & Söhne", fraud_share_7d=0.25)
    names = "merchant_features:fraud_share_7d,user_features:order_count,user_features:mean_amount_7d"
    results = counted.results(names, user_id="42", merchant="Ärger & Söhne")
    assert results == [
        {"feature": "merchant_features:fraud_share_7d", "value": 0.25, "asOf": counted.at, "status": "ok"},
        {"feature": "user_features:order_count", "value": 3, "asOf": counted.at, "status": "ok"},
        {"feature": "user_features:mean_amount_7d", "value": None, "asOf": counted.at, "status": "ok"},
    ]


def test_an_entity_that_was_never_seen_is_missing(counted: Counted) -> None:
    counted.put(ACME, "user_features", "42", order_count=3)
    for user in ("43", "042", "42.0", "a#b", "🦊"):
        (result,) = counted.results("user_features:order_count", user_id=user)
        assert (result["value"], result["status"], result["asOf"]) == (0, "missing", counted.at)


def test_users_are_asked_for_by_their_ids(counted: Counted) -> None:
    """Their rows have their numbers, as the lake has them; those of who is not known have the id."""
    number = number_of(counted.running, "42")
    counted.put(ACME, "user_features", number, order_count=3)
    # As another tenant's person may be called, and as rows from before are.
    counted.put(ACME, "user_features", "42", order_count=9)
    counted.put(ACME, "user_features", "43", order_count=5)
    counted.put(ACME, "merchant_features", "42", fraud_share_7d=0.5)

    def count(**query: str) -> Any:
        return counted.results("user_features:order_count", **query)[0]["value"]

    assert (count(user_id="42"), count(user_id=number), count(user_id="43")) == (3, 0, 5)
    names = "user_features:order_count,merchant_features:fraud_share_7d"
    values = [one["value"] for one in counted.results(names, user_id="42", merchant="42")]
    assert values == [3, 0.5], "a merchant is no user"
    other = number_of(counted.running, "42", GLOBEX)
    assert other != number
    assert count(user_id=other) == 0


@pytest.mark.parametrize("how", ["restricted", "withdrawn", "withdrawn for something else"])
def test_of_who_is_restricted_or_has_withdrawn_nothing_is_told(counted: Counted, how: str) -> None:
    running, user = counted.running, f"shy of {how}"
    number = number_of(running, user)
    counted.put(ACME, "user_features", number, order_count=3)

    def values() -> list[Any]:
        running.restart_all()
        asked = [counted.results("user_features:order_count", user_id=one)[0] for one in (user, number)]
        return [(one["value"], one["status"]) for one in asked]

    assert values() == [(3, "ok"), (0, "missing")]
    people = PeopleRows(
        Table(running.dynamodb, "SubjectKeys"),
        assemble.tenant_keys(Table(running.dynamodb, "Metadata"), running.kms_key),
    )
    subjects = assemble.subjects(
        Table(running.dynamodb, "SubjectKeys"), Table(running.dynamodb, "Metadata"), running.kms_key
    )
    if how == "restricted":
        row = people.find(ACME, user)
        assert row is not None
        assert people.restrict(row, restricted=True)
    else:
        purpose = SCORING if how == "withdrawn" else ANALYTICS
        said = Statement(granted=False, version=1, at=counted.at, by="tester").to_item()
        assert subjects.put_consent(ACME, of_user(user), purpose, said)
    nothing = (0, "missing")
    assert values() == [(3, "ok") if "else" in how else nothing, nothing]
    fresh = assemble.subjects(
        Table(running.dynamodb, "SubjectKeys"), Table(running.dynamodb, "Metadata"), running.kms_key
    )
    # Windows are asked for, and predictions made, by the same.
    assert {one: fresh.forms(ACME, [user], one)[user] for one in (SCORING, ANALYTICS)} == {
        "restricted": {SCORING: (NOBODY,), ANALYTICS: (NOBODY,)},
        "withdrawn": {SCORING: (NOBODY,), ANALYTICS: (number, user)},
        "withdrawn for something else": {SCORING: (number, user), ANALYTICS: (NOBODY,)},
    }[how]


def test_another_tenant_sees_nothing(counted: Counted) -> None:
    counted.put(ACME, "user_features", "42", order_count=3)
    (result,) = counted.results("user_features:order_count", GLOBEX, user_id="42")
    assert result == {"feature": "user_features:order_count", "value": 0, "asOf": None, "status": "missing"}
    # Nor by a name that would be a key of the other's.
    (result,) = counted.results("user_features:order_count", GLOBEX, user_id=f"{ACME}#user#42")
    assert result["status"] == "missing"


def test_old_values_are_expired(counted: Counted) -> None:
    old = clock.utc_text(clock.now() - timedelta(days=1, minutes=1))
    counted.run(ACME, old)
    counted.put(ACME, "user_features", "42", old, order_count=3)
    (result,) = counted.results("user_features:order_count", user_id="42")
    assert result == {"feature": "user_features:order_count", "value": 3, "asOf": old, "status": "expired"}


def test_derived_features_are_computed_from_the_query(counted: Counted) -> None:
    counted.put(ACME, "user_features", "42", mean_amount_7d=50.0)
    names = (
        "transaction_features:amount_over_mean_7d,transaction_features:amount,transaction_features:is_night"
    )
    over, amount, night = counted.results(names, user_id="42", amount="75")
    assert (over["value"], over["status"], over["asOf"]) == (1.5, "ok", counted.at)
    assert (amount["value"], amount["status"]) == (75.0, "ok")
    assert night["value"] in (0.0, 1.0)
    # Nothing but the moment is needed for the last alone.
    (night,) = counted.results("transaction_features:is_night")
    assert night["status"] == "ok"
    every = ",".join(
        f"transaction_features:{name}" for name in counted.views.view("transaction_features").features
    )
    results = counted.results(every, user_id="42", merchant="Nile", amount="75.5")
    assert all(isinstance(one["value"], float) for one in results)


# A query, and what its problem says.
BAD_QUERIES: tuple[tuple[dict[str, str], str], ...] = (
    ({}, "features is missing"),
    ({"features": ""}, "the parameter 'features' has no value"),
    ({"features": "user_features"}, "write view:feature"),
    ({"features": "user_features:order_count,"}, "'' is not a feature"),
    ({"features": "nobody:order_count", "user_id": "1"}, "there is no feature view nobody"),
    ({"features": "user_features:nothing", "user_id": "1"}, "the view user_features has no feature nothing"),
    ({"features": "user_features:order_count,user_features:order_count", "user_id": "1"}, "stands there twice"),
    ({"features": ",".join(["user_features:order_count"] * 101), "user_id": "1"}, "features must have at most 100 items"),
    ({"features": "user_features:order_count"}, "user_id is missing: user_features is of a user"),
    ({"features": "user_features:order_count", "user_id": ""}, "the parameter 'user_id' has no value"),
    ({"features": "user_features:order_count", "merchant": "Nile"}, "unknown parameter: merchant"),
    ({"features": "user_features:order_count", "user_id": "1", "limit": "5"}, "unknown parameter: limit"),
    ({"features": "user_features:order_count", "user_id": "\ud800"}, "the query is not UTF-8"),
    ({"features": "transaction_features:amount"}, "amount is missing"),
    ({"features": "transaction_features:amount", "amount": "much"}, "amount must be a number"),
    ({"features": "transaction_features:amount", "amount": "nan"}, "amount must be a number"),
    ({"features": "transaction_features:amount", "amount": "1e999"}, "amount must be a number"),
    ({"features": "transaction_features:amount", "amount": "1_0"}, "amount must be a number"),
)  # fmt: skip


def test_a_bad_query_is_a_problem_that_names_the_parameter(running: Platform) -> None:
    for query, says in BAD_QUERIES:
        answer = running.get(ROUTE, query=query)
        assert answer["status"] == 400, (query, answer)
        assert says in answer["body"]["detail"], query


def test_a_credential_without_the_right_is_refused(running: Platform) -> None:
    answer = running.get(
        ROUTE, query={"features": "user_features:order_count"}, scopes="fraud:read events:read"
    )
    assert answer["status"] == 403
    assert "features:read" in answer["body"]["detail"]


def test_the_document_has_the_key_of_every_view_and_every_column_of_the_request(running: Platform) -> None:
    views = feature_views.load()
    every = [views.view(name) for name in views.names()]
    keys = {view.key for view in every if view.key} | {name for view in every for name in view.request}
    document = running.get("/v1/openapi.json")["body"]
    parameters = document["paths"][ROUTE]["get"]["parameters"]
    assert {one["name"] for one in parameters} == {"features", *keys}
