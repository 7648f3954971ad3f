"""The envelope that every event has, as JSON Schema. What is not required may be null, which means that it is absent."""

from typing import Any

from millrace.contracts import formats

REQUIRED = ("eventId", "eventType", "timestamp", "data")


def _optional(text: str, description: str) -> dict[str, Any]:
    return {**formats.text(text), "type": ["string", "null"], "description": description}


_FIELDS: dict[str, dict[str, Any]] = {
    "eventId": {
        "type": "string",
        **formats.UUID_V4,
        "description": "The event's own id, a uuid of version 4.",
    },
    "eventType": {**formats.text("identifier"), "description": "Which contract the event keeps."},
    "eventSource": _optional("identifier", "Who says it; the credential's name by default."),
    "timestamp": {
        **formats.text("date-time"),
        "pattern": formats.CLOCK,
        "description": "When it happened, with offset.",
    },
    "version": _optional("version", "Version of the contract; the newest major by default."),
    "correlationId": _optional("identifier", "Joins events of one flow."),
    "userId": _optional("identifier", "The user it is about."),
    "sessionId": _optional("identifier", "The session it happened in."),
    "environment": _optional("identifier", "The producer's environment."),
    "region": _optional("identifier", "The producer's region."),
}

NAMES = frozenset(_FIELDS)

# What an event's id may be, by the contract's word for it.
IDS: dict[str, dict[str, Any]] = {
    "uuid4": _FIELDS["eventId"],
    "any": {
        **formats.text("identifier"),
        "maxLength": 128,
        "description": "The event's own id: a UUID, a ULID or any other text.",
    },
}

# What an event holds whose contract is not known.
ANY_DATA: dict[str, Any] = {
    "type": "object",
    "required": ["payload"],
    "additionalProperties": False,
    "properties": {"payload": {"type": "object"}, "metadata": {"type": ["object", "null"]}},
}


def schema(data: dict[str, Any], event_type: str | None = None, ids: str = "uuid4") -> dict[str, Any]:
    """JSON Schema 2020-12 of a whole event whose `data` has the given schema, and whose id is one of `IDS`."""
    fields: dict[str, Any] = {**_FIELDS, "eventId": IDS[ids], "data": data}
    if event_type is not None:
        fields["eventType"] = {"const": event_type, "description": _FIELDS["eventType"]["description"]}
    return {"type": "object", "required": list(REQUIRED), "properties": fields, "additionalProperties": False}
