"""Reads JSON Schemas in the one form that contracts have them: no references, no alternatives but null."""

from collections.abc import Iterator
from typing import Any


def types(schema: dict[str, Any]) -> frozenset[str]:
    """The JSON types of a field, null aside."""
    named = schema.get("type", ())
    return frozenset({named} if isinstance(named, str) else named) - {"null"}


def json_type(schema: dict[str, Any]) -> str:
    """The one JSON type of a field, null aside; a constant is a text."""
    (name,) = types(schema) or {"string"}
    return name


def leaves(schema: dict[str, Any], pointer: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every field below an object or array, with its pointer; array items are written `*`."""
    for name, part in schema.get("properties", {}).items():
        yield f"{pointer}/{name}", part
        yield from leaves(part, f"{pointer}/{name}")
    if isinstance(schema.get("items"), dict):
        yield f"{pointer}/*", schema["items"]
        yield from leaves(schema["items"], f"{pointer}/*")
