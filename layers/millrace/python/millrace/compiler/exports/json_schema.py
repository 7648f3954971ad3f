"""A contract as the JSON Schema 2020-12 that clients can validate with.

It gives intake's verdict in every validator, whether that asserts `format` or not and whatever it takes `$` for. What a schema
cannot say is listed in its `$comment`; the step of decimals is there because `multipleOf: 0.0001` is judged on binary floats,
where most validators refuse 39.9.
"""

from typing import Any

from millrace.contracts import envelope, regular_expressions
from millrace.contracts.contract import KEY_LENGTH, Contract
from millrace.contracts.decimals import SCALE, is_decimal
from millrace.contracts.validator import unbounded_names

DIALECT = "https://json-schema.org/draft/2020-12/schema"
# Formats that validators judge as intake does, or more widely. A URI or a host name is judged by its pattern alone.
_FORMATS = frozenset({"date-time", "date", "uuid", "email", "ipv4"})
_COMMENT = (
    f"Intake checks besides: at most {SCALE} decimals where a $comment says decimal(18,4); integers and sizes of numbers exactly, "
    "where a validator reads them as doubles; the contract's rules between fields; that timestamp is in the accepted range, "
    "that version is one of this contract, and that the sender may use eventType and eventSource; limits of size "
    "and depth. docs/api.md lists them."
)


def export(contract: Contract) -> dict[str, Any]:
    """JSON Schema of a whole event of this contract."""
    whole = envelope.schema(contract.data_schema, contract.event_type, contract.ids)
    return {
        "$schema": DIALECT,
        "$id": f"urn:millrace:{contract.event_type}:{contract.version}",
        "title": contract.event_type,
        "description": contract.description,
        "$comment": _COMMENT,
        **_portable(whole, "", frozenset(unbounded_names(contract))),
    }


def _portable(schema: dict[str, Any], pointer: str, keys: frozenset[str]) -> dict[str, Any]:
    """The schema of one place in the form that every validator reads alike.

    Args:
        schema: as intake has it.
        pointer: of the place.
        keys: pointers of texts that become part of a key.
    """
    made = dict(schema)
    if is_decimal(schema):
        del made["multipleOf"]
        made["$comment"] = f"decimal(18,4): at most {SCALE} decimals"
    if schema.get("format", "") not in _FORMATS:
        made.pop("format", None)
    if ends := regular_expressions.ends_of_lines(schema.get("pattern", "")):
        escaped = "".join(f"\\u{ord(end):04x}" for end in ends)
        made["not"] = {"type": "string", "pattern": f"[{escaped}]"}
    if pointer in keys:
        made["maxLength"] = KEY_LENGTH
    if "properties" in schema:
        parts = schema["properties"].items()
        made["properties"] = {name: _portable(part, f"{pointer}/{name}", keys) for name, part in parts}
    if "items" in schema:
        made["items"] = _portable(schema["items"], f"{pointer}/*", keys)
    return made
