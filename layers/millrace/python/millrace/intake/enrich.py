"""The stored envelope: the client's event, its defaults filled from contract and credential, and `platform`."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
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


def enrich(event: dict[str, Any], contract: Contract, origin: Origin, happened_at: datetime) -> Envelope:
    """A new envelope; the client's values, its timestamp's text included, stay as they are."""
    envelope: Envelope = {
        "eventId": event["eventId"],
        "eventType": event["eventType"],
        "eventSource": event.get("eventSource") or origin.principal,
        "timestamp": event["timestamp"],
        "version": event.get("version") or contract.version,
        "data": event["data"],
    }
    for name in ("correlationId", "userId", "sessionId", "environment", "region"):
        if event.get(name) is not None:
            envelope[name] = event[name]
    if "userId" not in envelope and (user := user_in_payload(event, contract)) is not None:
        envelope["userId"] = user
    envelope["platform"] = {
        "orgId": origin.org,
        "receivedAt": clock.utc_text(origin.received_at),
        "requestId": origin.request_id,
        "category": contract.category,
        "contract": contract.ref,
        "day": clock.utc_day(happened_at).isoformat(),
    }
    return envelope


def user_in_payload(event: dict[str, Any], contract: Contract) -> str | None:
    """The user that the contract points to, as text; None where it points nowhere or nothing is there."""
    if contract.user_id_pointer is None:
        return None
    return pointers.as_text(pointers.read(event, pointers.parse(contract.user_id_pointer)))
