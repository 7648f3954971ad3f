"""Contracts as msgspec types: the floor of what judging an event can cost.

`full` asks for what the contract's JSON Schema asks and msgspec can say: types, bounds, lengths, patterns, moments with
an offset, no unknown fields in the envelope. Otherwise types alone. Neither knows decimals, cross-field rules or errors by
pointer, and one bad event fails the whole list.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import reduce
from operator import or_
from typing import Annotated, Any

import msgspec

from millrace.contracts import envelope
from millrace.contracts.contract import Contract

_WORDS = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "pattern": "pattern",
    "minimum": "ge",
    "maximum": "le",
}
_PLAIN = {"string": str, "integer": int, "number": float, "boolean": bool}


def decoder(contracts: Iterable[Contract], *, full: bool) -> msgspec.json.Decoder[Any]:
    """Decodes an array of events of these contracts, told apart by their `eventType`."""
    kinds = [_event(contract, full) for contract in contracts]
    return msgspec.json.Decoder(list[reduce(or_, kinds)])  # type: ignore[misc]


def _event(contract: Contract, full: bool) -> Any:
    whole = envelope.schema(contract.data_schema, contract.event_type, contract.ids)
    fields = {name: part for name, part in whole["properties"].items() if name != "eventType"}
    return _struct({**whole, "properties": fields}, full, tag_field="eventType", tag=contract.event_type)


def _struct(schema: dict[str, Any], full: bool, **more: Any) -> Any:
    fields: list[Any] = []
    for name, part in schema["properties"].items():
        made = _type(part, full)
        fields.append((name, made) if name in schema.get("required", ()) else (name, made | None, None))
    strict = full and schema.get("additionalProperties") is False
    return msgspec.defstruct("Held", fields, kw_only=True, forbid_unknown_fields=strict, **more)


def _type(schema: dict[str, Any], full: bool) -> Any:
    said = schema["type"]
    (name,) = [kind for kind in said if kind != "null"] if isinstance(said, list) else [said]
    made: Any
    match name:
        case "object" if schema.get("properties"):
            made = _struct(schema, full)
        case "object":
            made = dict[str, Any]
        case "array":
            made = list[_type(schema["items"], full)]  # type: ignore[misc]
        case "string" if schema.get("format") == "date-time":
            made = Annotated[datetime, msgspec.Meta(tz=True)] if full else datetime
        case _:
            made = _PLAIN[name]
    request = {word: schema[key] for key, word in _WORDS.items() if key in schema}
    if full and request and schema.get("format") != "date-time":
        made = Annotated[made, msgspec.Meta(**request)]
    return made | None if isinstance(said, list) else made
