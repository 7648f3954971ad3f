"""P10: what a fraud decision costs besides boto3, and how long one takes with stores that need 5 ms.

Ours is the consumer over a batch of 100 transactions of 50 users, from the records as Kinesis delivers them to the rows
of the decisions, over clients whose calls do nothing. The peer is the same calls through the platform's own client with
the network stubbed, one after the other in one thread, where boto3 is cheapest. Both are answered alike: an update is
answered with the user's whole row, which boto3 has to parse and ours has to read. With a model, the read brings the online
rows of users and merchants along, and each kind of model is in force in turn; the largest figure is the goal's.
"""

import base64
import random
import time
from collections.abc import Iterable
from itertools import cycle
from typing import Any

import orjson

from bench import served_models
from bench.figure import Figure, ratio
from bench.served_models import InForce, Trained
from bench.stubs import Network
from millrace.contracts import registry
from millrace.core import aws, clock
from millrace.core.consumer import Consumer, Record
from millrace.core.table import Item, Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import from_item, to_item
from millrace.features import views as feature_views
from millrace.fraud import rulebook
from millrace.fraud.consumer import Scorer
from millrace.fraud.predict import Predictor
from millrace.fraud.store import UserSetStore
from millrace.intake.enrich import Origin, enrich
from millrace.scoring.champions import Champions
from tests.support import champions as serving
from tests.support import events

TRANSACTIONS, USERS, MERCHANTS, QUESTIONS = 100, 50, 80, 400
STORE_SECONDS = 0.005


class _Nothing:
    """DynamoDB that takes everything at once and keeps nothing but each user's row and the online rows, to answer with them."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.rows: dict[str, Item] = {}
        self.online: dict[str, Item] = {}
        self._seconds = seconds

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        time.sleep(self._seconds)
        return {"Responses": {"FeatureStore": _found(request, self.online)}}

    def update_item(self, **request: Any) -> dict[str, Any]:
        return {"Attributes": self.rows[request["Key"]["featureKey"]["S"]]}

    def put_item(self, **_: Any) -> dict[str, Any]:
        return {}


class _Collecting(_Nothing):
    """The same, for the first batch: it keeps what it is asked, and makes the rows."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.scored = 0

    def batch_get_item(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("batch_get_item", request))
        return super().batch_get_item(**request)

    def update_item(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("update_item", request))
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        sets = {name: values[f":{alias[1:]}"] for alias, name in names.items()}
        self.rows[request["Key"]["featureKey"]["S"]] = {**request["Key"], "expiresAt": values[":e"], **sets}
        return super().update_item(**request)

    def put_item(self, **request: Any) -> dict[str, Any]:
        self.calls.append(("put_item", request))
        envelope = from_item(request["Item"], Codec(registry.load().dictionary)).envelope
        self.scored += envelope["data"]["payload"]["modelScore"] is not None
        return {}


class _Rows(Network):
    """A network that answers every update with one user's row, all of which are of one size, and a read with its rows."""

    def __init__(self, row: Item, reads: list[dict[str, Any]]) -> None:
        super().__init__()
        self._row = orjson.dumps({"Attributes": row}, default=_base64)
        # The answers to the reads of a batch, in their order, over and over.
        self._reads = cycle(orjson.dumps(read) for read in reads)

    def _content(self, operation: str, request: Any) -> tuple[int, bytes]:
        match operation:
            case "UpdateItem":
                return 200, self._row
            case "BatchGetItem":
                return 200, next(self._reads)
        return super()._content(operation, request)


class _NoDeadLetters:
    def put(self, *_: object) -> None:
        raise AssertionError("a transaction of the benchmark is poison")


def measure() -> list[Figure]:
    """CPU of ours over boto3's; the spread and the 99th percentile of a question; both without a model and with one."""
    models = served_models.trained()
    dearest = max((_cpu(made) for made in models), key=lambda figure: figure.ratio)
    return [_cpu(None), dearest, *_latency(None), *_latency(models[1])]


def _cpu(made: Trained | None) -> Figure:
    batch, collecting = {"Records": _records()}, _Collecting()
    collecting.online = online = _online() if made else {}
    champions = Champions(InForce(made)) if made else None
    _consumer(collecting, champions).consume(batch)
    calls, rows = collecting.calls, collecting.rows
    reads = [request for operation, request in calls if operation == "batch_get_item"]
    if len(calls) != len(reads) + USERS + TRANSACTIONS or len(reads) > 2 * USERS:
        raise AssertionError(f"a batch makes {len(calls)} calls, {len(reads)} of them reads")
    if made and collecting.scored != TRANSACTIONS:
        raise AssertionError(f"{collecting.scored} of {TRANSACTIONS} decisions have a model's score")
    nothing = _Nothing()
    nothing.rows, nothing.online = rows, online
    consumer = _consumer(nothing, champions)
    aws.client.cache_clear()
    answers = [{"Responses": {"FeatureStore": _found(request, online)}} for request in reads]
    client = _Rows(next(iter(rows.values())), answers).attach(aws.client("dynamodb"))

    def peer() -> None:
        for operation, request in calls:
            getattr(client, operation)(**request)

    what = f"fraud decisions without boto3 / boto3, {TRANSACTIONS} of {USERS} users"
    if made:
        what += f", {MERCHANTS} merchants, {made.algorithm}"
    return Figure("P10", what, ratio(lambda: consumer.consume(batch), peer), 0.1)


def _consumer(dynamodb: Any, champions: Champions | None) -> Consumer:
    known = registry.load()
    scorer = Scorer(
        UserSetStore(Table(dynamodb, "FeatureStore")),
        Emitter(known, Appender({"table": TableAppender(Table(dynamodb, "Events"))})),
        rulebook.load(),
        Codec(known.dictionary),
        features_budget_ms=60_000,
        champions=champions,
        model_budget_ms=60_000,
    )
    return Consumer(scorer.score, _NoDeadLetters())


def _records() -> list[Record]:
    known, rng = registry.load(), random.Random(10)  # noqa: S311  no secret
    codec, now = Codec(known.dictionary), clock.now()
    made: list[Record] = []
    for number in range(TRANSACTIONS):
        event = events.transaction(
            user=number % USERS, payload={"merchant": f"terminal_{number % MERCHANTS:04}"}
        )
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


def _online() -> dict[str, Item]:
    """Online rows of every user and merchant, each feature with a number of its own."""
    views, rng = feature_views.load(), random.Random(11)  # noqa: S311  no secret
    entities = {
        "user": [str(user) for user in range(USERS)],
        "merchant": [f"terminal_{number:04}" for number in range(MERCHANTS)],
    }
    made = {}
    for kind in views.online():
        for entity in entities.get(kind.name, ()):
            held = [(view, {one: _drawn(one, rng) for one in view.features}) for view in kind.views]
            row = serving.online(served_models.ORG, entity, *held)
            made[row["featureKey"]["S"]] = row
    return made


def _drawn(feature: str, rng: random.Random) -> float:
    return float(rng.randrange(40)) if "count" in feature else rng.lognormvariate(2, 1)


def _found(request: dict[str, Any], rows: dict[str, Item]) -> list[Item]:
    keys = (key["featureKey"]["S"] for key in request["RequestItems"]["FeatureStore"]["Keys"])
    return [rows[key] for key in keys if key in rows]


def _base64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def _unknown(_: str, users: Iterable[str]) -> dict[str, str]:
    """Nobody is known: that is asked each time, where people who are known are remembered."""
    time.sleep(STORE_SECONDS)
    return {user: user for user in users}


def _latency(made: Trained | None) -> list[Figure]:
    nothing = _Nothing(STORE_SECONDS)
    nothing.online = _online() if made else {}
    predictor = Predictor(
        UserSetStore(Table(nothing, "FeatureStore")),
        rulebook.load(),
        _unknown,
        features_budget_ms=500,
        champions=Champions(InForce(made)) if made else None,
        model_budget_ms=60_000,
    )
    payload = events.transaction(user=1, payload={"merchant": "terminal_0001"})["data"]["payload"]
    (answer,) = predictor.predict("org_acme", [payload])
    if made and answer["modelScore"] is None:
        raise AssertionError(f"a question has no model's score: {answer['fallback']}")
    taken = []
    for _ in range(QUESTIONS):
        started = time.perf_counter()
        predictor.predict("org_acme", [payload])
        taken.append((time.perf_counter() - started) * 1000)
    taken.sort()
    p50, p99 = taken[QUESTIONS // 2], taken[QUESTIONS * 99 // 100]
    which = f", {made.algorithm}" if made else ""
    return [
        Figure("P10", f"p99 / p50 of a question, stores at 5 ms{which}", p99 / p50, 3),
        Figure("P10", f"p99 of a question in ms, stores at 5 ms{which}", p99, 50),
    ]
