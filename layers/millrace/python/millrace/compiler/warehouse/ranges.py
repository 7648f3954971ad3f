"""What numbers a column or an expression may hold, and how they come together. Pure interval arithmetic, used at build only.

Bounds of what is accepted stand in the contracts; from them follow those of everything that transforms compute. So a type
that is too narrow is found when the warehouse is compiled, whatever nobody has sent yet.
"""

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, localcontext
from typing import Any

from millrace.contracts.columns import WIDE_INTEGER, WIDE_MONEY, Array, Struct, Type, snake
from millrace.contracts.decimals import INT64, LIMIT, SCALE

# No tenant has more rows in a table, and no transform makes more of them: a million a second for eleven days, or thirty
# thousand a second for a year.
ROWS = Decimal(10) ** 12
DIGITS, SHORT_DIGITS = 38, 18
_INFINITE = Decimal("Infinity")
# A double is rounded by at most this share of itself.
_ROUNDING = Decimal(2) ** -50
_LARGEST_DOUBLE = Decimal.from_float(sys.float_info.max)
_CONTEXT = Context(prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN)


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`.

    Attributes:
        low: the least of them.
        high: the largest.
        scale: decimals; None for a double.
        decimal: whether engines compute with it as a decimal; else it is an integer or a double.
        bits: 32, 64 or 128. DuckDB computes decimals of up to 18 digits in 64 bits, and with such alone it stays there.
        step: what two of them differ by at least; 0 where nobody knows.
        zero: whether one of them is 0.
        counted: whether they count rows that no other of them counts, so that all together are no more than rows.
    """

    low: Decimal
    high: Decimal
    scale: int | None = 0
    bits: int = 128
    step: Decimal = Decimal(1)
    zero: bool = True
    counted: bool = False
    decimal: bool = False

    @property
    def most(self) -> Decimal:
        """How far from 0 it may be."""
        return max(self.low.copy_abs(), self.high.copy_abs())

    def problem(self) -> str | None:
        """Why no engine holds it, in a few words."""
        if self.scale is None:
            return None if self.most <= _LARGEST_DOUBLE else "it may be no finite double"
        if not self.decimal and self.bits <= 64:
            fits = -(Decimal(2) ** (self.bits - 1)) <= self.low and self.high < Decimal(2) ** (self.bits - 1)
            return None if fits else f"it may be {self.most:.3g}, and an integer of {self.bits} bits holds it"
        digits = DIGITS if self.bits > 64 else SHORT_DIGITS
        with localcontext(_CONTEXT):
            fits = self.most * Decimal(10) ** self.scale < Decimal(10) ** digits
        return None if fits else f"it may be {self.most:.3g}, and a decimal of {digits} digits holds it"


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    item: "Value"


@dataclass(frozen=True, slots=True)
class Fields:
    """A struct."""

    fields: Mapping[str, "Value"]


@dataclass(frozen=True, slots=True)
class Text:
    """A text."""


# None: something else, or something of which nothing is known.
Value = Range | Items | Fields | Text | None


def of_column(of: Type, schema: Mapping[str, Any]) -> Value:
    """What a column holds, by its type and the limits of its JSON Schema."""
    if isinstance(of, Array):
        return Items(of_column(of.item, schema.get("items", {})))
    if isinstance(of, Struct):
        parts = {snake(name): part for name, part in schema.get("properties", {}).items()}
        return Fields({name: of_column(kind, parts.get(name, {})) for name, kind, _ in of.fields})
    if of.name == "string":
        return Text()
    made = _TYPES.get(of.name)
    if made is None:
        return None
    low, high = (
        Decimal(schema.get(bound, end)) for bound, end in (("minimum", made.low), ("maximum", made.high))
    )
    if "exclusiveMinimum" in schema:
        low = max(low, Decimal(schema["exclusiveMinimum"]) + made.step)
    if "exclusiveMaximum" in schema:
        high = min(high, Decimal(schema["exclusiveMaximum"]) - made.step)
    none = 0 in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum"))
    return replace(made, low=low, high=high, zero=low <= 0 <= high and not none)


def of_type(name: str) -> Range | None:
    """What a type can hold, by its name as Iceberg calls it; None for what is not a number."""
    return _TYPES.get(name)


def fits(value: Range, into: Range) -> bool:
    """Whether a cast from the one to the other never fails; what it rounds away is not a failure."""
    if into.scale is None:
        return value.problem() is None
    with localcontext(_CONTEXT):
        slack = _slack(value)
        return into.low <= value.low - slack and value.high + slack <= into.high


def hull(values: Iterable[Value]) -> Value:
    """What one of several is."""
    held = list(values)
    if not held or not all(isinstance(one, Range) for one in held):
        return Text() if any(isinstance(one, Text) for one in held) else None
    ranges = [one for one in held if isinstance(one, Range)]
    made = ranges[0]
    for one in ranges[1:]:
        made = _combined(made, one, min(made.low, one.low), max(made.high, one.high))
    counted = all(one.counted for one in ranges if one.high > 0)
    return replace(made, zero=any(one.zero for one in ranges), counted=counted)


def add(left: Range, right: Range) -> Range:
    """The sum of two."""
    with localcontext(_CONTEXT):
        return _combined(left, right, left.low + right.low, left.high + right.high)


def negate(value: Range) -> Range:
    """The opposite."""
    # A minus sign would round to the digits of the context.
    return replace(value, low=value.high.copy_negate(), high=value.low.copy_negate(), counted=False)


def multiply(left: Range, right: Range) -> Range:
    """The product of two."""
    with localcontext(_CONTEXT):
        ends = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
        made = _combined(left, right, min(ends), max(ends))
        scale = None if left.scale is None or right.scale is None else left.scale + right.scale
        return replace(made, scale=scale, step=left.step * right.step, zero=left.zero or right.zero)


def divide(left: Range, right: Range) -> Range:
    """The quotient, a double on both engines; `right` is not 0."""
    with localcontext(_CONTEXT):
        nearest = right.step if right.low <= 0 <= right.high else min(abs(right.low), abs(right.high))
        most = max(abs(left.low), abs(left.high))
        largest = most / nearest if nearest else _INFINITE
        low = -largest if left.low < 0 or right.low < 0 else Decimal(0)
        return Range(low, largest, None, step=Decimal(0))


def remainder(left: Range, right: Range) -> Range:
    """What division by `right` leaves."""
    most = max(right.low.copy_abs(), right.high.copy_abs())
    return _combined(left, right, most.copy_negate() if left.low < 0 else Decimal(0), most)


def floor(value: Range) -> Range:
    """Rounded down."""
    with localcontext(_CONTEXT):
        return replace(
            value, low=value.low - 1, scale=None if value.scale is None else 0, bits=128, zero=True
        )


def total(value: Range, rows: Decimal = ROWS) -> Range:
    """The sum of a column over as many rows as there may be, or of a list with as many items."""
    if value.counted:
        return replace(value, low=min(value.low, Decimal(0)), high=ROWS, zero=True)
    with localcontext(_CONTEXT):
        low, high = min(value.low, Decimal(0)) * rows, max(value.high, Decimal(0)) * rows
    # Athena adds integers in 64 bits; decimals are added in the widest there are.
    return replace(value, low=low, high=high, bits=128 if value.decimal else max(value.bits, 64), zero=True)


def mean(value: Range) -> Range:
    """The mean of a column as a double: between its ends, but for how a double is rounded."""
    with localcontext(_CONTEXT):
        slack = _slack(replace(value, scale=None))
        low, high = min(value.low, Decimal(0)), max(value.high, Decimal(0))
        return Range(low - slack, high + slack, None, step=Decimal(0))


def count(*, least: int = 0) -> Range:
    """How many rows there are."""
    return Range(Decimal(least), ROWS, 0, 64, zero=least == 0, counted=True)


def _combined(left: Range, right: Range, low: Decimal, high: Decimal) -> Range:
    scale = None if left.scale is None or right.scale is None else max(left.scale, right.scale)
    decimal_ = left.decimal or right.decimal
    # An integer beside a decimal becomes one: of 10 digits, or of 19.
    bits = max(
        one.bits if one.decimal == decimal_ else 64 if one.bits == 32 else 128 for one in (left, right)
    )
    return Range(low, high, scale, bits, min(left.step, right.step), decimal=decimal_)


def _slack(value: Range) -> Decimal:
    with localcontext(_CONTEXT):
        most = value.most
        return most * _ROUNDING if value.scale is None and most.is_finite() else Decimal(0)


def decimal(precision: int, scale: int) -> Range:
    """What a decimal of so many digits, `scale` of them behind the point, can hold."""
    with localcontext(_CONTEXT):
        most = (Decimal(10) ** precision - 1) / Decimal(10) ** scale
        bits = 64 if precision <= SHORT_DIGITS else 128
        return Range(most.copy_negate(), most, scale, bits, Decimal(10) ** -scale, decimal=True)


_TYPES = {
    "int": Range(Decimal(-(2**31)), Decimal(2**31 - 1), 0, 32),
    "long": Range(Decimal(INT64[0]), Decimal(INT64[1]), 0, 64),
    # What one amount may be, which is less than its type holds.
    "decimal": Range(Decimal(-LIMIT), Decimal(LIMIT), SCALE, 64, Decimal(10) ** -SCALE, decimal=True),
    WIDE_MONEY: decimal(DIGITS, SCALE),
    WIDE_INTEGER: decimal(DIGITS, 0),
    "double": Range(_LARGEST_DOUBLE.copy_negate(), _LARGEST_DOUBLE, None, step=Decimal(0)),
}
