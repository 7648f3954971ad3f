"""Transactions posted to the deployed platform: their decisions, within seconds."""

import json
import random
import time
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.features import views as feature_views
from tests.e2e.conftest import command
from tests.support import champions, events
from tests.support.client import Client, eventually

SAMPLE = Path(__file__).parents[2] / "schemas/events/payments/fraud.decision.made/samples/v1.golden.json"


def decision(client: Client, transaction: str, *, org: str = "org_acme", seconds: float = 60) -> Any:
    path = f"/v1/fraud/decisions/{transaction}"
    answer = eventually(lambda: client.get(path, org=org), lambda one: one.status == 200, seconds=seconds)
    return answer.body


def test_a_transaction_is_decided_within_seconds(client: Client, environ: dict[str, str]) -> None:
    first = events.transaction(user=71_000)
    assert client.post(first).status == 202
    decision(client, first["data"]["payload"]["transaction_id"])  # the function is warm from here on

    event = events.transaction(
        user=71_001,
        payload={
            "amount": 7500,
            "payment_method": "Crypto",
            "location": "Pyongyang, North Korea",
            "timestamp": "2026-11-18T12:00:00+09:00",
        },
    )
    transaction = event["data"]["payload"]["transaction_id"]
    request = client.call("POST", "/v1/predict", body=event["data"]["payload"])
    assert (request.status, request.body["riskClass"]) == (200, "HIGH")
    posted = time.monotonic()
    assert client.post(event).status == 202
    made = decision(client, transaction)
    assert time.monotonic() - posted < 20
    assert made["reasons"] == request.body["reasons"]
    assert (made["score"], made["eventId"]) == (65, event["eventId"])
    assert client.get(f"/v1/fraud/decisions/{transaction}", org="org_globex").status == 404
    done = command("fraud", "explain", transaction, "--verify", "--json", environ=environ)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["verified"] is True


def test_the_champion_of_a_tenant_scores_without_a_redeploy(
    client: Client, environ: dict[str, str], bundle: Path
) -> None:
    org, views = "org_globex", feature_views.load(bundle)
    dynamodb, outputs = client.aws("dynamodb"), client.outputs
    for entity in views.online():
        marker = champions.marker(org, entity.views)
        dynamodb.put_item(TableName=outputs["FeatureStoreTable"], Item=marker)
    merchant = champions.online(
        org,
        "terminal_served",
        (views.view("merchant_features"), {"fraud_share_7d": 0.5}),
        (views.view("merchant_risk"), {}),
    )
    dynamodb.put_item(TableName=outputs["FeatureStoreTable"], Item=merchant)
    champions.register(dynamodb, views, org=org, table=outputs["MLModelsTable"])
    champions.deploy(
        dynamodb,
        client.aws("s3"),
        views,
        bucket=outputs["LakeBucket"],
        org=org,
        table=outputs["MLModelsTable"],
    )

    def scored() -> Any:
        event = events.transaction(user=74_000, payload={"amount": 100.0, "merchant": "terminal_served"})
        assert client.post(event, org=org).status == 202
        return decision(client, event["data"]["payload"]["transaction_id"], org=org)

    # Warm functions look for a moved alias once a minute; each look is a transaction more.
    made = eventually(scored, lambda found: found["modelScore"] is not None, seconds=150, every=5)
    row = [100.0, 1.0, 1.0, 0.5, 0.0]
    assert made["modelScore"] == pytest.approx(champions.reckoned(row), abs=1e-6)
    assert (made["modelVersion"], made["fallback"]) == ("fraud/00000001", None)
    arguments = ("fraud", "explain", made["transactionId"], "--verify", "--org", org, "--json")
    done = command(*arguments, environ=environ)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["verified"] is True


def test_critical_and_high_are_published_and_what_a_client_claims_is_not(client: Client) -> None:
    sqs, sns = client.aws("sqs"), client.aws("sns")
    queue = sqs.create_queue(QueueName=f"fraud-{uuid.uuid4().hex[:8]}")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    sns.subscribe(TopicArn=client.outputs["FraudAlertTopic"], Protocol="sqs", Endpoint=arn)
    quiet = events.transaction(user=73_000, payload={"timestamp": "2026-11-18T12:00:00Z"})
    loud = events.transaction(
        user=73_001,
        payload={
            "is_fraud": True,
            "amount": 6000,
            "payment_method": "crypto",
            "timestamp": "2026-11-18T12:00:00Z",
        },
    )
    claimed = json.loads(SAMPLE.read_text())[0]
    claimed["data"]["payload"].update(riskClass="CRITICAL", transactionId="txn_claimed")
    claim = {**claimed, "eventId": events.new_id(), "timestamp": events.moment()}
    answer = client.post([claim, quiet, loud]).body
    assert answer["accepted"] == 2
    assert [error["code"] for error in answer["results"][0]["errors"]] == ["reserved_type"]
    seen: list[Any] = []

    def published() -> list[Any]:
        for message in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", []):
            detail = json.loads(json.loads(message["Body"])["Message"])["detail"]
            seen.append(detail["data"]["payload"])
            sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return seen

    wanted = loud["data"]["payload"]["transaction_id"]
    eventually(published, lambda found: wanted in {one["transactionId"] for one in found}, seconds=60)
    decision(client, quiet["data"]["payload"]["transaction_id"])
    assert {(one["transactionId"], one["riskClass"]) for one in published()} == {(wanted, "CRITICAL")}
    assert client.get("/v1/fraud/decisions/txn_claimed").status == 404


def _replayed(environ: dict[str, str]) -> Any:
    done = command("fraud", "replay", "--json", environ=environ)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_thousands_of_transactions_are_each_decided_once(client: Client, environ: dict[str, str]) -> None:
    rng = random.Random(uuid.uuid4().int)
    now = datetime.now(UTC)
    sent = {}
    for _ in range(5000):
        at = (now - timedelta(seconds=rng.randrange(3600))).isoformat(timespec="milliseconds")
        event = events.transaction(user=72_000 + rng.randrange(500), timestamp=at)
        sent[event["eventId"]] = event
    everything = list(sent.values())
    for begin in range(0, len(everything), 500):
        assert client.post(everything[begin : begin + 500]).status == 202
    repeated = rng.sample(everything, 300)
    assert client.post(repeated).body["duplicates"] == 300

    def decided() -> Counter[str]:
        rows = [row for row in client.rows("EventsTable") if row["orgId"]["S"] == "org_acme"]
        # A derived event is its own request; what a client sends under the type is not counted.
        derived = [row for row in rows if row["requestId"]["S"] == row["eventId"]["S"].split("#")[1]]
        sent_types = [row for row in rows if row["eventType"]["S"] == "transaction.created"]
        return Counter(row["eventType"]["S"] for row in [*derived, *sent_types])

    # The last ones first: until they are decided, nobody need count the whole table.
    for event in [*everything[-5:], *rng.sample(everything, 10)]:
        made = decision(client, event["data"]["payload"]["transaction_id"], seconds=100)
        assert made["eventId"] == event["eventId"]
        fired = {reason["factor"] for reason in made["reasons"]}
        assert ("velocity" in fired) == (made["features"]["velocity"] > 5)
    counts = eventually(
        decided, lambda found: found["fraud.decision.made"] >= found["transaction.created"], seconds=100
    )
    assert counts["fraud.decision.made"] == counts["transaction.created"]
    archived = eventually(lambda: _replayed(environ), lambda found: not found["undecided"], seconds=60)
    assert archived["rows"] >= 5000
    assert (archived["different"], archived["undecided"]) == (0, 0)
    dead = client.aws("s3").list_objects_v2(
        Bucket=client.outputs["LakeBucket"], Prefix="dead-letters/score_transactions/"
    )
    assert dead.get("KeyCount", 0) == 0
