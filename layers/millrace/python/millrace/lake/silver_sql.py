"""The SQL of silver's rows, from a contract: parse the JSON once, type every field, derive, and name what cannot be typed.

Pure: texts in, text out; DuckDB's dialect. A relation of raw rows has the columns of `millrace.archive.raw`.

JSON is read into a struct of texts, so that each value is typed from the text that stands in the event: a decimal never
passes through a float. A row in which something required is absent, or something present has no value of its type, is
not typed: it is for the dead letters, with a reason that names the column.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.contracts import columns, derived
from millrace.contracts.columns import Array, Column, Scalar, Struct, Type, duckdb_type, snake, type_of
from millrace.contracts.contract import Contract
from millrace.contracts.schema import json_type
from millrace.core.sql import identifier, literal

# Column of silver → column of raw.
_RAW = {"user_key": "user_id"}
_PARTS = {"payload": "_payload", "metadata": "_metadata"}
# The first and the last value of each that silver keeps, in UTC.
_MOMENTS = {
    "timestamptz": ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"),
    "date": ("DATE '0001-01-01'", "DATE '9999-12-31'"),
}


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the event: `ref` is SQL of its text (or list, or struct of texts), `path` leads to it in its part."""

    ref: str
    schema: dict[str, Any]
    part: str
    path: str


def typed(contract: Contract, source: str) -> str:
    """The rows of silver that can be typed, in the order of event time.

    Args:
        contract: of all of the rows.
        source: raw rows, as what stands behind FROM.
    """
    fields = dict(_fields(contract))
    made = {rule["column"]: _derived(rule, fields) for rule in contract.silver}
    chosen = ", ".join(
        f"{made.get(column.name) or _value(column, fields)} AS {identifier(column.name)}"
        for column in columns.columns(contract)
    )
    broken = " OR ".join(f"({condition})" for condition, _ in _faults(contract, fields)) or "false"
    return (
        f"SELECT {chosen} FROM ({_parsed(contract, source)}) AS raw "  # noqa: S608  names of ours, quoted
        f"WHERE NOT ({broken}) ORDER BY raw.event_time"
    )


def dead(contract: Contract, source: str) -> str:
    """The raw rows that cannot be typed, each with a `reason` such as `amount: no decimal`."""
    cases = " ".join(f"WHEN {condition} THEN {literal(reason)}" for condition, reason in _faults(contract))
    reason = f"CASE {cases} END" if cases else "NULL"
    hidden = ", ".join(_PARTS.values())
    return (
        f"SELECT * EXCLUDE ({hidden}) FROM (SELECT *, {reason} AS reason "  # noqa: S608
        f"FROM ({_parsed(contract, source)}) AS raw) WHERE reason IS NOT NULL"
    )


def _parsed(contract: Contract, source: str) -> str:
    parsed = []
    for part, name in _PARTS.items():
        shape = _shape(contract.data_schema["properties"].get(part, {}))
        # What is no JSON at all has no value, and so lacks what is required of it.
        read = f"TRY(from_json({part}, {literal(orjson.dumps(shape).decode())}))" if shape else "NULL"
        parsed.append(f"{read} AS {name}")
    return f"SELECT *, {', '.join(parsed)} FROM {source}"  # noqa: S608


def _shape(schema: dict[str, Any]) -> Any:
    """The structure by which `from_json` reads a field: leaves as texts."""
    kind = json_type(schema)
    if kind == "array":
        return [_shape(schema["items"]) if "items" in schema else "VARCHAR"]
    if kind == "object" and schema.get("properties"):
        return {name: _shape(part) for name, part in schema["properties"].items()}
    return (
        "JSON" if kind == "object" and "properties" not in schema else "VARCHAR" if kind != "object" else {}
    )


def _fields(contract: Contract) -> Iterator[tuple[str, _Field]]:
    """Pointer and field of each column, as `columns` flattens them."""
    for part, name in _PARTS.items():
        schema = contract.data_schema["properties"].get(part, {})
        yield from _below(_Field(f"raw.{name}", schema, part, "$"), f"/data/{part}")


def _below(above: _Field, pointer: str) -> Iterator[tuple[str, _Field]]:
    for name, schema in above.schema.get("properties", {}).items():
        field = _Field(_member(above.ref, name), schema, above.part, f'{above.path}."{name}"')
        yield f"{pointer}/{name}", field
        if schema.get("properties"):
            yield from _below(field, f"{pointer}/{name}")


def _value(column: Column, fields: dict[str, _Field]) -> str:
    if column.pointer is not None and column.pointer in fields:
        return _typed(fields[column.pointer].ref, fields[column.pointer].schema, column.type)
    return f"raw.{identifier(_RAW.get(column.name, column.name))}"


def _derived(rule: dict[str, Any], fields: dict[str, _Field]) -> str:
    field = fields[rule["of"]]
    return derived.sql(rule, field.ref, _typed(field.ref, field.schema, type_of(field.schema)))


def _typed(ref: str, schema: dict[str, Any], of: Type, depth: int = 0) -> str:
    """SQL of a field's value; null where it has none of its type."""
    if isinstance(of, Array):
        item = f"item{depth}"
        inner = _typed(item, schema.get("items", {}), of.item, depth + 1)
        return ref if inner == item else f"list_transform({ref}, lambda {item}: {inner})"
    if isinstance(of, Struct):
        parts = schema["properties"].items()
        made = ", ".join(
            f"{identifier(snake(name))} := {_typed(_member(ref, name), part, type_of(part), depth)}"
            for name, part in parts
        )
        return f"CASE WHEN {ref} IS NOT NULL THEN struct_pack({made}) END"
    if of.name == "string":
        return f"CAST({ref} AS VARCHAR)" if json_type(schema) == "object" else ref
    if of.name == "boolean":
        # A cast would take `yes` and `1` as well.
        return f"CASE {ref} WHEN 'true' THEN true WHEN 'false' THEN false END"
    return f"TRY_CAST({ref} AS {duckdb_type(of)})"


def _faults(contract: Contract, fields: dict[str, _Field] | None = None) -> Iterator[tuple[str, str]]:
    """Conditions, never null, that a row which cannot be typed meets one of; each with its reason."""
    known = fields if fields is not None else dict(_fields(contract))
    # First, because of what is of another kind nothing came: it would be called absent.
    for one in known.values():
        for gate in _suspicious(one.ref, one.schema):
            yield _wrong_kind(one, gate), f"{_column_name(one)}: no {json_type(one.schema)}"
    for column in columns.columns(contract):
        field = known.get(column.pointer or "")
        if field is None:
            continue
        if column.required:
            yield f"{field.ref} IS NULL", f"{column.name}: absent"
        if condition := _unfit(field.ref, field.schema, column.type):
            yield condition, f"{column.name}: no {_called(column.type)}"


def _unfit(ref: str, schema: dict[str, Any], of: Type, depth: int = 0) -> str:
    """A condition that is true where a field is present and has no value of its type; empty where it always has."""
    if isinstance(of, Array):
        item = f"item{depth}"
        inner = _unfit(item, schema.get("items", {}), of.item, depth + 1)
        # No item is null in an event: here it is one of another kind.
        unfit = f"{item} IS NULL OR {inner}" if inner else f"{item} IS NULL"
        return f"coalesce(len(list_filter({ref}, lambda {item}: {unfit})) > 0, false)"
    if isinstance(of, Struct):
        return " OR ".join(_unfit_members(ref, schema, depth))
    if of.name == "string":
        return ""
    unfit = f"({ref} IS NOT NULL AND {_typed(ref, schema, of)} IS NULL)"
    if of.name in {"int", "long"}:
        # A cast rounds: 3.0 is an integer, 3.5 is none.
        number = f"TRY_CAST({ref} AS DOUBLE)"
        unfit += f" OR CASE WHEN contains({ref}, '.') OR contains({ref}, 'e') THEN {number} <> trunc({number}) ELSE false END"
    if of.name in _MOMENTS:
        # What has a year of other than four digits no reader in Python takes, and one such row would hide its file.
        low, high = _MOMENTS[of.name]
        unfit += f" OR coalesce({_typed(ref, schema, of)} NOT BETWEEN {low} AND {high}, false)"
    if of.name == "timestamptz":
        # Without an offset it would be read as UTC.
        unfit += f" OR coalesce(NOT (ends_with({ref}, 'Z') OR substr({ref}, -6, 1) IN ('+', '-')), false)"
    return unfit


def _unfit_members(ref: str, schema: dict[str, Any], depth: int) -> Iterator[str]:
    for name, part in schema["properties"].items():
        member = _member(ref, name)
        if name in schema.get("required", ()):
            yield f"{member} IS NULL"
        if condition := _unfit(member, part, type_of(part), depth):
            yield condition


def _suspicious(ref: str, schema: dict[str, Any], depth: int = 0) -> Iterator[str]:
    """Conditions under which a field may be of another JSON kind than its contract says: nothing came of it."""
    kind = json_type(schema)
    if kind == "array":
        yield f"{ref} IS NULL"
        item = f"item{depth}"
        inner = schema.get("items", {})
        if json_type(inner) == "object" and inner.get("properties") and not inner.get("required"):
            empty = " AND ".join(f"{_member(item, name)} IS NULL" for name in inner["properties"])
            yield f"len(list_filter({ref}, lambda {item}: {empty})) > 0"
    elif kind == "object" and schema.get("properties"):
        yield " AND ".join(f"{_member(ref, name)} IS NULL" for name in schema["properties"])
    elif kind == "object":
        yield f"NOT starts_with(CAST({ref} AS VARCHAR), '{{')"


def _wrong_kind(field: _Field, gate: str) -> str:
    # Only where nothing came of it, and the name is there at all, is the JSON read once more.
    name = field.path.rsplit(".", 1)[-1]
    expected = json_type(field.schema).upper()
    path, kinds = field.path, f"json_type({field.part}, {literal(field.path)}) NOT IN ('{expected}', 'NULL')"
    if "list_filter" in gate:
        items = f"json_type({field.part}, {literal(path + '[*]')})"
        kinds = f"len(list_filter({items}, lambda kind: kind <> 'OBJECT')) > 0"
    return f"CASE WHEN contains({field.part}, {literal(name)}) AND {gate} THEN coalesce({kinds}, false) ELSE false END"


def _member(ref: str, name: str) -> str:
    return f"{ref}.{identifier(name)}"


def _column_name(field: _Field) -> str:
    names = [snake(name.strip('"')) for name in field.path.split(".")[1:]]
    return "_".join(["meta", *names] if field.part == "metadata" else names)


def _called(of: Type) -> str:
    if isinstance(of, Scalar):
        return of.name
    return "list" if isinstance(of, Array) else "struct"
