"""A table's columns, and how JSON Schema, Glue and DuckDB write their types.

Objects are flattened to `a_b`, arrays of objects are lists of structs, and an object without declared fields is JSON
text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from millrace.contracts.decimals import is_decimal
from millrace.contracts.schema import json_type

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """`totalAmount` → `total_amount`; `isIOSApp` → `is_ios_app`."""
    return _CAMEL.sub("_", name).lower()


@dataclass(frozen=True, slots=True)
class Scalar:
    """`string`, `int`, `long`, `double`, `decimal`, `boolean`, `date` or `timestamptz`, as Iceberg calls them.

    `decimal` is money's own, of 18 digits and 4 decimals. Tables that models make have `decimal(38,4)` and `decimal(38,0)`
    besides, for sums of money and of whole numbers.
    """

    name: str


@dataclass(frozen=True, slots=True)
class Array:
    """A list; its items are never null."""

    item: "Type"


@dataclass(frozen=True, slots=True)
class Struct:
    """Fields in order, each with whether it is required."""

    fields: tuple[tuple[str, "Type", bool], ...]


Type = Scalar | Array | Struct


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table of the lake.

    Attributes:
        name: such as `total_amount`.
        pointer: where its value stands in the event; None for what intake adds, and for what is derived.
        type: its type.
        required: whether it is never null.
        description: for the catalog.
        schema: the field's JSON Schema, whose limits become checks; empty for what has none.
        classification: `public`, `internal`, `confidential` or `restricted`.
        unique: whether no two rows have the same value.
    """

    name: str
    pointer: str | None
    type: Type
    required: bool
    description: str
    # Left out of comparison: a dictionary has no hash, and a column is what it is called and holds.
    schema: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    classification: str = "internal"
    unique: bool = False


_STRING, _MOMENT = Scalar("string"), Scalar("timestamptz")
WIDE_MONEY, WIDE_INTEGER = "decimal(38,4)", "decimal(38,0)"
# What a schema calls the type of its column where its bounds do not give it.
PHYSICAL = "physicalType"
NUMBERS = frozenset({"int", "long", "double", "decimal", WIDE_MONEY, WIDE_INTEGER})


def type_of(schema: dict[str, Any]) -> Type:
    """The column type of a field's JSON Schema."""
    if PHYSICAL in schema:
        return Scalar(schema[PHYSICAL])
    kind = json_type(schema)
    if kind == "array":
        return Array(type_of(schema["items"]) if "items" in schema else _STRING)
    if kind == "object":
        required = schema.get("required", ())
        fields = schema.get("properties", {}).items()
        members = tuple((snake(name), type_of(part), name in required) for name, part in fields)
        return Struct(members) if members else _STRING
    if kind == "string":
        return {"date-time": _MOMENT, "date": Scalar("date")}.get(schema.get("format", ""), _STRING)
    if kind == "integer":
        return Scalar("int" if schema["minimum"] >= -(2**31) and schema["maximum"] < 2**31 else "long")
    if kind == "number":
        return Scalar("decimal" if is_decimal(schema) else "double")
    return Scalar("boolean")


_GLUE = {"long": "bigint", "decimal": "decimal(18,4)", "timestamptz": "timestamp"}
_DUCKDB = {
    **{
        "string": "VARCHAR",
        "int": "INTEGER",
        "long": "BIGINT",
        "double": "DOUBLE",
        "decimal": "DECIMAL(18,4)",
    },
    **{"boolean": "BOOLEAN", "date": "DATE", "timestamptz": "TIMESTAMPTZ"},
}


def glue_type(of: Type) -> str:
    """As the Glue catalog writes it: `array<struct<product_id:string,price:decimal(18,4)>>`."""
    if isinstance(of, Array):
        return f"array<{glue_type(of.item)}>"
    if isinstance(of, Struct):
        return f"struct<{','.join(f'{name}:{glue_type(part)}' for name, part, _ in of.fields)}>"
    return _GLUE.get(of.name, of.name)


def duckdb_type(of: Type) -> str:
    """As DuckDB writes it: `STRUCT("product_id" VARCHAR, "price" DECIMAL(18,4))[]`."""
    if isinstance(of, Array):
        return f"{duckdb_type(of.item)}[]"
    if isinstance(of, Struct):
        fields = ", ".join(f'"{name}" {duckdb_type(part)}' for name, part, _ in of.fields)
        return f"STRUCT({fields})"
    return _DUCKDB.get(of.name) or of.name.upper()


def glue_columns(columns: Iterable[Column]) -> list[dict[str, str]]:
    """`Columns` of a Glue table's storage descriptor."""
    return [
        # The catalog holds 255 characters.
        {"Name": column.name, "Type": glue_type(column.type), "Comment": column.description[:255]}
        for column in columns
    ]
