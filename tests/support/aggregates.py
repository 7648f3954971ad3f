"""Aggregates for tests, of contracts that there are, and their events as the table's stream delivers them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from millrace.aggregates.definition import Aggregate
from millrace.aggregates.registry import Aggregates
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.intake.enrich import Origin, enrich

PAYMENT = "transaction.created"
ORG, OTHER_ORG = "org_acme", "org_globex"


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
