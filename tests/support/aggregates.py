"""Aggregates for tests, of contracts that there are, and their events as the table's stream delivers them."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from millrace.aggregates import blocks, measures
from millrace.aggregates import registry as registry_of_aggregates
from millrace.aggregates.count import EventCounter
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.facts import Facts
from millrace.aggregates.folding import Folded, Folding
from millrace.aggregates.registry import Aggregates
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.intake.enrich import Origin, enrich
from tests.support import events
from tests.support.platform import Platform
from tests.support.stores import MemoryDynamoDB

PAYMENT = "transaction.created"
ORG, OTHER_ORG = "org_acme", "org_globex"
AT = datetime(2026, 11, 21, 6, 0, 30, tzinfo=UTC)
LATER = AT + timedelta(minutes=2)


def measure(name: str, kind: str, of: str = "", type_: str = "", **more: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": kind,
        "of": {PAYMENT: of} if of else {},
        "type": type_,
        "where": [],
        "most": 3,
        "edges": [],
        **more,
    }


MEASURES = (
    measure("volume", "count"),
    measure("revenue", "sum", "amount", "decimal"),
    measure("customers", "distinct", "user_key", "string"),
    measure("fraud_rate", "share", where=[{"field": "is_fraud", "equals": True}]),
)


def aggregate(name: str = "merchant_10m", **changes: Any) -> Aggregate:
    """Payments by merchant in ten minutes; keyword arguments replace parts of the definition."""
    keys = changes.pop("keys", ("merchant",))
    document: dict[str, Any] = {
        "name": name,
        "version": "1.0.0",
        "description": "Payments by merchant.",
        "owner": "payments",
        "events": [PAYMENT],
        "of_log": False,
        "where": [],
        "keys": [{"name": key, "of": {PAYMENT: key}, "type": "string"} for key in keys],
        "measures": list(MEASURES),
        "most_keys": 1000,
        "ranked_by": "volume",
        "lateness_seconds": 7 * 86_400,
        "retention_days": 400,
        "window_seconds": 600,
    }
    return Aggregate.from_json({**document, **changes})


def aggregates(*several: Aggregate) -> Aggregates:
    """These, or one of payments by merchant, over the contracts of the bundle in force."""
    return Aggregates({one.name: one for one in several or (aggregate(),)}, registry.load())


def delivery(event: Mapping[str, Any], received_at: datetime, org: str = ORG) -> Delivery:
    """An event as it is delivered from the table's stream."""
    contracts = registry.load()
    contract = contracts.find(event["eventType"])
    origin = Origin(org, "shop", "request", received_at)
    envelope = enrich(dict(event), contract, origin, clock.parse(event["timestamp"]))
    item = to_item(envelope, contract, b"f" * 16, Codec(contracts.dictionary))
    return Delivery(item, "table", "1", received_at, {})


def deliveries(events: Iterable[Mapping[str, Any]], received_at: datetime, org: str = ORG) -> list[Delivery]:
    """Several, received at one moment."""
    return [delivery(event, received_at, org) for event in events]


def payment(merchant: str = "a", at: datetime = AT, **payload: Any) -> dict[str, Any]:
    return events.transaction(timestamp=clock.utc_text(at), payload={"merchant": merchant, **payload})


class World:
    """A table, what counts into it and what folds it, with a clock."""

    def __init__(self, found: Aggregates, stores: MemoryDynamoDB | None = None) -> None:
        self.stores, self.found, self.now = stores or MemoryDynamoDB(), found, AT
        self.table = Table(self.stores, "Analytics", attempts=1)
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self._tokens = iter(range(10_000))
        facts = Facts(list(found), found.contracts.deployed)
        codec = Codec(found.contracts.dictionary)
        token = lambda: str(next(self._tokens))  # noqa: E731
        self.counter = EventCounter(self.table, codec, facts, token, now=lambda: self.now)

    def count(self, *made: dict[str, Any], received: datetime = AT, org: str = ORG) -> None:
        self.counter.count(deliveries(made, received, org))

    def fold(self, now: datetime = LATER, seconds: float = 60) -> Folded:
        self.now = now
        told = lambda sentence, about: self.said.append((sentence, about))  # noqa: E731
        return Folding(self.table, self.found, told, now=lambda: now).run(60, lambda: seconds)

    def lying(self, kind: str) -> dict[Any, Any]:
        place = {"part": "part", "late": "ids", "mark": "token", "facts": "facts"}[kind]
        return {key: row for key, row in self.stores.tables["Analytics"].items() if place in row}

    def numbers(self, org: str = ORG) -> dict[str, tuple[Any, ...]]:
        """Merchant → what is shown of all its parts."""
        one = next(iter(self.found))
        kinds = [measures.of(measure) for measure in one.measures]
        tiles: blocks.Tiles = {}
        for key, row in self.lying("part").items():
            if key[0].startswith(f"{org}#"):
                blocks.merge(tiles, blocks.unpack(row["part"]["B"], kinds), kinds)
        whole: dict[Any, Any] = {}
        for by_key in tiles.values():
            for key_, states in by_key.items():
                held = whole.get(key_)
                whole[key_] = states if held is None else blocks.merged((held, states), kinds)
        return {
            "/".join(map(str, key)): tuple(kind.shown(s) for kind, s in zip(kinds, states, strict=True))
            for key, states in whole.items()
        }


def tiles(running: Platform) -> dict[tuple[Any, ...], Any]:
    """What every aggregate says of every tile and key of a platform, all that is marked folded: by tenant, metric, tile, key."""
    found = registry_of_aggregates.load()
    table = Table(running.dynamodb, "Analytics")
    later = clock.now() + timedelta(hours=2)
    folded = Folding(table, found, lambda *_: None, now=lambda: later).run(60, lambda: 60.0)
    assert folded.failed == 0
    by_metric = {one.name: [measures.of(measure) for measure in one.measures] for one in found}
    merged: dict[tuple[str, str], blocks.Tiles] = {}
    for row in running.rows("Analytics"):
        if "part" in row:
            org, metric, *_ = row["metricKey"]["S"].split("#")
            kinds = by_metric[metric]
            blocks.merge(
                merged.setdefault((org, metric), {}), blocks.unpack(bytes(row["part"]["B"]), kinds), kinds
            )
    return {
        (org, metric, tile, key): [
            kind.shown(one) for kind, one in zip(by_metric[metric], states, strict=True)
        ]
        for (org, metric), of_metric in merged.items()
        for tile, by_key in of_metric.items()
        for key, states in by_key.items()
    }
