"""A contract as an Avro schema of the whole event.

Fields keep their names, so the JSON of an event and its Avro form read alike. Decimals are `decimal(18,4)` in bytes,
dates are days, moments stay texts because Avro's timestamps lose the offset, and objects without declared fields are
JSON text, marked by the logical type `json`. What Avro cannot say (limits, patterns, cross-field rules) stays with intake.

A record is called by its path: `OrderCreated_Data_Payload_Items_Item`. No part of a path holds `_`, so no two are the same.
"""

from typing import Any

from millrace.contracts import envelope
from millrace.contracts.columns import type_of
from millrace.contracts.contract import Contract
from millrace.contracts.schema import json_type

_DECIMAL = {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 4}
_JSON = {"type": "string", "logicalType": "json"}
_SCALARS: dict[str, Any] = {
    **{"string": "string", "timestamptz": "string", "int": "int", "long": "long", "double": "double"},
    **{"boolean": "boolean", "decimal": _DECIMAL, "date": {"type": "int", "logicalType": "date"}},
}


def export(contract: Contract) -> dict[str, Any]:
    """The Avro schema, a record."""
    schema = envelope.schema(contract.data_schema, contract.event_type, contract.ids)
    return {
        **_record(schema, pascal(contract.event_type)),
        "namespace": f"millrace.events.v{contract.major}",
        "doc": f"{contract.ref}: {contract.description}",
    }


def pascal(name: str) -> str:
    """`order.created` → `OrderCreated`, `shippingAddress` → `ShippingAddress`."""
    return "".join(part[:1].upper() + part[1:] for part in name.replace("_", ".").split("."))


def _record(schema: dict[str, Any], name: str) -> dict[str, Any]:
    required = schema.get("required", ())
    return {
        "type": "record",
        "name": name,
        "fields": [_field(part, key, key in required, name) for key, part in schema["properties"].items()],
    }


def _field(schema: dict[str, Any], key: str, required: bool, above: str) -> dict[str, Any]:
    kind = _type(schema, f"{above}_{pascal(key)}")
    doc = {"doc": schema["description"]} if "description" in schema else {}
    if required:
        return {"name": key, "type": kind, **doc}
    return {"name": key, "type": ["null", kind], "default": None, **doc}


def _type(schema: dict[str, Any], name: str) -> Any:
    if "const" in schema:
        return "string"
    kind = json_type(schema)
    if kind == "array":
        return {"type": "array", "items": _type(schema["items"], f"{name}_Item")}
    if kind == "object":
        return _record(schema, name) if schema.get("properties") else _JSON
    scalar = type_of(schema)
    return _SCALARS[getattr(scalar, "name", "string")]
