"""The JSON form of Protocol Buffers (ProtoJSON), by the contract whose `.proto` file the sender used.

| in ProtoJSON | in the event |
|---|---|
| an integer or a number as text | that number |
| a decimal, which is a text in the `.proto` file | that number |
| `order_id`, the field's name in the `.proto` file | `orderId` |
| a required list that is absent or null: it is empty | `[]` |
| an optional list that is empty: some decoders write an absent one so | absent |
| `{"items": [...]}` in a list of lists, `{}` for an empty one | the list in it |

What has no such form stays as it is, for the contract to judge. An event that is in the other form already stays the same.
"""

import re
from typing import Any

import orjson

from millrace.contracts import envelope
from millrace.contracts.column_types import snake
from millrace.contracts.registry import Registry
from millrace.contracts.schema import json_type, types
from millrace.core.exact_json import LARGEST, SMALLEST

_DATA = "data"
_ENVELOPE = envelope.schema({})
_NUMBERS = frozenset({"integer", "number"})
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")
# In characters; no number of ours is longer.
_LONGEST = 400


def event(sent: Any, registry: Registry) -> Any:
    """The event of a message; anything that is none stays as it is.

    Args:
        sent: what was parsed, of any JSON type.
        registry: the contracts in force; of a type that none describes, the envelope is translated alone.
    """
    made = _value(sent, _ENVELOPE)
    contract = registry.described(made)
    if contract is None or _DATA not in made:
        return made
    return {**made, _DATA: _value(made[_DATA], contract.data_schema)}


def _value(value: Any, schema: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "properties" in schema:
        return _object(value, schema)
    if isinstance(value, list) and "items" in schema:
        items = schema["items"]
        if json_type(items) == "array":
            value = [_wrapped(item) for item in value]
        return [_value(item, items) for item in value]
    if isinstance(value, str) and types(schema) & _NUMBERS:
        return _number(value)
    return value


def _object(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    parts = schema["properties"]
    names = {snake(name): name for name in parts}
    made: dict[str, Any] = {}
    for sent, inner in value.items():
        name = sent if sent in parts else names.get(sent, sent)
        made[name] = _value(inner, parts[name]) if name in parts else inner
    required = schema.get("required", ())
    for name, part in parts.items():
        if "array" not in types(part):
            continue
        if name not in required and made.get(name) == []:
            del made[name]
        elif name in required and made.get(name) is None:
            made[name] = []
    return made


def _wrapped(item: Any) -> Any:
    """The list in the message that stands for it in a list of lists."""
    return item.get("items") or [] if isinstance(item, dict) and item.keys() <= {"items"} else item


def _number(text: str) -> Any:
    if len(text) > _LONGEST or not _NUMBER.fullmatch(text):
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return text
    is_exact = isinstance(value, float) or (type(value) is int and SMALLEST <= value <= LARGEST)
    return value if is_exact else text
