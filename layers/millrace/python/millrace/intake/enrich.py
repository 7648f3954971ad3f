"""The stored envelope: the client's event, its defaults filled from contract and credential, and `platform`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import FACT_LENGTH, Contract
from millrace.core import clock
from millrace.eventstore.row import Envelope


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a request comes from: the tenant of its credential or binding, never of its body."""

    org: str
    principal: str
    request_id: str
    received_at: datetime
    kind: str = "api"
    facts: Mapping[str, str] = field(default_factory=dict)  # what is known of the request, by name
    received_text: str = field(init=False)  # of `received_at`, written once for all events

    def __post_init__(self) -> None:
        object.__setattr__(self, "received_text", clock.utc_text(self.received_at))


def enrich(event: dict[str, Any], contract: Contract, origin: Origin, happened_at: datetime) -> Envelope:
    """A new envelope; the client's values, its timestamp's text included, stay as they are."""
    timestamp = event["timestamp"]
    envelope: Envelope = {
        "eventId": event["eventId"],
        "eventType": event["eventType"],
        "eventSource": event.get("eventSource") or origin.principal,
        "timestamp": timestamp,
        "version": event.get("version") or contract.version,
        "data": _data(event["data"], contract, origin) if contract.enrich else event["data"],
    }
    for name in ("correlationId", "userId", "sessionId", "environment", "region"):
        value = event.get(name)
        if value is not None:
            envelope[name] = value
    if "userId" not in envelope and (user := user_in_payload(event, contract)) is not None:
        envelope["userId"] = user
    envelope["platform"] = {
        "orgId": origin.org,
        "receivedAt": origin.received_text,
        "requestId": origin.request_id,
        "category": contract.category,
        "contract": contract.ref,
        # Most clients write UTC, and then the day stands there already.
        "day": timestamp[:10] if timestamp[-1] == "Z" else clock.day_text(happened_at),
    }
    return envelope


def _data(data: dict[str, Any], contract: Contract, origin: Origin) -> dict[str, Any]:
    """The data with the facts that its contract asks for, where the client sent none."""
    metadata = data.get("metadata") or {}
    filled = {
        # A header may hold half a surrogate pair, which no JSON can.
        name: origin.facts[fact][:FACT_LENGTH].encode("utf-8", "replace").decode()
        for fact, pointer in contract.enrich.items()
        if origin.facts.get(fact) and metadata.get(name := pointer.rpartition("/")[2]) is None
    }
    return {**data, "metadata": {**metadata, **filled}} if filled else data


def user_in_payload(event: dict[str, Any], contract: Contract) -> str | None:
    """The user that the contract points to, as text; None where it points nowhere or nothing is there."""
    if contract.user_id_pointer is None:
        return None
    value = pointers.read(event, pointers.parse(contract.user_id_pointer))
    # Most users are texts already, and this runs for every event.
    return value or None if value.__class__ is str else pointers.as_text(value)
