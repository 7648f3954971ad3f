"""P10: what a fraud decision costs besides boto3, and how long one takes with stores that need 5 ms.

Ours is the consumer over a batch of 100 transactions of 50 users, from the records as Kinesis delivers them to the rows
of the decisions, over clients whose calls do nothing. The peer is the same calls through the platform's own client with
the network stubbed, one after the other in one thread, where boto3 is cheapest. Both are answered alike: an update is
answered with the user's whole row, which boto3 has to parse and ours has to read.
"""

import base64
import random
import time
from typing import Any

import orjson

from bench.figure import Figure, ratio
from bench.stubs import Network
from millrace.contracts import registry
from millrace.core import aws, clock
from millrace.core.consumer import Consumer, Record
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import Item, to_item
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
    """DynamoDB that takes everything at once and keeps nothing but each user's row, to answer with it."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.rows: dict[str, Item] = {}
        self._seconds = seconds

    def batch_get_item(self, **_: Any) -> dict[str, Any]:
        time.sleep(self._seconds)
        return {"Responses": {}}

    def update_item(self, **asked: Any) -> dict[str, Any]:
        return {"Attributes": self.rows[asked["Key"]["featureKey"]["S"]]}

    def put_item(self, **_: Any) -> dict[str, Any]:
        return {}


class _Collecting(_Nothing):
    """The same, for the first batch: it keeps what it is asked, and makes the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def batch_get_item(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(("batch_get_item", asked))
        return super().batch_get_item(**asked)

    def update_item(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(("update_item", asked))
        names, values = asked["ExpressionAttributeNames"], asked["ExpressionAttributeValues"]
        sets = {name: values[f":{alias[1:]}"] for alias, name in names.items()}
        self.rows[asked["Key"]["featureKey"]["S"]] = {**asked["Key"], "expiresAt": values[":e"], **sets}
        return super().update_item(**asked)

    def put_item(self, **asked: Any) -> dict[str, Any]:
        self.calls.append(("put_item", asked))
        return {}


class _Rows(Network):
    """A network that answers every update with one user's row; all users' rows are of one size."""

    def __init__(self, row: Item) -> None:
        super().__init__()
        self._row = orjson.dumps({"Attributes": row}, default=_base64)

    def _content(self, operation: str, request: Any) -> tuple[int, bytes]:
        return (200, self._row) if operation == "UpdateItem" else super()._content(operation, request)


class _NoDeadLetters:
    def put(self, *_: object) -> None:
        raise AssertionError("a transaction of the benchmark is poison")


def measure() -> list[Figure]:
    """CPU of ours over boto3's; the spread and the 99th percentile of a question."""
    return [_cpu(), *_latency()]


def _cpu() -> Figure:
    batch, collecting = {"Records": _records()}, _Collecting()
    _consumer(collecting).consume(batch)
    calls, rows = collecting.calls, collecting.rows
    if len(calls) != 1 + USERS + TRANSACTIONS:
        raise AssertionError(f"a batch makes {len(calls)} calls")
    nothing = _Nothing()
    nothing.rows = rows
    consumer = _consumer(nothing)
    aws.client.cache_clear()
    client = _Rows(next(iter(rows.values()))).attach(aws.client("dynamodb"))

    def peer() -> None:
        for operation, asked in calls:
            getattr(client, operation)(**asked)

    return Figure(
        "P10",
        f"fraud decisions without boto3 / boto3, {TRANSACTIONS} of {USERS} users",
        ratio(lambda: consumer.consume(batch), peer),
        0.1,
    )


def _consumer(dynamodb: Any) -> Consumer:
    known = registry.load()
    scorer = Scorer(
        FeatureStore(dynamodb, "FeatureStore"),
        DerivedAppender(known, TableAppender(dynamodb, "Events")),
        rulebook.load(),
        Codec(known.dictionary),
        features_budget_ms=60_000,
    )
    return Consumer(scorer.score, _NoDeadLetters())


def _records() -> list[Record]:
    known, rng = registry.load(), random.Random(10)  # noqa: S311  no secret
    codec, now = Codec(known.dictionary), clock.now()
    made: list[Record] = []
    for number in range(TRANSACTIONS):
        event = events.transaction(user=number % USERS)
        contract = known.find(event["eventType"])
        envelope = enrich(event, contract, Origin("org_acme", "shop", f"r{number}", now), now)
        item = to_item(envelope, contract, rng.randbytes(16), codec)
        change = orjson.dumps({"eventName": "INSERT", "dynamodb": {"NewImage": item}}, default=_base64)
        kinesis = {
            "data": base64.b64encode(change).decode(),
            "sequenceNumber": str(number),
            "approximateArrivalTimestamp": now.timestamp(),
        }
        made.append({"eventID": f"shardId-000000000000:{number}", "kinesis": kinesis})
    return made


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


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
