"""Rows of silver at the ends of what contracts let in: each column at each of its ends, beside all others at theirs.

Made of the tables' columns alone, so that a table or column that comes later is covered.
"""

import sys
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

from millrace.contracts.columns import Array, Column, Scalar, Struct, Type, snake
from millrace.contracts.decimals import INT64, LIMIT
from millrace.contracts.formats import FORMATS
from millrace.contracts.tables import LakeTable

Row = dict[str, Any]
SHARED = "shared"
STEP = Decimal("0.0001")
# The first and last code point that UTF-8 writes with one, two, three and four bytes, and what SQL or JSON may trip over.
_ODD = "\x7f\x80\u07ff\u0800\ud7ff\ue000\uffff\U00010000\U0010ffff'\"\\%_, "
_LONGEST = 256


def rows(table: LakeTable, org: str, day: date) -> list[Row]:
    """Rows of a tenant's day: every column at every end while the others are at their lower, upper, or absent.

    Identifiers are shared by all rows, so that sums and joins meet, and once each of them is every row's own, so that
    nothing counts as a repeated report.
    """
    ends = {column.name: list(_ends(column, day)) for column in table.columns}
    lower = {name: held[0] for name, held in ends.items()}
    upper = {name: held[1] for name, held in ends.items()}
    absent = {c.name: ends[c.name][0] if c.required else None for c in table.columns}
    identifiers = [c.name for c in table.columns if c.name != "org_id" and _is_identifier(c)]
    made: list[Row] = []
    for base in (lower, upper, absent):
        for name, value in chain([("org_id", None)], _pairs(ends)):
            for own in (None, *identifiers):
                row = {**base, **dict.fromkeys(identifiers, SHARED), name: value}
                row |= {own: f"{own} {len(made)}"} if own is not None else {}
                made.append({**row, "org_id": org, "event_id": f"{len(made):08}"})
    return made


def _pairs(ends: Mapping[str, list[Any]]) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, held in ends.items() for value in held)


def _is_identifier(column: Column) -> bool:
    return (
        column.type == Scalar("string") and column.schema.get("pattern") == FORMATS["identifier"]["pattern"]
    )


def _ends(column: Column, day: date) -> Iterator[Any]:
    """The lower end, the upper one, and whatever else is odd; None where the column may be absent."""
    if column.name == "event_time":
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
        yield from (midnight, midnight + timedelta(days=1) - timedelta(microseconds=1))
        return
    yield from _of(column.type, column.schema)
    if not column.required:
        yield None


def _of(of: Type, schema: Mapping[str, Any]) -> Iterator[Any]:
    if "enum" in schema:
        held = [one for one in schema["enum"] if one is not None]
        yield from (held[0], held[-1], *held[1:-1])
    elif isinstance(of, Array):
        least = list(_of(of.item, schema.get("items", {})))
        # The largest number of items is for texts that are short: an event has its size.
        yield from ([least[0]], least, [least[0]] * int(schema.get("maxItems", 3)))
        if not schema.get("minItems"):
            yield []
    elif isinstance(of, Struct):
        parts = {snake(name): part for name, part in schema.get("properties", {}).items()}
        ends = {name: list(_of(kind, parts.get(name, {}))) for name, kind, _ in of.fields}
        yield from ({name: held[0] for name, held in ends.items()}, {n: held[1] for n, held in ends.items()})
    else:
        yield from _scalars(of.name, schema)


def _scalars(name: str, schema: Mapping[str, Any]) -> Iterator[Any]:
    match name:
        case "int" | "long":
            step, limits = 1, (-(2**31), 2**31 - 1) if name == "int" else INT64
            yield from _numbers(schema, limits, step)
        case "decimal":
            yield from _numbers(schema, (Decimal(-LIMIT), Decimal(LIMIT)), STEP)
        case "double":
            most = sys.float_info.max
            yield from (schema.get("minimum", -most), schema.get("maximum", most), 5e-324, 0.0)
        case "boolean":
            yield from (False, True)
        case "date":
            yield from (date(1000, 1, 1), date(9999, 12, 31), date(2024, 2, 29))
        case "timestamptz":
            yield from (datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC))
        case _:
            yield from ("0", _ODD + "\U0010ffff" * (_LONGEST - len(_ODD)), "nan", "\u3000")


def _numbers(schema: Mapping[str, Any], limits: tuple[Any, Any], step: Any) -> Iterator[Any]:
    low = (
        schema["exclusiveMinimum"] + step
        if "exclusiveMinimum" in schema
        else schema.get("minimum", limits[0])
    )
    high = (
        schema["exclusiveMaximum"] - step
        if "exclusiveMaximum" in schema
        else schema.get("maximum", limits[1])
    )
    yield from (low, high, low + step, high - step)
