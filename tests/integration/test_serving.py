"""A champion from its alias to the decision: in the log and over HTTP, of two tenants, swapped, expired and derived again."""

import base64
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import registry as contracts
from millrace.core.errors import PermanentError
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item
from millrace.features import views as feature_views
from millrace.features.views import FeatureViews
from millrace.fraud import derive, rulebook
from millrace.model_registry.files import ArtifactFiles
from millrace.model_registry.store import ModelStore
from millrace.scoring.answer import unpack
from millrace.scoring.registered import RegisteredModels
from tests.support import champions, events
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, platform
from tests.support.user_ids import number_of

DECISION = "/v1/fraud/decisions/{transactionId}"
MEAN, SHARE, FRAUDS = 50.0, 0.25, 2


@pytest.fixture
def running(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, scoring=True) as started:
        yield started


@pytest.fixture
def views(bundle: Path) -> FeatureViews:
    return feature_views.load(bundle)


def put(running: Platform, item: dict[str, Any]) -> None:
    running.dynamodb.put_item(TableName="FeatureStore", Item=item)


def complete(running: Platform, views: FeatureViews, org: str, at: datetime | None = None) -> None:
    """Marks every view of a tenant complete, as the hourly run does."""
    for entity in views.online():
        put(running, champions.marker(org, entity.views, at))


def know(
    running: Platform, views: FeatureViews, org: str, *, user: str = "9", merchant: str = "nile"
) -> None:
    complete(running, views, org)
    number = number_of(running, user, org)
    put(running, champions.online(org, number, (views.view("user_features"), {"mean_amount_30d": MEAN})))
    share, frauds = {"fraud_share_7d": SHARE}, {"fraud_count_30d": FRAUDS}
    of_merchant = ((views.view("merchant_features"), share), (views.view("merchant_risk"), frauds))
    put(running, champions.online(org, merchant, *of_merchant))


def deploy(
    running: Platform, views: FeatureViews, org: str = ACME, version: str = "00000001", **changed: Any
) -> None:
    champions.deploy(running.dynamodb, running.s3, views, bucket=LAKE, org=org, version=version, **changed)


def transaction(**payload: Any) -> dict[str, Any]:
    return events.transaction(user=9, payload={"amount": 200.0, "merchant": "nile", **payload})


def decided(running: Platform, event: dict[str, Any], org: str = ACME) -> dict[str, Any]:
    running.post(event, org=org)
    running.settle()
    return answer(running, event, org)


def answer(running: Platform, event: dict[str, Any], org: str = ACME) -> dict[str, Any]:
    name = event["data"]["payload"]["transaction_id"]
    found: dict[str, Any] = running.get(DECISION, org=org, transactionId=name)["body"]
    return found


def decisions(running: Platform) -> list[StoredEvent]:
    codec = Codec(contracts.load().dictionary)
    found = [from_item(row, codec) for row in running.rows("Events")]
    return [event for event in found if event.event_type == "fraud.decision.made"]


def restart(running: Platform) -> None:
    """As after a minute, at once: a fresh copy of each function knows no champion."""
    running.restart_all()


ROW = [200.0, 1.0, 200.0 / MEAN, SHARE, float(FRAUDS)]


def test_a_decision_has_the_score_of_the_model_in_force_beside_that_of_the_rules(
    running: Platform, views: FeatureViews
) -> None:
    know(running, views, ACME)
    before = decided(running, transaction())
    assert (before["modelScore"], before["modelVersion"], before["fallback"]) == (None, None, None)
    deploy(running, views)
    restart(running)
    event = transaction()
    found = decided(running, event)
    assert found["modelScore"] == pytest.approx(champions.reckoned(ROW), abs=1e-6)
    assert (found["modelVersion"], found["fallback"]) == ("fraud/00000001", None)
    same = ("score", "riskClass", "reasons", "rulesVersion")
    assert {name: found[name] for name in same} == {name: before[name] for name in same}
    payloads = [made.envelope["data"]["payload"] for made in decisions(running)]
    assert ["model" in payload["stages"] for payload in payloads] == [
        payload["modelScore"] is not None for payload in payloads
    ]
    request = {**event["data"]["payload"], "transaction_id": "txn_asked"}
    result = running.call("/v1/predict", request, function="predict")["body"]
    assert {name: result[name] for name in ("modelScore", "modelVersion", "fallback")} == {
        name: found[name] for name in ("modelScore", "modelVersion", "fallback")
    }
    batch = running.call("/v1/predict/batch", [request, {**request, "merchant": None}], function="predict")
    first, second = batch["body"]["results"]
    assert first["modelScore"] == found["modelScore"]
    assert second["modelScore"] == pytest.approx(
        champions.reckoned([200.0, 1.0, 200.0 / MEAN, 0.0, 0.0]), abs=1e-6
    )


def test_each_tenant_has_its_own_model_and_rows(running: Platform, views: FeatureViews) -> None:
    know(running, views, ACME)
    complete(running, views, GLOBEX)
    deploy(running, views, ACME, "00000004")
    deploy(running, views, GLOBEX, "00000002", bias=-1.0)
    one, other = decided(running, transaction()), decided(running, transaction(), GLOBEX)
    assert (one["modelVersion"], other["modelVersion"]) == ("fraud/00000004", "fraud/00000002")
    assert one["modelScore"] == pytest.approx(champions.reckoned(ROW), abs=1e-6)
    unseen = [200.0, 1.0, 1.0, 0.0, 0.0]
    assert other["modelScore"] == pytest.approx(champions.reckoned(unseen, bias=-1.0), abs=1e-6)


def test_a_redelivery_with_another_champion_in_force_makes_no_second_decision(
    running: Platform, views: FeatureViews
) -> None:
    know(running, views, ACME)
    deploy(running, views, version="00000001")
    event = transaction()
    first = decided(running, event)
    deploy(running, views, version="00000002", bias=2.0)
    restart(running)
    requests: list[str] = []

    def note(stem: str) -> AbstractContextManager[None]:
        requests.append(stem)
        return nullcontext()

    running.around = note
    running.driver.redeliver("score_transactions", batches=3)
    running.driver.run_until_idle(max_steps=100_000)
    assert "score_transactions" in requests
    assert len(decisions(running)) == 1
    assert answer(running, event) == first
    assert decided(running, transaction())["modelVersion"] == "fraud/00000002"


@pytest.mark.parametrize("broken", ["card", "onnx", "absent", "old", "unmarked", "version"])
def test_without_the_champion_the_decision_says_so_and_is_otherwise_the_same(
    running: Platform, views: FeatureViews, broken: str
) -> None:
    know(running, views, ACME)
    deploy(running, views)
    prefix = "models/org_acme/fraud/00000001/"
    if broken in ("card", "onnx"):
        name = prefix + {"card": "model.json", "onnx": "model.onnx"}[broken]
        running.s3.put_object(Bucket=LAKE, Key=name, Body=b"{}")
    elif broken == "absent":
        running.s3.delete_object(Bucket=LAKE, Key=f"{prefix}model.onnx")
    elif broken == "old":
        complete(running, views, ACME, datetime.now(UTC) - timedelta(days=1, minutes=5))
    elif broken == "unmarked":
        running.dynamodb.delete_item(
            TableName="FeatureStore",
            Key={"featureKey": {"S": "org_acme#views#merchant"}, "sortKey": {"S": "LATEST"}},
        )
    else:
        put(
            running,
            champions.online(ACME, "nile", (replace(views.view("merchant_risk"), version="0.9.0"), {})),
        )
    found = decided(running, transaction(payment_method="crypto"))
    assert (found["modelScore"], found["modelVersion"], found["fallback"]) == (None, None, "model")
    assert {"factor": "crypto_payment", "points": 20} in found["reasons"]
    assert len(decisions(running)) == 1
    assert not running.objects("dead-letters/")


def test_a_decision_is_derived_again_from_its_inputs_and_the_registered_artifact(
    running: Platform, views: FeatureViews
) -> None:
    know(running, views, ACME)
    deploy(running, views, calibration={"slope": 0.8, "intercept": -0.3})
    champions.register(running.dynamodb, views, org=ACME, calibration={"slope": 0.8, "intercept": -0.3})
    event = transaction()
    decided(running, event)
    (made,) = decisions(running)
    stored = made.envelope["data"]["payload"]
    # As it was stored: its numbers are by value there, whatever their spelling was.
    event = running.get("/v1/events/{eventId}", eventId=event["eventId"])["body"]
    row = base64.b64decode(stored["modelInputs"])
    assert row == struct.pack("<5f", *ROW) == unpack(stored["modelInputs"])
    models = RegisteredModels(
        ModelStore(Table(running.dynamodb, "MLModels")), ArtifactFiles(Objects(running.s3, LAKE))
    )
    rules, rescore = rulebook.load().of(ACME), models.of(ACME)
    assert derive.same(derive.derive(event, stored, rules, rescore), stored)
    forgeries: list[dict[str, Any]] = [
        {"modelScore": round(stored["modelScore"] + 1e-5, 6)},
        {"modelScore": None},
        {"modelInputs": base64.b64encode(struct.pack("<5f", 1.0, *ROW[1:])).decode()},
        {"modelInputs": "no base64!"},
        {"modelInputs": None},
        {"fallback": "model"},
    ]
    for forged in forgeries:
        told = {**stored, **forged}
        assert not derive.same(derive.derive(event, told, rules, rescore), told), forged
    for version in ("fraud/00000002", "fraud/x", "churn/00000001"):
        with pytest.raises(PermanentError):
            derive.derive(event, {**stored, "modelVersion": version}, rules, rescore)
    with pytest.raises(PermanentError, match="fraud/00000001"):
        derive.derive(event, stored, rules)
    with pytest.raises(PermanentError, match="no version"):
        derive.derive(event, stored, rules, models.of(GLOBEX))
    running.s3.put_object(Bucket=LAKE, Key="models/org_acme/fraud/00000001/model.onnx", Body=b"else")
    fresh = RegisteredModels(
        ModelStore(Table(running.dynamodb, "MLModels")), ArtifactFiles(Objects(running.s3, LAKE))
    )
    with pytest.raises(PermanentError, match=r"model\.onnx"):
        derive.derive(event, stored, rules, fresh.of(ACME))
