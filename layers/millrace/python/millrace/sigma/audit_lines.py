"""A line of the audit as an event, so that Sigma rules and patterns ask it as they ask events. Pure.

No such event is ever stored: lines are in the audit's chains. Of a detail only what is named here is asked, because a detail is free JSON.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from millrace.contracts.contract import Contract
from millrace.core import audit
from millrace.core.audit import Line
from millrace.core.audit_actions import ACTIONS
from millrace.eventstore.row import StoredEvent

# What a rule names as its `service`, beside `product: millrace`.
SERVICE = "audit"
EVENT_TYPE = "audit.line"
# Parts of details → their JSON type. A list of texts is one text, joined by spaces; of another list its length is asked.
DETAIL: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("denials", "events", "found", "rows", "tokens", "overlapHours"), "integer"),
        **dict.fromkeys(
            ("call", "code", "id", "name", "purpose", "role", "roles", "scopes", "status", "step"), "string"
        ),
    }
)
# Lines that tell of a new credential by the name that it has.
_NAMING = frozenset({"keys.create"})
_SCHEMAS: Mapping[str, dict[str, Any]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
}
_PROPERTIES: dict[str, Any] = {
    "action": {"type": "string", "enum": [*ACTIONS]},
    "principal": {"type": "string"},
    # Who calls; of a line that tells of a new key, that key: what it does next has the same.
    "credential": {"type": "string"},
    "number": _SCHEMAS["integer"],
    "detail": {"type": "object", "properties": {name: _SCHEMAS[kind] for name, kind in DETAIL.items()}},
}
CONTRACT = Contract(
    event_type=EVENT_TYPE,
    version="1.0.0",
    category="system-events",
    # As if it were: patterns are of what is stored.
    store="table",
    indexes=frozenset(),
    entity={},
    route=False,
    subject=None,
    user_id_pointer=None,
    partition_key=None,
    additional_properties="allow",
    lateness_seconds=0,
    retention_days=1,
    data_schema={
        "type": "object",
        "properties": {
            "payload": {
                "type": "object",
                "properties": _PROPERTIES,
                "required": ["action", "principal", "credential", "number"],
            },
            "metadata": {"type": "object", "properties": {}},
        },
    },
    rules=(),
    enrich={},
    dictionary="",
    description="A line of the audit.",
    classification={
        **{f"/data/payload/{name}": "internal" for name in _PROPERTIES if name != "detail"},
        **{f"/data/payload/detail/{name}": "internal" for name in DETAIL},
    },
)


def line_id(number: int) -> str:
    """The id of a line as an event: a UUID, whose order is that of the numbers, for lines of one millisecond are in the chain's order."""
    return f"00000000-0000-4000-8000-{audit.sort_key(number)}"


def event(line: Line) -> StoredEvent:
    """A line as an event: it happened, and was received, when it was written."""
    detail = orjson.loads(line.detail)
    payload = {
        "action": line.action,
        "principal": line.principal,
        "credential": str(detail.get("name") or line.principal) if line.action in _NAMING else line.principal,
        "number": line.number,
        "detail": {
            name: value
            for name, kind in DETAIL.items()
            if (value := _plain(detail.get(name), kind)) is not None
        },
    }
    return StoredEvent(
        {
            "eventId": line_id(line.number),
            "eventType": EVENT_TYPE,
            "eventSource": SERVICE,
            "timestamp": line.at,
            "version": CONTRACT.version,
            "data": {"payload": payload, "metadata": {}},
            "platform": {
                "orgId": line.org,
                "receivedAt": line.at,
                "requestId": line.name,
                "category": CONTRACT.category,
                "contract": CONTRACT.ref,
                "day": line.at[:10],
            },
        },
        b"",
        0,
        "",
    )


def _plain(value: Any, kind: str) -> Any:
    if not isinstance(value, list):
        return value
    if kind == "integer":
        return len(value)
    return " ".join(one for one in value if isinstance(one, str))
