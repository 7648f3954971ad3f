"""Hypothesis strategies for events, made from a contract's JSON Schema."""

import re
import string
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

from millrace.contracts import formats
from millrace.contracts.contract import Contract
from millrace.contracts.decimals import LIMIT, is_decimal
from millrace.contracts.schema import json_type

_FREE = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)
_MOMENT = re.compile(formats.FORMATS["date-time"]["pattern"])
_PRINTABLE = st.characters(codec="utf-8", exclude_categories=("Cc", "Cf", "Cs"))


def events(contract: Contract) -> st.SearchStrategy[dict[str, Any]]:
    """Events that keep the contract's JSON Schema; its cross-field rules they may break."""
    identifier = st.text(_PRINTABLE, min_size=1, max_size=8)
    return st.fixed_dictionaries(
        {
            "eventId": st.uuids(version=4).map(str),
            "eventType": st.just(contract.event_type),
            "timestamp": _MOMENTS,
            "data": values(contract.data_schema),
        },
        optional={
            **dict.fromkeys(
                ("eventSource", "correlationId", "userId", "sessionId", "environment", "region"), identifier
            ),
            "version": st.sampled_from([contract.version, str(contract.major)]),
        },
    )


def values(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that keep a field's JSON Schema."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds: dict[str, Callable[[dict[str, Any]], st.SearchStrategy[Any]]] = {
        "object": _objects,
        "array": _arrays,
        "string": _texts,
        "integer": _integers,
        "number": _numbers,
        "boolean": lambda _: st.booleans(),
    }
    made = kinds[json_type(schema)](schema)
    return made | st.none() if isinstance(schema["type"], list) else made


def _objects(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    fields = {name: values(part) for name, part in schema.get("properties", {}).items()}
    if not fields:
        return (
            st.dictionaries(st.text(max_size=5), _FREE, max_size=2)
            if "properties" not in schema
            else st.just({})
        )
    required = set(schema.get("required", ()))
    return st.fixed_dictionaries(
        {name: part for name, part in fields.items() if name in required},
        optional={name: part for name, part in fields.items() if name not in required},
    )


def _arrays(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    least = schema.get("minItems", 0)
    size = {"min_size": least, "max_size": min(schema.get("maxItems", 3), least + 3)}
    lists = st.lists(values(schema["items"]), **size)
    return (
        lists.filter(lambda items: len({*map(repr, items)}) == len(items))
        if schema.get("uniqueItems")
        else lists
    )


def _texts(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    least, most = schema.get("minLength", 0), schema.get("maxLength", 10)
    if schema.get("format") == "date-time":
        return _MOMENTS
    if schema.get("format") == "date":
        return st.dates().map(str).filter(lambda day: day[0] != "0")
    if schema.get("pattern") == formats.FORMATS["identifier"]["pattern"]:
        return st.text(_PRINTABLE, min_size=least, max_size=8)
    if schema.get("format") == "email":
        return st.from_regex(r"^[A-Za-z0-9_+]{1,5}(\.[a-z]{1,3})?@([a-z0-9]{1,3}\.){1,2}[a-z]{2}\Z")
    if "pattern" in schema:
        ends = schema["pattern"].removesuffix("$") + r"\Z"
        texts = st.from_regex(ends, alphabet=st.characters(codec="ascii"))
        return texts.filter(lambda text: least <= len(text) <= schema.get("maxLength", len(text)))
    return st.text(st.characters(codec="utf-8"), min_size=least, max_size=min(most, least + 10))


def _moments() -> st.SearchStrategy[str]:
    moment = st.datetimes().filter(lambda one: one.year >= 1000)
    offset = st.sampled_from(["Z", "+00:00", "-00:00", "+05:45", "-11:30", "+14:00"])
    digits = st.sampled_from(["", ".5", ".123"]) | st.text(string.digits, min_size=1, max_size=9).map(
        ".".__add__
    )
    texts = st.builds(lambda at, part, zone: f"{at:%Y-%m-%dT%H:%M:%S}{part}{zone}", moment, digits, offset)
    # The first year and the last take no offset that leads out of them.
    return texts.filter(_MOMENT.fullmatch)


_MOMENTS = _moments()


def _integers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    return st.integers(schema["minimum"], schema["maximum"])


def _numbers(schema: dict[str, Any]) -> st.SearchStrategy[Any]:
    least = schema.get("exclusiveMinimum", schema.get("minimum", -LIMIT))
    most = schema.get("exclusiveMaximum", schema.get("maximum", LIMIT))
    if is_decimal(schema):
        numbers: st.SearchStrategy[Any] = st.decimals(least, most, places=4).map(float) | st.integers(
            least, most
        )
    else:
        numbers = st.floats(least, most, allow_nan=False, allow_infinity=False) | st.integers(least, most)
    return numbers.filter(
        lambda value: (
            value > schema.get("exclusiveMinimum", value - 1)
            and value < schema.get("exclusiveMaximum", value + 1)
        )
    )
