"""A contract's silver table: its columns, and their types as Iceberg, Glue and DuckDB write them.

The table is `silver.<event_type with _>_v<major>`. It has the envelope's columns, then the payload's fields in snake
case, then metadata as `meta_*`. Objects are flattened to `a_b`, arrays of objects are lists of structs, and an object
without declared fields is JSON text. Fields that a contract does not declare stay in raw.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from millrace.contracts.contract import CLASSES, Contract
from millrace.contracts.decimals import is_decimal
from millrace.contracts.schema import json_type

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


def snake(name: str) -> str:
    """`totalAmount` → `total_amount`; `isIOSApp` → `is_ios_app`."""
    return _CAMEL.sub("_", name).lower()


@dataclass(frozen=True, slots=True)
class Scalar:
    """`string`, `int`, `long`, `double`, `decimal`, `boolean`, `date` or `timestamptz`, as Iceberg calls them."""

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
    """A column of a silver table.

    Attributes:
        name: such as `total_amount`.
        pointer: where its value stands in the event; None for what intake adds.
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
ENVELOPE = (
    Column("event_id", "/eventId", _STRING, True, "The event's id, unique in the tenant.", unique=True),
    Column("event_time", "/timestamp", _MOMENT, True, "When it happened."),
    Column("event_source", "/eventSource", _STRING, True, "Who said it."),
    Column("correlation_id", "/correlationId", _STRING, False, "Joins events of one flow."),
    Column("user_key", "/userId", _STRING, False, "The user it is about."),
    Column("session_id", "/sessionId", _STRING, False, "The session it happened in."),
    Column("org_id", None, _STRING, True, "The tenant."),
    Column("received_at", None, _MOMENT, True, "When intake had it."),
    Column("contract", None, _STRING, True, "The contract it kept, such as order.created/1.2.0."),
)


def table(contract: Contract) -> str:
    """`order_created_v1`."""
    return f"{contract.event_type.replace('.', '_')}_v{contract.major}"


def columns(contract: Contract) -> tuple[Column, ...]:
    """All columns of the contract's silver table, in order."""
    parts = contract.data_schema["properties"]
    classes = contract.classification
    payload = _flatten(parts["payload"], "/data/payload", "", classes, required=True)
    metadata = _flatten(parts.get("metadata", {}), "/data/metadata", "meta_", classes, required=False)
    return (*ENVELOPE, *payload, *metadata)


def strictest(classes: dict[str, str], pointer: str) -> str:
    """The strictest class of a field and all that is in it."""
    found = {name for at, name in classes.items() if at == pointer or at.startswith(f"{pointer}/")}
    return max(found, key=CLASSES.index, default="internal")


def _flatten(
    schema: dict[str, Any], pointer: str, prefix: str, classes: dict[str, str], *, required: bool
) -> Iterator[Column]:
    for name, part in schema.get("properties", {}).items():
        here, column = f"{pointer}/{name}", f"{prefix}{snake(name)}"
        needed = required and name in schema.get("required", ())
        if part.get("properties"):
            yield from _flatten(part, here, f"{column}_", classes, required=needed)
        else:
            description, strict = part.get("description", ""), strictest(classes, here)
            yield Column(column, here, type_of(part), needed, description, part, strict)


def type_of(schema: dict[str, Any]) -> Type:
    """The column type of a field's JSON Schema."""
    kind = json_type(schema)
    if kind == "array":
        return Array(type_of(schema["items"]) if "items" in schema else _STRING)
    if kind == "object":
        required = schema.get("required", ())
        fields = schema.get("properties", {}).items()
        found = tuple((snake(name), type_of(part), name in required) for name, part in fields)
        return Struct(found) if found else _STRING
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
    return _DUCKDB[of.name]


def glue_columns(contract: Contract) -> list[dict[str, str]]:
    """`Columns` of a Glue table's storage descriptor."""
    return [
        # The catalog holds 255 characters.
        {"Name": column.name, "Type": glue_type(column.type), "Comment": column.description[:255]}
        for column in columns(contract)
    ]


def iceberg_schema(contract: Contract) -> dict[str, Any]:
    """The table's schema as JSON of the Iceberg specification, ids counted level by level as a new table has them."""
    return _Numbered().struct(
        [(c.name, c.type, c.required, c.description) for c in columns(contract)], schema=True
    )


class _Numbered:
    """Writes Iceberg types and gives each field the next id."""

    def __init__(self) -> None:
        self._last = 0

    def struct(self, fields: list[tuple[str, Type, bool, str]], *, schema: bool = False) -> dict[str, Any]:
        # All fields of a level first, then what is inside them: so the specification numbers a new table.
        ids = [self._next() for _ in fields]
        written = [
            {
                "id": number,
                "name": name,
                "required": required,
                "type": self.type(of),
                **({"doc": description} if description else {}),
            }
            for number, (name, of, required, description) in zip(ids, fields, strict=True)
        ]
        return {"type": "struct", **({"schema-id": 0} if schema else {}), "fields": written}

    def type(self, of: Type) -> str | dict[str, Any]:
        if isinstance(of, Array):
            number = self._next()
            return {
                "type": "list",
                "element-id": number,
                "element": self.type(of.item),
                "element-required": True,
            }
        if isinstance(of, Struct):
            return self.struct([(name, part, required, "") for name, part, required in of.fields])
        return "decimal(18, 4)" if of.name == "decimal" else of.name

    def _next(self) -> int:
        self._last += 1
        return self._last
