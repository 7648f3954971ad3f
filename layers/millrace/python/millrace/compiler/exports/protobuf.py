"""A contract as Protocol Buffers, version 3: one file with one message for the whole event.

Fields are numbered by their place in the contract, so within a major new fields stand at the end of their object; the
gate holds contracts to that. Decimals and moments are texts (a double is no decimal, and a timestamp has no offset);
objects without declared fields are `google.protobuf.Struct`. `json_name` keeps the event's own spelling.
"""

from typing import Any

from millrace.compiler.exports.avro import pascal
from millrace.contracts import envelope
from millrace.contracts.columns import Scalar, snake, type_of
from millrace.contracts.contract import Contract
from millrace.contracts.schema import json_type

_SCALARS = {
    **{"string": "string", "timestamptz": "string", "date": "string", "decimal": "string"},
    **{"int": "int32", "long": "int64", "double": "double", "boolean": "bool"},
}
_STRUCT = "google.protobuf.Struct"
# A nested list has no form of its own; a message with one repeated field stands for it.
_LIST = "List"


def export(contract: Contract) -> str:
    """The text of the `.proto` file."""
    schema = envelope.schema(contract.data_schema, contract.event_type, contract.ids)
    body = _message(schema, pascal(contract.event_type), 0)
    package = f"millrace.events.{contract.event_type.replace('.', '_')}.v{contract.major}"
    imports = ['import "google/protobuf/struct.proto";', ""] if any(_STRUCT in line for line in body) else []
    head = [f"// {contract.ref}: {contract.description}", 'syntax = "proto3";', "", f"package {package};", ""]
    return "\n".join([*head, *imports, *body, ""])


def _message(schema: dict[str, Any], name: str, depth: int) -> list[str]:
    indent = "  " * depth
    nested: list[str] = []
    fields: list[str] = []
    required = schema.get("required", ())
    for number, (key, part) in enumerate(schema["properties"].items(), start=1):
        kind, inner = _type(part, pascal(key), depth + 1)
        nested += inner
        if "description" in part:
            fields.append(f"{indent}  // {' '.join(part['description'].split())}")
        # A scalar that is absent differs from zero; a message always knows whether it is there.
        scalar = kind in _SCALARS.values()
        optional = "optional " if scalar and key not in required else ""
        fields.append(f'{indent}  {optional}{kind} {snake(key)} = {number} [json_name = "{key}"];')
    return [f"{indent}message {name} {{", *nested, *fields, f"{indent}}}"]


def _type(schema: dict[str, Any], name: str, depth: int) -> tuple[str, list[str]]:
    """How a field names its type, and the messages that it needs beside it."""
    if "const" in schema:
        return "string", []
    kind = json_type(schema)
    if kind == "array":
        item, inner = _type(schema["items"], name, depth)
        if item.startswith("repeated "):
            indent = "  " * depth
            lines = [f"{indent}message {name}{_LIST} {{", f"{indent}  {item} items = 1;", f"{indent}}}"]
            return f"repeated {name}{_LIST}", [*inner, *lines]
        return f"repeated {item}", inner
    if kind == "object":
        return (name, _message(schema, name, depth)) if schema.get("properties") else (_STRUCT, [])
    scalar = type_of(schema)
    assert isinstance(scalar, Scalar)  # noqa: S101  arrays and objects are handled above
    return _SCALARS[scalar.name], []
