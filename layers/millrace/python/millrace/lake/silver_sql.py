"""The SQL of silver's rows, from a contract: parse the JSON once, type every field, derive, and name what cannot be typed.

Pure: texts in, text out; DuckDB's dialect. A relation of raw rows has the columns of `millrace.archive.raw`.

JSON is read into a struct of texts, so that each value is typed from the text that stands in the event: a decimal never
passes through a float. A row in which something required is absent, or something present has no value of its type, is
not typed: it is for the dead letters, with a reason that names the column.

A row that was accepted under an older minor may hold anything in a field that its contract had not (`Contract.since`). What does
not fit there, by its type or by the field's limits, is null in silver, and `nulled` counts it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from millrace.contracts import columns, derived
from millrace.contracts.columns import Array, Column, Scalar, Struct, Type, duckdb_type, snake, type_of
from millrace.contracts.contract import Contract
from millrace.contracts.schema import json_type
from millrace.contracts.stored_form import stored
from millrace.core.sql import identifier, literal
from millrace.quality.conditions import broken

# Column of silver → column of raw.
_RAW = {"user_key": "user_id"}
_PARTS = {"payload": "_payload", "metadata": "_metadata"}
# The first and the last value of each that silver keeps, in UTC.
_MOMENTS = {
    "timestamptz": ("TIMESTAMPTZ '0001-01-01 00:00:00+00'", "TIMESTAMPTZ '9999-12-31 23:59:59.999999+00'"),
    "date": ("DATE '0001-01-01'", "DATE '9999-12-31'"),
}


# The minor that a row was accepted under.
_MINOR = "TRY_CAST(split_part(split_part(raw.contract, '/', 2), '.', 2) AS INTEGER)"


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the event.

    `ref` is SQL of its text (or list, or struct of texts), `path` leads to it in its part, `pointer` from the event's root;
    `depth` is the number of lists around it, `since` the contract's.
    """

    ref: str
    schema: dict[str, Any]
    part: str
    path: str
    pointer: str
    since: Mapping[str, int]
    depth: int = 0

    @property
    def type(self) -> Type:
        return type_of(self.schema)

    def member(self, name: str) -> "_Field":
        return replace(
            self,
            ref=_member(self.ref, name),
            schema=self.schema["properties"][name],
            path=f'{self.path}."{name}"',
            pointer=f"{self.pointer}/{name}",
        )

    def item(self) -> "_Field":
        return replace(
            self,
            ref=f"item{self.depth}",
            schema=self.schema.get("items", {}),
            pointer=f"{self.pointer}/*",
            depth=self.depth + 1,
        )

    def strict(self) -> "_Field":
        """The same, as if every minor had had it."""
        return replace(self, since={})

    @property
    def is_older(self) -> str:
        """SQL that is true for rows of minors which had not this field; empty where all had it."""
        return f"coalesce({_MINOR} < {self.since[self.pointer]}, false)" if self.pointer in self.since else ""


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
    faults = " OR ".join(f"({condition})" for condition, _ in _faults(contract, fields)) or "false"
    return (
        f"SELECT {chosen} FROM ({_parsed(contract, source)}) AS raw "  # noqa: S608  names of ours, quoted
        f"WHERE NOT ({faults}) ORDER BY raw.event_time"
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


def nulled(contract: Contract, source: str) -> tuple[tuple[str, ...], str]:
    """The fields that older minors had not, and a query of how many rows hold something there that does not fit."""
    conditions: dict[str, str] = {}
    for pointer, field in _fields(contract):
        if not field.schema.get("properties"):
            conditions |= dict(_misfits(field))
        elif field.is_older:
            # Its fields are columns of their own: of the object itself only the kind is told.
            kinds = " OR ".join(_wrong_kind(field, gate) for gate in _suspicious(field))
            conditions[pointer] = f"{field.is_older} AND ({kinds})"
    counts = ", ".join(f"count(*) FILTER (WHERE {condition})" for condition in conditions.values())
    return tuple(conditions), f"SELECT {counts} FROM ({_parsed(contract, source)}) AS raw"  # noqa: S608


def _misfits(field: _Field) -> Iterator[tuple[str, str]]:
    """Pointer and condition of each field of an older row whose value does not fit, the outermost of them."""
    if field.is_older:
        yield field.pointer, f"{field.is_older} AND {_does_not_fit(field.strict())}"
    elif isinstance(field.type, Array):
        item = field.item()
        for pointer, condition in _misfits(item):
            yield (
                pointer,
                f"coalesce(len(list_filter({field.ref}, lambda {item.ref}: {condition})) > 0, false)",
            )
    elif isinstance(field.type, Struct):
        for name in field.schema["properties"]:
            yield from _misfits(field.member(name))


def _does_not_fit(field: _Field) -> str:
    """Of a field that has no history: whether its value has not its type, or is beyond its limits. Never null."""
    limits = [
        condition for _, _, condition in broken(_typed(field), "", field.schema, field.type, field.depth)
    ]
    # What is in a list has no path of its own in the JSON.
    kinds = [_wrong_kind(field, gate) for gate in _suspicious(field)] if field.depth == 0 else []
    wrong = [_unfit(field), *kinds, *limits]
    misfit = " OR ".join(f"coalesce({condition}, false)" for condition in wrong if condition)
    return f"({misfit or 'false'})"


def _parsed(contract: Contract, source: str) -> str:
    parsed = []
    for part, name in _PARTS.items():
        shape = _shape(stored(contract).data_schema["properties"].get(part, {}))
        # What is not JSON at all has no value, and so lacks what is required of it.
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
        schema = stored(contract).data_schema["properties"].get(part, {})
        yield from _below(_Field(f"raw.{name}", schema, part, "$", f"/data/{part}", contract.since))


def _below(above: _Field) -> Iterator[tuple[str, _Field]]:
    for name in above.schema.get("properties", {}):
        field = above.member(name)
        yield field.pointer, field
        if field.schema.get("properties"):
            yield from _below(field)


def _value(column: Column, fields: dict[str, _Field]) -> str:
    if column.pointer is not None and column.pointer in fields:
        return _typed(fields[column.pointer])
    return f"raw.{identifier(_RAW.get(column.name, column.name))}"


def _derived(rule: dict[str, Any], fields: dict[str, _Field]) -> str:
    field = fields[rule["of"]]
    return derived.sql(rule, field.ref, _typed(field))


def _typed(field: _Field) -> str:
    """SQL of a field's value; null where it has none of its type."""
    if field.is_older:
        strict = field.strict()
        return f"CASE WHEN {field.is_older} AND {_does_not_fit(strict)} THEN NULL ELSE {_typed(strict)} END"
    ref, of = field.ref, field.type
    if isinstance(of, Array):
        item = field.item()
        inner = _typed(item)
        return ref if inner == item.ref else f"list_transform({ref}, lambda {item.ref}: {inner})"
    if isinstance(of, Struct):
        made = ", ".join(
            f"{identifier(snake(name))} := {_typed(field.member(name))}"
            for name in field.schema["properties"]
        )
        return f"CASE WHEN {ref} IS NOT NULL THEN struct_pack({made}) END"
    if of.name == "string":
        return f"CAST({ref} AS VARCHAR)" if json_type(field.schema) == "object" else ref
    if of.name == "boolean":
        # A cast would take `yes` and `1` as well.
        return f"CASE {ref} WHEN 'true' THEN true WHEN 'false' THEN false END"
    return f"TRY_CAST({ref} AS {duckdb_type(of)})"


def _faults(contract: Contract, fields: dict[str, _Field] | None = None) -> Iterator[tuple[str, str]]:
    """Conditions, never null, that a row which cannot be typed meets one of; each with its reason."""
    known = fields if fields is not None else dict(_fields(contract))
    # First, because of what is of another kind nothing came: it would be called absent.
    for one in known.values():
        for gate in _suspicious(one):
            yield (
                _of_its_minors(one, _wrong_kind(one, gate)),
                f"{_column_name(one)}: no {json_type(one.schema)}",
            )
    for column in columns.columns(contract):
        field = known.get(column.pointer or "")
        if field is None:
            continue
        if column.required:
            yield f"{field.ref} IS NULL", f"{column.name}: absent"
        if condition := _unfit(field):
            yield condition, f"{column.name}: no {_called(column.type)}"


def _of_its_minors(field: _Field, condition: str) -> str:
    """A condition that only rows of the minors which had the field can meet."""
    return f"(NOT {field.is_older} AND ({condition}))" if field.is_older and condition else condition


def _unfit(field: _Field) -> str:
    """A condition that is true where a field is present and has no value of its type; empty where it always has."""
    if field.is_older:
        return _of_its_minors(field, _unfit(field.strict()))
    ref, of = field.ref, field.type
    if isinstance(of, Array):
        item = field.item()
        inner = _unfit(item)
        # No item is null in an event: here it is one of another kind.
        unfit = f"{item.ref} IS NULL OR {inner}" if inner else f"{item.ref} IS NULL"
        return f"coalesce(len(list_filter({ref}, lambda {item.ref}: {unfit})) > 0, false)"
    if isinstance(of, Struct):
        return " OR ".join(_unfit_members(field))
    if of.name == "string":
        return ""
    unfit = f"({ref} IS NOT NULL AND {_typed(field)} IS NULL)"
    if of.name in {"int", "long"}:
        # A cast rounds: 3.0 is an integer, 3.5 is none.
        number = f"TRY_CAST({ref} AS DOUBLE)"
        unfit += f" OR CASE WHEN contains({ref}, '.') OR contains({ref}, 'e') THEN {number} <> trunc({number}) ELSE false END"
    if of.name in _MOMENTS:
        # What has a year of other than four digits no reader in Python takes, and one such row would hide its file.
        low, high = _MOMENTS[of.name]
        unfit += f" OR coalesce({_typed(field)} NOT BETWEEN {low} AND {high}, false)"
    if of.name == "timestamptz":
        # Without an offset it would be read as UTC.
        unfit += f" OR coalesce(NOT (ends_with({ref}, 'Z') OR substr({ref}, -6, 1) IN ('+', '-')), false)"
    return unfit


def _unfit_members(field: _Field) -> Iterator[str]:
    for name in field.schema["properties"]:
        member = field.member(name)
        if name in field.schema.get("required", ()):
            yield f"{member.ref} IS NULL"
        if condition := _unfit(member):
            yield condition


def _suspicious(field: _Field) -> Iterator[str]:
    """Conditions under which a field may be of another JSON kind than its contract says: nothing came of it."""
    ref, schema = field.ref, field.schema
    kind = json_type(schema)
    if kind == "array":
        yield f"{ref} IS NULL"
        item = field.item()
        inner = item.schema
        if json_type(inner) == "object" and inner.get("properties") and not inner.get("required"):
            empty = " AND ".join(f"{_member(item.ref, name)} IS NULL" for name in inner["properties"])
            yield f"len(list_filter({ref}, lambda {item.ref}: {empty})) > 0"
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
