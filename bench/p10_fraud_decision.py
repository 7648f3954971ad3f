"""P10: what a fraud decision costs besides boto3, and how long one takes with stores that need 5 ms.

Ours is the consumer over a batch of 100 transactions of 50 users, from the record's bytes to the rows of the decisions,
over clients whose calls do nothing. The peer is the calls it makes, through boto3 with the network stubbed.
"""

import random
import time
from collections import deque
from typing import Any

import boto3

from bench.figure import Figure, ratio
from bench.stubs import Network
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.predict import Predictor
from millrace.fraud.store import FeatureStore
from millrace.intake.append import TableAppender
from millrace.intake.derived_append import DerivedAppender
from millrace.intake.enrich import Origin, enrich
from tests.support import events

TRANSACTIONS, USERS, QUESTIONS = 100, 50, 400
STORE_SECONDS = 0.005


class _Nothing:
    """DynamoDB that takes everything at once; `calls` holds what it was asked last."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.calls: deque[tuple[str, dict[str, Any]]] = deque(maxlen=1000)
        self._seconds = seconds

    def batch_get_item(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(("batch_get_item", asked))
        time.sleep(self._seconds)
        return {"Responses": {}}

    def update_item(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(("update_item", asked))
        names, values = asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
        return {"Attributes": {name: values[f":{alias[1:]}"] for alias, name in names.items()}}

    def put_item(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(("put_item", asked))
        return {}


def measure() -> list[Figure]:
    """CPU of ours over boto3's; the spread and the 99th percentile of a question."""
    return [_cpu(), *_latency()]


def _cpu() -> Figure:
    known, nothing = registry.load(), _Nothing()
    scorer = Scorer(
        FeatureStore(nothing, "FeatureStore"),
        DerivedAppender(known, TableAppender(nothing, "Events")),
        rulebook.load(),
        Codec(known.dictionary),
        features_budget_ms=60_000,
    )
    deliveries = _deliveries()
    scorer.score(deliveries)
    calls = list(nothing.calls)
    if len(calls) != 1 + USERS + TRANSACTIONS:
        raise AssertionError(f"a batch makes {len(calls)} calls")
    client = Network().attach(boto3.client("dynamodb"))

    def peer() -> None:
        for operation, asked in calls:
            getattr(client, operation)(**asked)

    return Figure(
        "P10",
        f"fraud decisions without boto3 / boto3, {TRANSACTIONS} of {USERS} users",
        ratio(lambda: scorer.score(deliveries), peer),
        0.1,
    )


def _deliveries() -> list[Delivery]:
    known, rng = registry.load(), random.Random(10)  # noqa: S311  no secret
    codec, now = Codec(known.dictionary), clock.now()
    made = []
    for number in range(TRANSACTIONS):
        event = events.transaction(user=number % USERS)
        contract = known.find(event["eventType"])
        envelope = enrich(event, contract, Origin("org_acme", "shop", f"r{number}", now), now)
        item = to_item(envelope, contract, rng.randbytes(16), codec)
        made.append(Delivery(item, "shard", str(number), now, {}))
    return made


def _latency() -> list[Figure]:
    predictor = Predictor(
        FeatureStore(_Nothing(STORE_SECONDS), "FeatureStore"), rulebook.load(), features_budget_ms=500
    )
    payload = events.transaction()["data"]["payload"]
    taken = []
    for _ in range(QUESTIONS):
        started = time.perf_counter()
        predictor.predict("org_acme", [payload])
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    p50, p99 = taken[QUESTIONS // 2], taken[QUESTIONS * 99 // 100]
    return [
        Figure("P10", "p99 / p50 of a question, stores at 5 ms", p99 / p50, 3),
        Figure("P10", "p99 of a question in ms, stores at 5 ms", p99, 50),
    ]
