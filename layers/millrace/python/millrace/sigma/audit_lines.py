"""A line of the audit as an event, so that Sigma rules and patterns ask it as they ask events. Pure.

Of a detail only what is named here is asked, because a detail is free JSON.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import orjson

from millrace.core import audit
from millrace.core.audit import Line
from millrace.core.audit_actions import ACTIONS
from millrace.eventstore.row import StoredEvent
from millrace.sigma.line_source import LineSource, line_contract, line_event

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
CONTRACT = line_contract(
    EVENT_TYPE, "A line of the audit.", _PROPERTIES, ["action", "principal", "credential", "number"]
)


def line_id(number: int) -> str:
    """The id of a line as an event: a UUID, whose order is that of the numbers, for lines of one millisecond are in the chain's order."""
    return f"00000000-0000-4000-8000-{audit.sort_key(number)}"


def event(line: Line) -> StoredEvent:
    """A line as an event."""
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
    return line_event(CONTRACT, SERVICE, line_id(line.number), line.at, line.org, line.name, payload)


def _plain(value: Any, kind: str) -> Any:
    if not isinstance(value, list):
        return value
    if kind == "integer":
        return len(value)
    return " ".join(one for one in value if isinstance(one, str))


def _told(event: StoredEvent) -> str:
    line = event.envelope["data"]["payload"]
    return f"Line {line['number']} of the audit, {line['action']} by {line['principal']}"


AUDIT = LineSource(
    service=SERVICE,
    called="the audit",
    contract=CONTRACT,
    subject=lambda event: f"principal:{event.envelope['data']['payload']['principal']}",
    told=_told,
    names={"timestamp": "event_time", "orgId": "org_id"},
)
