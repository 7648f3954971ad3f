"""The limits of a field's JSON Schema as SQL conditions that hold for the values that break them. Pure; DuckDB's dialect."""

import re
from collections.abc import Iterator
from typing import Any

from millrace.contracts.columns import NUMBERS, Array, Scalar, Struct, Type, snake
from millrace.contracts.decimals import INT64
from millrace.contracts.schema import json_type
from millrace.core.sql import identifier, literal

# What a check is called by, the field it is about (`items.quantity`), and its condition.
Broken = tuple[str, str, str]
_BOUNDS = {"minimum": "<", "maximum": ">", "exclusiveMinimum": "<=", "exclusiveMaximum": ">="}
# What a column of the type can hold anyway is not worth a look at every row.
_HELD = {"int": {-(2**31), 2**31 - 1}, "long": set(INT64)}
_ESCAPE = re.compile(r"\\u\{?([0-9a-fA-F]{4,6})\}?")


def broken(value: str, name: str, schema: dict[str, Any], of: Type, depth: int = 0) -> Iterator[Broken]:
    """Each limit of a field.

    Args:
        value: SQL of the field.
        name: how checks call it.
        schema: its JSON Schema; empty sets no limit.
        of: the type of its column.
        depth: of lists around it.
    """
    if not schema:
        return
    if isinstance(of, Array):
        yield from _list(value, name, schema, of, depth)
    elif isinstance(of, Struct):
        yield from _struct(value, name, schema, of, depth)
    elif "enum" in schema:
        allowed = ", ".join(literal(one) for one in schema["enum"] if one is not None)
        yield "accepted", name, f"{value} NOT IN ({allowed})"
    elif of.name == "string" and json_type(schema) == "string":
        yield from _text(value, name, schema)
    elif of.name in NUMBERS:
        yield from _number(value, name, schema, of)


def _number(value: str, name: str, schema: dict[str, Any], of: Scalar) -> Iterator[Broken]:
    for bound, sign in _BOUNDS.items():
        if bound in schema and schema[bound] not in _HELD.get(of.name, ()):
            yield "range", name, f"{value} {sign} {literal(schema[bound])}"
    if isinstance(schema.get("multipleOf"), int):
        yield "range", name, f"{value} % {schema['multipleOf']} <> 0"


def _text(value: str, name: str, schema: dict[str, Any]) -> Iterator[Broken]:
    # Characters, as JSON Schema counts them.
    if schema.get("minLength", 0) > 0:
        yield "length", name, f"length({value}) < {schema['minLength']}"
    if "maxLength" in schema:
        yield "length", name, f"length({value}) > {schema['maxLength']}"
    if "pattern" in schema:
        # RE2 writes a character by its number in its own way.
        pattern = _ESCAPE.sub(r"\\x{\1}", schema["pattern"])
        yield "pattern", name, f"NOT regexp_matches({value}, {literal(pattern)})"


def _list(value: str, name: str, schema: dict[str, Any], of: Array, depth: int) -> Iterator[Broken]:
    if schema.get("minItems", 0) > 0:
        yield "length", name, f"len({value}) < {schema['minItems']}"
    if "maxItems" in schema:
        yield "length", name, f"len({value}) > {schema['maxItems']}"
    item = f"item{depth}"
    for kind, field, condition in broken(item, name, schema.get("items", {}), of.item, depth + 1):
        yield kind, field, f"len(list_filter({value}, lambda {item}: {condition})) > 0"


def _struct(value: str, name: str, schema: dict[str, Any], of: Struct, depth: int) -> Iterator[Broken]:
    fields = {snake(field): part for field, part in schema.get("properties", {}).items()}
    for field, part, required in of.fields:
        here, at = f"{value}.{identifier(field)}", f"{name}.{field}"
        if required:
            yield "not_null", at, f"{here} IS NULL"
        yield from broken(here, at, fields.get(field, {}), part, depth)
