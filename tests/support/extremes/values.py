"""The extreme values of one field, from its JSON Schema: at both ends of what it takes, one step beyond, and the oddest between.

Every list begins with the smallest and the largest; what a schema does not take falls out of the list by asking the schema.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import jsonschema_rs

from millrace.contracts.decimals import INT64, LIMIT, SCALE, is_decimal
from millrace.contracts.schema import json_type, types

# Each end of each range that some encoding, engine or format treats alike, and what is drawn with its neighbours.
CHARACTERS = {
    "space": " ",
    "quote": "'",
    "double quote": '"',
    "backslash": "\\",
    "percent": "%",
    "slash": "/",
    "hash": "#",
    "U+0000": "\u0000",
    "U+001F": "\u001f",
    "U+007F": "\u007f",
    "U+0080": "\u0080",
    "U+00FF": "\u00ff",
    "U+07FF": "\u07ff",
    "U+0800": "\u0800",
    "U+2028": "\u2028",
    "U+D7FF": "\ud7ff",
    "U+E000": "\ue000",
    "U+FFFD": "\ufffd",
    "U+FFFE": "\ufffe",
    "U+FFFF": "\uffff",
    "U+10000": "\U00010000",
    "U+10FFFF": "\U0010ffff",
    "combining": "e\u0301",
    "right to left": "\u05d0",
    "override": "\u202e",
    "joined": "\U0001f468\u200d\U0001f469",
    "sharp s": "\u00df",
    "dotted i": "\u0130",
}
# Iceberg cuts the bounds of a text behind this many characters, and counts the last one up.
CUT = 16
# A text without a limit of its own is tried at this length; what a whole event holds is tried elsewhere.
LONGEST = 4096
_WIDTHS = (2**15, 2**16, 2**31, 2**32, 2**53, 2**63, 2**64)
_DOUBLES = (
    1.7976931348623157e308,
    5e-324,
    2.2250738585072014e-308,
    1e20,
    1e16,
    1e15,
    0.1 + 0.2,
    123456789.123456789,
)
_MOMENTS = (
    "1000-01-01T00:00:00Z",
    "9999-12-31T23:59:59.999999999Z",
    "1000-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "1000-01-01T00:00:00.000000001-23:59",
    "9999-12-31T23:59:59.999999+23:59",
    "1582-10-15T00:00:00Z",
    "1677-09-21T00:12:43.145224193Z",
    "1900-02-28T23:59:59.9Z",
    "1969-12-31T23:59:59.999999999Z",
    "1970-01-01T00:00:00.00Z",
    "2000-02-29T12:00:00.123-00:00",
    "2038-01-19T03:14:08.1234+05:45",
    "2262-04-11T23:47:16.854775807Z",
    "2262-04-11T23:47:16.854775808Z",
    "2026-11-29T00:00:00.12345-23:59",
    "2026-11-29T23:59:59.123456+23:59",
    "2026-11-29T12:00:00.1234567Z",
    "2026-11-29T12:00:00.12345678Z",
)
_DAYS = ("1000-01-01", "9999-12-31", "1582-10-15", "1969-12-31", "2000-02-29", "2024-02-29", "2100-02-28")
_TEXTS = (
    "nan",
    "NaN",
    "Infinity",
    "null",
    "true",
    "0042",
    "1e5",
    "12345678901234567890",
    "' OR 1=1 --",
    "=1+1",
    "../../etc/passwd",
    "${x}",
    "{{ x }}",
    "a,b;c\td",
    "session:x",
    "a#b%23c",
    "\n",
    "x " * 8 + "x",
)
_KINDS = {
    "uuid": (
        "00000000-0000-4000-8000-000000000000",
        "ffffffff-ffff-4fff-bfff-ffffffffffff",
        "FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF",
    ),
    "email": ("a@b.c", "{}@" + ".".join(["x" * 63] * 3) + ".yy", "!#$%&'*+/=?^_`{{|}}~-@a-b.c0"),
    "uri": ("a:b", "https://a/{}", "x+y.z-1:%00%FF?#[]@!$&'()*+,;="),
    "hostname": ("a", ".".join(["x" * 63] * 3) + "." + "y" * 61, "a-b.0"),
    "ipv4": ("0.0.0.0", "255.255.255.255"),
}


@dataclass(frozen=True, slots=True)
class Extreme:
    """A value and what it is called in a report."""

    name: str
    value: Any


class Node:
    """A field's schema, and the values that it accepts."""

    def __init__(self, schema: dict[str, Any]) -> None:
        self.schema = schema
        bare = {key: part for key, part in schema.items() if not (key == "multipleOf" and is_decimal(schema))}
        self._judge = jsonschema_rs.Draft202012Validator(
            bare, validate_formats=True, pattern_options=jsonschema_rs.RegexOptions()
        )

    def takes(self, value: Any) -> bool:
        """Whether the schema alone takes a value."""
        if is_decimal(self.schema) and isinstance(value, float) and round(value, SCALE) != value:
            return False
        return bool(self._judge.is_valid(value))


def accepted(schema: dict[str, Any]) -> list[Extreme]:
    """What a field takes: its smallest, its largest, then all that is odd; objects and arrays by their parts elsewhere."""
    node = Node(schema)
    return _once([one for one in _candidates(schema) if node.takes(one.value)])


def refused(schema: dict[str, Any]) -> list[Extreme]:
    """What lies one step beyond a field's ends, and values of other kinds: intake must name the field."""
    node = Node(schema)
    return _once([one for one in _beyond(schema) if not node.takes(one.value)])


def _candidates(schema: dict[str, Any]) -> Iterator[Extreme]:
    if "enum" in schema:
        yield from (Extreme(f"enum {value}", value) for value in schema["enum"])
        return
    match json_type(schema):
        case "string":
            yield from _texts(schema)
        case "integer":
            yield from _integers(schema)
        case "number":
            yield from _decimals(schema) if is_decimal(schema) else _numbers(schema)
        case "boolean":
            yield from (Extreme("false", False), Extreme("true", True))
    if "null" in schema.get("type", ()):
        yield Extreme("null", None)


def _texts(schema: dict[str, Any]) -> Iterator[Extreme]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", LONGEST)
    if schema.get("format") in ("date-time", "date"):
        yield from (Extreme(text, text) for text in (_MOMENTS if schema["format"] == "date-time" else _DAYS))
        return
    if "const" in schema:
        yield Extreme("const", schema["const"])
        return
    for name, made in _KINDS.items():
        if schema.get("format") == name:
            for text in made:
                bare = text.replace("{{", "{").replace("}}", "}")
                yield Extreme(bare, bare.replace("{}", "x" * min(64, most - len(bare) + 2)))
    yield Extreme("shortest", "a" * least)
    yield Extreme("longest", "z" * most)
    yield Extreme("shortest but one", "a" * (least + 1))
    yield Extreme("longest but one", "z" * (most - 1))
    # Patterns of few letters: codes of countries and currencies, addresses, versions.
    for letter in "AZ0f:.":
        for length in {2, 3, 39, 45, most}:
            yield Extreme(f"{letter} × {length}", letter * length)
    yield from (Extreme(text, text) for text in ("::", "1", "1.0", "::ffff:255.255.255.255", "0.0.0.0"))
    for name, character in CHARACTERS.items():
        yield Extreme(name, character[: most or 1])
        yield Extreme(f"{name} at {CUT}", ("x" * (CUT - 1) + character + "x")[:most])
        yield Extreme(f"{name} throughout", (character * most)[:most])
    yield from (Extreme(text, text[:most]) for text in _TEXTS)


def _integers(schema: dict[str, Any]) -> Iterator[Extreme]:
    low, high = schema.get("minimum", INT64[0]), schema.get("maximum", INT64[1])
    # A float of that width would be another number, or none of 64 bits.
    yield Extreme("smallest", low)
    yield Extreme("largest", high)
    yield from (Extreme(f"{value}", value) for value in (low + 1, high - 1, 0, 1, -1))
    for width in _WIDTHS:
        yield from (Extreme(f"{value}", value) for value in (width - 1, width, width + 1, -width, 1 - width))
    # JSON has one kind of number: 3.0 is an integer.
    yield from (Extreme(f"{value!r}", value) for value in (3.0, 0.0, -0.0, float(2**53)))


def _decimals(schema: dict[str, Any]) -> Iterator[Extreme]:
    step = Decimal(1).scaleb(-SCALE)
    low, high = _ends(schema, -LIMIT, LIMIT, step)
    yield Extreme("smallest", _number(low))
    yield Extreme("largest", _number(high))
    near = (
        low + step,
        high - step,
        Decimal(0),
        step,
        -step,
        Decimal("0.005"),
        Decimal("0.015"),
        Decimal("0.07"),
    )
    more = (
        Decimal("999999999999.9999"),
        Decimal("99999999999999.9999"),
        Decimal("12345.6789"),
        Decimal(2) ** 31,
    )
    yield from (Extreme(f"{value}", _number(value)) for value in (*near, *more))
    yield from (Extreme(f"{value!r}", value) for value in (-0.0, 1e11, 1e12, 1.0))


def _ends(schema: dict[str, Any], low: int, high: int, step: Decimal) -> tuple[Decimal, Decimal]:
    least = Decimal(str(schema.get("minimum", low)))
    most = Decimal(str(schema.get("maximum", high)))
    if "exclusiveMinimum" in schema:
        least = max(least, Decimal(str(schema["exclusiveMinimum"])) + step)
    if "exclusiveMaximum" in schema:
        most = min(most, Decimal(str(schema["exclusiveMaximum"])) - step)
    return least, most


def _number(value: Decimal) -> float | int:
    return int(value) if value == value.to_integral_value() else float(value)


def _numbers(schema: dict[str, Any]) -> Iterator[Extreme]:
    largest = _DOUBLES[0]
    low, high = schema.get("minimum", -largest), schema.get("maximum", largest)
    if "exclusiveMinimum" in schema:
        low = _next(float(schema["exclusiveMinimum"]))
    yield Extreme("smallest", low)
    yield Extreme("largest", high)
    for value in (*_DOUBLES, 0.0, 1.0, 0.5):
        yield from (Extreme(f"{one!r}", one) for one in (value, -value))
    for width in _WIDTHS:
        yield from (Extreme(f"{value}", value) for value in (width - 1, -width, float(width), width + 1))


def _next(value: float) -> float:
    (bits,) = struct.unpack("<q", struct.pack("<d", value))
    (following,) = struct.unpack("<d", struct.pack("<q", bits + 1))
    return float(following)


def _beyond(schema: dict[str, Any]) -> Iterator[Extreme]:
    kind = json_type(schema)
    if "enum" in schema or "const" in schema:
        yield Extreme("no such value", "no such value")
    match kind:
        case "string":
            yield from _texts_beyond(schema)
        case "integer":
            yield Extreme("below", schema.get("minimum", INT64[0]) - 1)
            yield Extreme("above", schema.get("maximum", INT64[1]) + 1)
            yield Extreme("a half", 0.5)
        case "number":
            yield from _numbers_beyond(schema)
        case "array":
            if "minItems" in schema:
                yield Extreme("too few", [])
    yield Extreme("another kind", 7 if kind in ("string", "boolean", "object", "array") else "7")
    if "null" not in schema.get("type", ()):
        yield Extreme("null", None)


def _texts_beyond(schema: dict[str, Any]) -> Iterator[Extreme]:
    if schema.get("format") == "date-time":
        for text in (
            "0999-12-31T23:59:59Z",
            "2023-02-29T00:00:00Z",
            "2026-11-29T23:59:60Z",
            "2026-11-29T12:00:00",
        ):
            yield Extreme(text, text)
        yield Extreme("ten digits", "2026-11-29T12:00:00.1234567890Z")
        return
    if schema.get("format") == "date":
        yield from (Extreme(text, text) for text in ("0999-12-31", "2023-02-29", "10000-01-01"))
        return
    if schema.get("minLength", 0):
        yield Extreme("too short", "a" * (schema["minLength"] - 1))
    if "maxLength" in schema:
        yield Extreme("too long", "A" * (schema["maxLength"] + 1))
    for name, character in CHARACTERS.items():
        if "pattern" in schema:
            yield Extreme(f"{name} in it", f"A{character}"[: schema.get("maxLength", 2)])


def _numbers_beyond(schema: dict[str, Any]) -> Iterator[Extreme]:
    step = Decimal(1).scaleb(-SCALE)
    if is_decimal(schema):
        low, high = _ends(schema, -LIMIT, LIMIT, step)
        yield Extreme("below", _number(low - step))
        yield Extreme("above", _number(high + step))
        yield Extreme("five decimals", 0.00001)
        yield Extreme("1e20", 1e20)
        return
    if "minimum" in schema:
        yield Extreme("below", -5e-324 if schema["minimum"] == 0 else schema["minimum"] - 1e-9)
    if "maximum" in schema:
        yield Extreme("above", schema["maximum"] + 1e-9)


def _once(extremes: list[Extreme]) -> list[Extreme]:
    """The first of equal values: by text, because 1, 1.0 and true are one to Python."""
    kept: dict[str, Extreme] = {}
    for one in extremes:
        kept.setdefault(repr(one.value), one)
    return list(kept.values())


def is_free(schema: dict[str, Any]) -> bool:
    """Whether a field is an object without declared properties."""
    return "object" in types(schema) and "properties" not in schema
