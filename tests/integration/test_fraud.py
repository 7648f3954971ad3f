"""Transactions through the real handlers: counted, decided once, read back, and equal to a brute force."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.api import fraud as decisions_api
from millrace.contracts import registry
from millrace.core import clock
from millrace.eventstore import derived_ids
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.fraud.decision import CONSUMER, EVENT_TYPE
from millrace.intake.enrich import Origin, enrich
from tests.support import events
from tests.support.decisions import at, decisions
from tests.support.platform import ACME, GLOBEX, Platform, platform

DECISION = "/v1/fraud/decisions/{transactionId}"
WINDOW = timedelta(minutes=30)
# Against a real server's semantics and its speed; tests/unit/fraud/test_proof.py does many more in memory.
COUNT = 240


@pytest.fixture
def scoring(bundle: Path) -> Any:
    with platform(bundle, scoring=True, in_memory=True) as running:
        yield running


def test_a_transaction_has_its_decision_with_reasons(scoring: Platform) -> None:
    event = events.transaction(
        payload={
            "amount": 9000,
            "payment_method": "CRYPTO",
            "location": "Tehran, Iran",
            "timestamp": "2026-11-18T12:00:00+03:30",
        }
    )
    assert scoring.post(event)["body"]["accepted"] == 1
    scoring.settle()
    transaction = event["data"]["payload"]["transaction_id"]
    answer = scoring.get(DECISION, transactionId=transaction)
    assert answer["status"] == 200
    body = answer["body"]
    assert (body["score"], body["riskClass"]) == (65, "HIGH")
    assert {reason["factor"] for reason in body["reasons"]} == {
        "high_amount",
        "crypto_payment",
        "high_risk_country",
    }
    assert body["eventId"] == event["eventId"]
    assert (body["modelScore"], body["modelVersion"], body["fallback"]) == (None, None, None)
    assert body["rulesVersion"] == "1.0.0"
    assert body["features"]["velocity"] == 1
    assert body["latencyMs"] >= 0
    assert scoring.get(DECISION, org=GLOBEX, transactionId=transaction)["status"] == 404
    assert scoring.get(DECISION, transactionId="txn_none")["status"] == 404
    assert scoring.get(DECISION, scopes="events:read", transactionId=transaction)["status"] == 403
    trace = scoring.get("/v1/events/{eventId}/trace", eventId=event["eventId"])["body"]
    assert trace["status"] == "complete"
    assert trace["steps"][-1]["step"] == "scored"
    assert trace["steps"][-1]["detail"]["riskClass"] == "HIGH"
    routed = [one for one in scoring.messages() if one["detail-type"] == "fraud.decision.made"]
    assert [one["detail"]["data"]["payload"]["riskClass"] for one in routed] == ["HIGH"]


def test_the_sixth_in_half_an_hour_is_the_first_to_fire(scoring: Platform) -> None:
    start = datetime(2026, 11, 18, 12, tzinfo=UTC)
    minutes = [0, 5, 10, 15, 20, 25, 29, 31]
    sent = [
        events.transaction(user=9, payload={"timestamp": at(start + timedelta(minutes=minute))})
        for minute in minutes
    ]
    for event in sent:
        scoring.post(event)
        scoring.settle()
    found = decisions(scoring)
    counts = [
        found[(ACME, event["eventId"])].envelope["data"]["payload"]["features"]["velocity"] for event in sent
    ]
    assert counts == [1, 2, 3, 4, 5, 6, 7, 7]
    scores = [found[(ACME, event["eventId"])].envelope["data"]["payload"]["score"] for event in sent]
    assert scores == [0, 0, 0, 0, 0, 25, 25, 25]


def forge(running: Platform, transaction: str, count: int) -> list[str]:
    """Decisions that clients sent while they could, newer than any of the platform's; as rows, with their ids."""
    contracts = registry.load()
    contract, codec = contracts.find(EVENT_TYPE), Codec(contracts.dictionary)
    golden = json.loads(
        Path("schemas/events/payments/fraud.decision.made/samples/v1.golden.json").read_text()
    )[0]
    now = datetime.now(UTC)
    sent = []
    for number in range(count):
        payload = {**golden["data"]["payload"], "transactionId": transaction, "riskClass": "MINIMAL"}
        moment = now + timedelta(seconds=60 + number)
        event = {
            **golden,
            "eventId": events.new_id(),
            "timestamp": at(moment),
            "data": {"payload": payload},
            "eventSource": "millrace.fraud",
        }
        origin = Origin(ACME, "millrace.fraud", f"request-{number}", now)
        envelope = enrich(event, contract, origin, moment)
        item = to_item(envelope, contract, f"{number:016d}".encode(), codec)
        running.dynamodb.put_item(TableName="Events", Item=item)
        sent.append(event["eventId"])
    return sent


def test_what_a_client_sent_as_a_decision_is_none(scoring: Platform) -> None:
    forge(scoring, "txn_unseen", 3)
    assert scoring.get(DECISION, transactionId="txn_unseen")["status"] == 404


def test_forged_decisions_hide_none_and_go_nowhere(scoring: Platform) -> None:
    transaction = events.transaction(payload={"transaction_id": "txn_1", "amount": 9000, "is_fraud": True})
    scoring.post(transaction)
    scoring.settle()
    forged = forge(scoring, "txn_1", 150)
    scoring.settle()
    found = scoring.get(DECISION, transactionId="txn_1")["body"]
    assert (found["eventId"], found["riskClass"]) == (transaction["eventId"], "CRITICAL")
    routed = {message["detail"]["eventId"] for message in scoring.messages()}
    assert not routed & set(forged)
    assert len(routed) == 2


def test_however_many_events_share_a_transaction_id_the_work_is_bounded(
    scoring: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    scoring.post([events.transaction(payload={"transaction_id": "txn_1"}) for _ in range(12)])
    monkeypatch.setattr(decisions_api, "LOOKED_AT", 10)
    # Nothing is decided yet; that the oldest are neither, nobody has looked.
    assert scoring.get(DECISION, transactionId="txn_1")["status"] == 503
    scoring.settle()
    assert scoring.get(DECISION, transactionId="txn_1")["status"] == 200


def test_a_client_cannot_take_a_decisions_id_before_it_is_made(scoring: Platform) -> None:
    transaction = events.transaction(payload={"transaction_id": "txn_robbed"})
    # All that a client knows of the decision to come, in the way in which ids are cut.
    guessed = derived_ids.event_id(CONSUMER, ACME, transaction["eventId"], EVENT_TYPE)
    assert scoring.post(events.order(eventId=guessed))["body"]["accepted"] == 1
    scoring.post(transaction)
    scoring.settle()
    (made,) = decisions(scoring).values()
    assert made.event_id != guessed
    assert scoring.get(DECISION, transactionId="txn_robbed")["body"]["eventId"] == transaction["eventId"]
    trace = scoring.get("/v1/events/{eventId}/trace", eventId=transaction["eventId"])["body"]
    (scored,) = [step for step in trace["steps"] if step["step"] == "scored"]
    assert scored["detail"]["eventId"] == made.event_id
    assert not scoring.objects("dead-letters/")


def test_a_question_is_answered_as_the_log_would_and_changes_nothing(scoring: Platform) -> None:
    start = datetime(2026, 11, 18, 12, tzinfo=UTC)
    sent = [events.transaction(user=9, payload={"timestamp": at(start)}) for _ in range(5)]
    scoring.post(sent)
    scoring.settle()
    before = (scoring.rows("FeatureStore"), len(scoring.rows("Events")))
    request = {**sent[0]["data"]["payload"], "transaction_id": "txn_asked"}
    del request["is_fraud"]
    for _ in range(3):
        answer = scoring.call("/v1/predict", request, function="predict")
        assert answer["status"] == 200
        assert answer["body"]["features"]["velocity"] == 6
        assert answer["body"]["reasons"] == [{"factor": "velocity", "points": 25}]
        assert answer["body"]["features"]["missing"] == ["is_fraud"]
        assert answer["body"]["eventId"] is None
    other = scoring.call("/v1/predict", request, function="predict", org=GLOBEX)
    assert other["body"]["features"]["velocity"] == 1
    assert (scoring.rows("FeatureStore"), len(scoring.rows("Events"))) == before

    real = events.transaction(user=9, payload={**request, "transaction_id": "txn_real"})
    del real["data"]["payload"]["is_fraud"]
    scoring.post(real)
    scoring.settle()
    made = scoring.get(DECISION, transactionId="txn_real")["body"]
    for name in ("score", "riskClass", "reasons", "rulesVersion", "fallback"):
        assert made[name] == answer["body"][name]
    clockless = {name: value for name, value in made["features"].items() if name != "clock_off_s"}
    assert clockless == answer["body"]["features"]


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"amount": -0.01}, "/amount", "minimum"),
        ({"amount": 1e13}, "/amount", "maximum"),
        ({"amount": "57"}, "/amount", "type"),
        ({"timestamp": "2026-11-18T12:00:00"}, "/timestamp", "format"),
        ({"user_id": None}, "/user_id", "type"),
    ],
)
def test_a_question_that_is_no_transaction_says_where(
    scoring: Platform, change: dict[str, Any], pointer: str, code: str
) -> None:
    payload = {**events.transaction()["data"]["payload"], **change}
    answer = scoring.call("/v1/predict", payload, function="predict")
    assert answer["status"] == 400
    assert [(one["pointer"], one["code"]) for one in answer["body"]["errors"]] == [(pointer, code)]
    both = scoring.call(
        "/v1/predict/batch", [payload, events.transaction()["data"]["payload"]], function="predict"
    )
    assert both["status"] == 200
    wrong, right = both["body"]["results"]
    assert wrong["errors"][0]["code"] == code
    assert right["riskClass"]


def test_questions_are_bounded(scoring: Platform) -> None:
    payload = events.transaction()["data"]["payload"]

    def status(path: str, body: object) -> int:
        return int(scoring.call(path, body, function="predict")["status"])

    assert status("/v1/predict/batch", [payload] * 100) == 200
    assert status("/v1/predict/batch", [payload] * 101) == 413
    for path, body in (
        ("/v1/predict/batch", []),
        ("/v1/predict/batch", payload),
        ("/v1/predict", [payload]),
        ("/v1/predict", b"{"),
        ("/v1/predict", b""),
        ("/v1/predict", {"amount": 1}),
    ):
        assert status(path, body) == 400


@pytest.mark.parametrize(
    ("payload", "missing"),
    [
        ({"location": None}, ["location"]),
        ({"location": "Nowhere, Atlantis", "payment_method": "cowrie shells"}, []),
        ({"location": "Lisbon"}, ["country"]),
        (
            {"is_fraud": None, "payment_method": None, "device_id": None, "merchant": None},
            ["is_fraud", "payment_method"],
        ),
        ({"amount": 0}, []),
        ({"amount": 1e12}, []),
    ],
)
def test_odd_transactions_are_decided(scoring: Platform, payload: dict[str, Any], missing: list[str]) -> None:
    event = events.transaction(payload={"timestamp": "2026-11-18T12:00:00Z", **payload})
    scoring.post(event)
    scoring.settle()
    (made,) = decisions(scoring).values()
    body = made.envelope["data"]["payload"]
    assert body["features"]["missing"] == missing
    assert body["score"] == (30 if payload.get("amount", 0) == 1e12 else 0)
    assert not scoring.objects("dead-letters/")


def test_a_clock_three_hours_off_is_named(scoring: Platform) -> None:
    event = events.transaction()
    late = clock.parse(event["timestamp"]) - timedelta(hours=3)
    event["data"]["payload"]["timestamp"] = at(late)
    scoring.post(event)
    scoring.settle()
    (made,) = decisions(scoring).values()
    assert made.envelope["data"]["payload"]["features"]["clock_off_s"] == -10800
