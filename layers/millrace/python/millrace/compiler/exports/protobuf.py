"""A contract as Protocol Buffers, version 3: one file with one message for the whole event.

Fields are numbered by their place in the contract, so within a major new fields stand at the end of their object; the
gate holds contracts to that. Every scalar is `optional`, required ones too: so a field that was not set is missing, and never
a zero that nobody sent. Decimals and moments are texts (a double is not a decimal, and a timestamp has no offset); objects without
declared fields are `google.protobuf.Struct`. `json_name` keeps the event's own spelling.
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
# From the root: a field or message of the event may be called google.
_STRUCT = ".google.protobuf.Struct"


def export(contract: Contract) -> str:
    """The text of the `.proto` file."""
    schema = envelope.schema(contract.data_schema, contract.event_type, contract.ids)
    body = _message(schema, pascal(contract.event_type), 0)
    imports = ['import "google/protobuf/struct.proto";', ""] if any(_STRUCT in line for line in body) else []
    head = [*_comment(f"{contract.ref}: {contract.description}"), 'syntax = "proto3";', ""]
    package = f"millrace.events.{contract.event_type.replace('.', '_')}.v{contract.major}"
    return "\n".join([*head, f"package {package};", "", *imports, *body, ""])


def _message(schema: dict[str, Any], name: str, depth: int) -> list[str]:
    indent = "  " * depth
    nested: list[str] = []
    fields: list[str] = []
    required = schema.get("required", ())
    for number, (key, part) in enumerate(schema["properties"].items(), start=1):
        kind, inner = _type(part, pascal(key), depth + 1)
        nested += inner
        about = (
            ("Required.", part.get("description", "")) if key in required else (part.get("description", ""),)
        )
        fields += [f"{indent}  {line}" for line in _comment(" ".join(about))]
        optional = "optional " if kind in _SCALARS.values() else ""
        fields.append(f'{indent}  {optional}{kind} {snake(key)} = {number} [json_name = "{key}"];')
    return [f"{indent}message {name} {{", *nested, *fields, f"{indent}}}"]


def _type(schema: dict[str, Any], name: str, depth: int) -> tuple[str, list[str]]:
    """How a field names its type, and the messages that it needs beside it, of which `name` is the first part of the name."""
    if "const" in schema:
        return "string", []
    kind = json_type(schema)
    if kind == "array":
        is_nested = json_type(schema["items"]) == "array"
        item, inner = _type(schema["items"], f"{name}_Item" if is_nested else name, depth)
        if is_nested:
            # A list in a list has no form of its own; a message with one repeated field stands for it.
            indent = "  " * depth
            wrapper = [f"{indent}message {name}_List {{", f"{indent}  {item} items = 1;", f"{indent}}}"]
            return f"repeated {name}_List", [*inner, *wrapper]
        return f"repeated {item}", inner
    if kind == "object":
        return (name, _message(schema, name, depth)) if schema.get("properties") else (_STRUCT, [])
    scalar = type_of(schema)
    assert isinstance(scalar, Scalar)  # noqa: S101  arrays and objects are handled above
    return _SCALARS[scalar.name], []


def _comment(text: str) -> list[str]:
    """A text of any lines as one line of comment; none for an empty one."""
    words = "".join(character if character.isprintable() else " " for character in text).split()
    return [f"// {' '.join(words)}"] if words else []
