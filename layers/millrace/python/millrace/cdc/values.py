"""Values of PostgreSQL as JSON, to the digit, from the text that the server writes with `SETTINGS`.

Each built-in type has one form of JSON, so that a contract can name its type. The few values that this form cannot hold (NaN, infinity,
a year before Christ or of five digits, an array with a NULL or of several dimensions) stay what the server wrote, and are told apart as `Special`.
"""

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from millrace.core.errors import PermanentError

SETTINGS: Mapping[str, str] = {
    "DateStyle": "ISO, YMD",
    "TimeZone": "UTC",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "1",
    "bytea_output": "hex",
}
"""Of every session that reads: the text of a value depends on them."""

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d(?:\.\d{1,6})?)(\+00)?")
_NOT_FINITE = frozenset({"NaN", "Infinity", "-Infinity"})
# Names of built-in types by OID (`pg_type.dat`), and the arrays of each.
_TYPES = {
    "bool": (16, 1000),
    "bytea": (17, 1001),
    "int8": (20, 1016),
    "int2": (21, 1005),
    "int4": (23, 1007),
    "oid": (26, 1028),
    "float4": (700, 1021),
    "float8": (701, 1022),
    "date": (1082, 1182),
    "timestamp": (1114, 1115),
    "timestamptz": (1184, 1185),
    "numeric": (1700, 1231),
    # As text, and known here for their arrays.
    "char": (18, 1002),
    "name": (19, 1003),
    "text": (25, 1009),
    "json": (114, 199),
    "bpchar": (1042, 1014),
    "varchar": (1043, 1015),
    "time": (1083, 1183),
    "timetz": (1266, 1270),
    "interval": (1186, 1187),
    "uuid": (2950, 2951),
    "jsonb": (3802, 3807),
    "inet": (869, 1041),
    "cidr": (650, 651),
    "money": (790, 791),
    "int4range": (3904, 3905),
    "numrange": (3906, 3907),
    "tsrange": (3908, 3909),
    "tstzrange": (3910, 3911),
    "daterange": (3912, 3913),
    "int8range": (3926, 3927),
}


@dataclass(frozen=True, slots=True)
class Special:
    """A value that the form of its type cannot hold, as the server writes it."""

    text: str


Reader = Callable[[str], Any]
"""From the server's text to a value of JSON, or Special."""


def reader(oid: int, names: Mapping[int, str] | None = None) -> Reader:
    """How values of a type are read.

    Args:
        oid: of the type.
        names: of types that are not built in, the name of the built-in type below (that of a domain, from its message).
    """
    return _BY_OID.get(oid) or _BY_NAME.get((names or {}).get(oid, ""), str)


def is_list(name: str) -> bool:
    """Whether values of the built-in type of this name are lists: those of an array whose items are known here."""
    return name.startswith("_") and name in _BY_NAME


def _boolean(text: str) -> Any:
    return {"t": True, "f": False}[text[:1]]


def _float(text: str) -> Any:
    return Special(text) if text in _NOT_FINITE else float(text)


def _numeric(text: str) -> Any:
    return Special(text) if text in _NOT_FINITE else text


def _date(text: str) -> Any:
    return text if _DATE.fullmatch(text) else Special(text)


def _timestamp(text: str) -> Any:
    """RFC 3339: with an offset it ends in Z, without one in nothing."""
    found = _TIMESTAMP.fullmatch(text)
    return f"{found[1]}T{found[2]}{'Z' if found[3] else ''}" if found else Special(text)


def _bytes(text: str) -> Any:
    """Base64 (RFC 4648)."""
    if not text.startswith("\\x"):
        raise PermanentError("bytea is not written in hex: the session has other settings")
    return base64.b64encode(bytes.fromhex(text[2:])).decode()


def _array(element: Reader) -> Reader:
    def read(text: str) -> Any:
        items = array(text, element)
        return Special(text) if items is None else items

    return read


def array(text: str, element: Reader) -> list[Any] | None:
    """The items of an array's text ("Array Input and Output Syntax", PostgreSQL documentation).

    None where a list of one type cannot hold it: of several dimensions (which the type of a column does not say), with a NULL or a
    special item, or with a lower bound other than 1.

    Raises:
        PermanentError: no array.
    """
    if text.startswith(("[", "{{")):
        return None
    try:
        return _items(text, element)
    except (IndexError, ValueError) as error:
        raise PermanentError("the text of an array is broken") from error


def _items(text: str, element: Reader) -> list[Any] | None:
    items: list[Any] = []
    at, last = 1, len(text) - 1
    if text[0] != "{" or text[last] != "}":
        raise ValueError("no braces around it")
    while at < last:
        item, at = _quoted(text, at + 1) if text[at] == '"' else _bare(text, at)
        value = None if item is None else element(item)
        if value is None or isinstance(value, Special):
            return None
        items.append(value)
        if text[at] != "," and at != last:
            raise ValueError("no comma between items")
        at += 1
    return items


def _quoted(text: str, at: int) -> tuple[str, int]:
    pieces = []
    while text[at] != '"':
        if text[at] == "\\":
            at += 1
        pieces.append(text[at])
        at += 1
    return "".join(pieces), at + 1


# What is not quoted has none of these.
_BARE = re.compile(r'[^,{}"\\]+')


def _bare(text: str, at: int) -> tuple[str | None, int]:
    found = _BARE.match(text, at)
    if found is None:
        raise ValueError("an item of nothing")
    return None if found[0] == "NULL" else found[0], found.end()


_BY_NAME: dict[str, Reader] = {
    "bool": _boolean,
    "bytea": _bytes,
    "int8": int,
    "int2": int,
    "int4": int,
    "oid": int,
    "float4": _float,
    "float8": _float,
    "date": _date,
    "timestamp": _timestamp,
    "timestamptz": _timestamp,
    "numeric": _numeric,
}
_BY_OID: dict[int, Reader] = {}
for _name, (_oid, _array_oid) in _TYPES.items():
    _BY_OID[_oid] = _BY_NAME.get(_name, str)
    _BY_OID[_array_oid] = _array(_BY_OID[_oid])
    # As the catalog calls the type of an array.
    _BY_NAME[f"_{_name}"] = _BY_OID[_array_oid]
