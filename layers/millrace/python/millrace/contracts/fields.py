"""A scalar column of an event type's silver table, read from the event itself: the same value in a function as in SQL.

Aggregates, patterns and other conditions on events name fields as silver calls them (`amount`, `country`, `user_key`), so that
one name means one thing in a stream, in SQL and in a table. Pure.

Values in Python, by the type of the column:

| column | value |
|---|---|
| `string`, `date` | text; a date as `2026-11-30` |
| `int`, `long` | int |
| `decimal` | int: ten thousandths, so that sums are exact |
| `double` | float |
| `boolean` | bool |
| `timestamptz` | int: microseconds since 1970, UTC |
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from millrace.contracts import columns as silver
from millrace.contracts import derived, pointers
from millrace.contracts.column_types import Column, Scalar
from millrace.contracts.contract import Contract
from millrace.contracts.decimals import SCALE
from millrace.contracts.schema import json_type
from millrace.core import clock

Value = str | int | float | bool
Read = Callable[[Mapping[str, Any]], Value | None]
# Decimals per unit.
UNITS: int = 10**SCALE
# Up to here a float holds ten thousandths exactly, and multiplication is enough.
_EXACT = 2.0**53 / UNITS / 2
# Columns that no field of the event makes.
EVENT_TYPE = "event_type"
_OF_PLATFORM = {
    "org_id": "/platform/orgId",
    "received_at": "/platform/receivedAt",
    "contract": "/platform/contract",
}
_DERIVED_FROM = "/platform/derivedFrom"


@dataclass(frozen=True, slots=True)
class Field:
    """A scalar column of an event type.

    Attributes:
        name: of the column, or `event_type`.
        type: Iceberg's name of its type.
        read: its value in a stored event; None where it is absent or not of its type.
    """

    name: str
    type: str
    read: Read


def fields(contract: Contract) -> dict[str, Field]:
    """The scalar columns of a contract by name, and `event_type`."""
    rules = {rule["column"]: rule for rule in contract.silver}
    named = {EVENT_TYPE: Field(EVENT_TYPE, "string", lambda event: str(event["eventType"]))}
    for column in silver.columns(contract):
        # An object without declared fields is text in silver, and no value to compare or count by.
        if isinstance(column.type, Scalar) and json_type(column.schema or {"type": "string"}) != "object":
            read = _derived(rules[column.name]) if column.name in rules else _plain(column, column.type.name)
            named[column.name] = Field(column.name, column.type.name, read)
    return named


def typed(kind: str, value: Any) -> Value | None:
    """A JSON value as a column of this type has it; None for what is not of the type."""
    return _TYPED[kind](value)


def decimal(units: int) -> Decimal:
    """The decimal of so many ten thousandths."""
    return Decimal(units).scaleb(-SCALE)


def _plain(column: Column, kind: str) -> Read:
    parts = pointers.parse(column.pointer or _OF_PLATFORM.get(column.name, _DERIVED_FROM))
    of = _TYPED[kind]

    def read(event: Mapping[str, Any]) -> Value | None:
        value = pointers.read(event, parts)
        return None if value is None else of(value)

    return read


def _derived(rule: Mapping[str, Any]) -> Read:
    parts = pointers.parse(rule["of"])

    def read(event: Mapping[str, Any]) -> Value | None:
        try:
            value: Value | None = derived.value(rule, pointers.read(event, parts))
        except (TypeError, ValueError, AttributeError):
            # A row that was accepted under an older minor may hold anything there.
            return None
        return value

    return read


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _whole(value: Any) -> int | None:
    if isinstance(value, int):
        return None if isinstance(value, bool) else value
    return int(value) if isinstance(value, float) and value.is_integer() else None


def _units(value: Any) -> int | None:
    if isinstance(value, int):
        return None if isinstance(value, bool) else value * UNITS
    if not isinstance(value, float):
        return None
    number: float = value
    if -_EXACT < number < _EXACT:
        return round(number * UNITS)
    return int(Decimal(repr(number)).scaleb(SCALE).to_integral_value())


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _moment(value: Any) -> int | None:
    try:
        return clock.epoch_micros(clock.parse(value))
    except (TypeError, ValueError):
        return None


def _date(value: Any) -> str | None:
    try:
        return date.fromisoformat(value).isoformat()
    except (TypeError, ValueError):
        return None


_TYPED: dict[str, Callable[[Any], Value | None]] = {
    "string": _text,
    "int": _whole,
    "long": _whole,
    "decimal": _units,
    "double": _number,
    "boolean": _boolean,
    "timestamptz": _moment,
    "date": _date,
}
