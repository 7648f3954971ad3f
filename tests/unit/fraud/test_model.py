"""The model stands beside the decision: no rule, score or class depends on it, whatever it says and however it fails."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.errors import RetryableError
from millrace.core.table import KEYS_PER_CALL, Item, Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import from_item, to_item
from millrace.features import views as feature_views
from millrace.features.views import FeatureViews
from millrace.fraud import derive, rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.decision import EVENT_TYPE
from millrace.fraud.predict import Predictor
from millrace.fraud.store import UserSetStore
from millrace.intake.enrich import Origin, enrich
from millrace.model_registry.rows import Alias
from millrace.scoring.champion import Champion, Model
from millrace.scoring.champions import Champions
from tests.support import champions, events
from tests.support.stores import MemoryDynamoDB
from tests.support.user_ids import KnownUsers

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ORG = "org_acme"
STATES = ("none", "serving", "slow", "failing", "expired", "broken", "raising")
BUDGET_MS = 60_000


@pytest.fixture(scope="module")
def contracts(bundle: Path) -> Registry:
    return Registry(bundle)


@pytest.fixture(scope="module")
def views(bundle: Path) -> FeatureViews:
    return feature_views.load(bundle)


@dataclass
class InForce:
    """A champion in whatever state a test asks for."""

    views: FeatureViews
    state: str
    bias: float = champions.BIAS
    loaded: list[Champion] = field(default_factory=list)

    def alias(self, org: str) -> Alias | None:
        if self.state == "failing":
            raise RetryableError("read a model: timeout")
        return None if self.state == "none" else champions.alias("0" * 64, org=org)

    def load(self, alias: Alias) -> Champion:
        if self.state == "slow":
            time.sleep(0.2)
        if self.state == "broken":
            raise ValueError("no graph at all")
        held, card_sha256 = champions.held(self.views, org=alias.org, bias=self.bias)
        champion = Champion(Model(held, card_sha256, org=alias.org, version=alias.version), self.views)
        if self.state == "raising":
            champion._model.graph.scores = _raise  # type: ignore[assignment,method-assign]
        self.loaded.append(champion)
        return champion

    def markers(self, champion: Champion) -> dict[str, Any]:
        complete = datetime.now(UTC) - timedelta(days=2 if self.state == "expired" else 0)
        return {
            source.view.name: champions.mark(source.view, complete) for source in champion.columns.sources
        }


def _raise(_: int) -> list[float]:
    from millrace.model_registry.artifact import ArtifactError

    raise ArtifactError("model.onnx fails")


def row(contracts: Registry, event: dict[str, Any], org: str = ORG) -> Item:
    contract = contracts.find(event["eventType"])
    envelope = enrich(event, contract, Origin(org, "shop", "r-1", NOW), clock.parse(event["timestamp"]))
    return to_item(envelope, contract, b"f" * 16, Codec(contracts.dictionary))


def score(
    contracts: Registry,
    dynamodb: MemoryDynamoDB,
    sent: list[dict[str, Any]],
    in_force: InForce | None,
    budget_ms: int = BUDGET_MS,
) -> dict[str, dict[str, Any]]:
    """Decides on a batch; transaction's event id → the payload of its decision."""
    codec = Codec(contracts.dictionary)
    scorer = Scorer(
        UserSetStore(Table(dynamodb, "FeatureStore")),
        Emitter(contracts, Appender({"table": TableAppender(Table(dynamodb, "Events"))})),
        rulebook.load(),
        codec,
        features_budget_ms=BUDGET_MS,
        champions=Champions(in_force) if in_force else None,
        model_budget_ms=budget_ms,
    )
    rows = [row(contracts, event) for event in sent]
    scorer.score([Delivery(item, "shard", str(number), NOW, {}) for number, item in enumerate(rows)])
    made = [from_item(item, codec) for item in dynamodb.tables["Events"].values()]
    found = {}
    for decision in made:
        envelope = {name: value for name, value in decision.envelope.items() if name != "platform"}
        assert contracts.validator(contracts.find(EVENT_TYPE)).errors(envelope) == []
        payload = decision.envelope["data"]["payload"]
        found[payload["transactionEventId"]] = payload
    return found


def by_rules(payload: dict[str, Any]) -> dict[str, Any]:
    """All of a decision that the rules say."""
    apart = {*derive.MEASURED, "modelScore", "modelVersion", "modelInputs", "fallback"}
    return {name: value for name, value in payload.items() if name not in apart}


# Each example scores two batches with a graph: to make a failing one smaller would take minutes.
@settings(
    max_examples=40,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_rule_depends_on_the_model(contracts: Registry, views: FeatureViews, data: st.DataObject) -> None:
    payload = st.fixed_dictionaries(
        {
            "amount": st.one_of(
                st.none(),
                st.integers(0, 10**12),
                st.integers(0, 10**7).map(lambda cents: cents / 100),
                st.sampled_from([5000, 5000.01]),
            ),
            "merchant": st.one_of(st.none(), st.sampled_from(["nile", "a#b%c", "ß", "x" * 400])),
            "payment_method": st.sampled_from(["crypto", "cash", None]),
            "location": st.sampled_from(["Yangon, MM", "Lisbon, Portugal", "nowhere", None]),
            "is_fraud": st.sampled_from([True, False, None]),
        }
    )
    sent = [
        events.transaction(user=data.draw(st.integers(0, 2)), payload=data.draw(payload))
        for _ in range(data.draw(st.integers(1, 7)))
    ]
    state, bias = data.draw(st.sampled_from(STATES)), data.draw(st.floats(-20, 20))
    without = score(contracts, MemoryDynamoDB(), sent, None)
    in_force = InForce(views, state, bias)
    found = score(contracts, MemoryDynamoDB(), sent, in_force, 1 if state == "slow" else BUDGET_MS)
    assert {name: by_rules(one) for name, one in found.items()} == {
        name: by_rules(one) for name, one in without.items()
    }
    for one in found.values():
        asked = (one["modelScore"] is not None, one["fallback"])
        if state == "serving":
            assert asked == (True, None)
            assert one["modelVersion"] == "fraud/00000001"
        else:
            assert asked == (False, None if state == "none" else "model")
            assert "modelInputs" not in one


def test_without_sets_and_rows_both_are_named(contracts: Registry, views: FeatureViews) -> None:
    dynamodb = MemoryDynamoDB()
    dynamodb.failing["batch_get_item"] = 1
    sent = [events.transaction()]
    with pytest.raises(RetryableError):
        score(contracts, dynamodb, sent, InForce(views, "serving"))
    found = score(contracts, dynamodb, sent, InForce(views, "serving"))
    assert [one["fallback"] for one in found.values()] == ["velocity+model"], "the first decision stands"


def test_the_rows_of_a_batch_come_with_the_read_that_it_makes_anyway(
    contracts: Registry, views: FeatureViews
) -> None:
    dynamodb = MemoryDynamoDB()
    sent = [
        events.transaction(user=number % 20, payload={"merchant": f"m{number % 10}"}) for number in range(60)
    ]
    found = score(contracts, dynamodb, sent, InForce(views, "serving"))
    assert {one["modelVersion"] for one in found.values()} == {"fraud/00000001"}
    # Sets of 20 users, a row of each, and of ten merchants.
    keys = 20 * 2 + 10
    assert keys <= KEYS_PER_CALL
    assert dict(dynamodb.calls) == {"batch_get_item": 1, "update_item": 20, "put_item": 60}


def test_a_question_with_a_model_is_one_read(contracts: Registry, views: FeatureViews) -> None:
    dynamodb = MemoryDynamoDB()
    merchant = views.view("merchant_features")
    item = champions.online(ORG, "nile", (merchant, {"fraud_share_7d": 0.5}))
    dynamodb.tables["FeatureStore"] = {(item["featureKey"]["S"], "LATEST"): item}
    predictor = Predictor(
        UserSetStore(Table(dynamodb, "FeatureStore")),
        rulebook.load(),
        KnownUsers().ids,
        features_budget_ms=BUDGET_MS,
        champions=Champions(InForce(views, "serving")),
        model_budget_ms=BUDGET_MS,
    )
    payload = events.transaction(payload={"amount": 100.0, "merchant": "nile"})["data"]["payload"]
    (said,) = predictor.predict(ORG, [payload])
    assert said["modelScore"] == pytest.approx(champions.reckoned([100.0, 1.0, 1.0, 0.5, 0.0]), abs=1e-6)
    assert dict(dynamodb.calls) == {"batch_get_item": 1}
    (other,) = predictor.predict("org_globex", [payload])
    assert other["modelScore"] == pytest.approx(champions.reckoned([100.0, 1.0, 1.0, 0.0, 0.0]), abs=1e-6)


@pytest.mark.parametrize(
    "change", [lambda one: {**one, "fallback": None}, lambda one: {**one, "fallback": "model"}]
)
def test_decisions_from_before_there_were_models_derive_as_ever(
    contracts: Registry, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    event = events.transaction()
    (stored,) = score(contracts, MemoryDynamoDB(), [event], None).values()
    assert "modelInputs" not in stored
    told = change(stored)
    assert derive.same(derive.derive(event, told, rulebook.load().of(ORG)), told)
