"""Values by their schemas: what is taken, as what type, and what a message says of what is not."""

from datetime import UTC, datetime
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.values import BODY, BadValueError, parse, read

LIMIT = {"type": "integer", "minimum": 1, "maximum": 500, "default": 50}
MOMENT = {"type": "string", "format": "date-time"}
ENTITY = {"type": "string", "pattern": "^[^:]+:.+$", "maxLength": 20, "examples": ["order:A-17"]}
NAMES = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}
FILTER = {
    "description": "Which ones are meant.",
    "oneOf": [
        {
            "type": "object",
            "additionalProperties": False,
            "required": ["all"],
            "properties": {"all": {"type": "boolean", "const": True}},
        },
        {
            "type": "object",
            "additionalProperties": False,
            "minProperties": 1,
            "properties": {"code": {"type": "string", "minLength": 1}, "from": MOMENT},
        },
    ],
}
REQUEST = {
    "type": "object",
    "additionalProperties": False,
    "required": ["filter"],
    "properties": {
        "filter": FILTER,
        "patch": {"type": ["array", "null"], "maxItems": 2, "items": {"type": "object"}},
        "dryRun": {"type": "boolean", "default": False},
    },
}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        (LIMIT, "1", 1),
        (LIMIT, "500", 500),
        ({"type": "integer"}, "-12", -12),
        ({"type": "number"}, "-1.5e3", -1500.0),
        ({"type": "boolean"}, "false", False),
        ({"type": "string", "enum": ["a", "b"]}, "b", "b"),
        ({"type": "string"}, "10", "10"),
        (MOMENT, "2026-11-21T06:00:00Z", datetime(2026, 11, 21, 6, tzinfo=UTC)),
        (MOMENT, "2026-11-21T07:00:00 01:00", datetime(2026, 11, 21, 6, tzinfo=UTC)),
        (ENTITY, "order:a:b", "order:a:b"),
        (NAMES, "a", ["a"]),
        (NAMES, "a,", ["a", ""]),
        ({}, "x", "x"),
    ],
)
def test_a_text_becomes_what_its_schema_says(schema: dict[str, Any], text: str, value: object) -> None:
    result = parse(schema, text, "p")
    assert (result, type(result)) == (value, type(value))


@pytest.mark.parametrize(
    ("schema", "text", "message"),
    [
        (LIMIT, "0", "p must be a whole number from 1 to 500"),
        (LIMIT, "501", "p must be a whole number from 1 to 500"),
        (LIMIT, "1.0", "p must be a whole number from 1 to 500"),
        (LIMIT, "0000019", "p must be a whole number from 1 to 500"),
        (LIMIT, "9" * 5000, "p must be a whole number from 1 to 500"),
        (LIMIT, "١", "p must be a whole number from 1 to 500"),
        ({"type": "number"}, "nan", "p must be a number"),
        ({"type": "number"}, "1e999", "p must be a number"),
        ({"type": "number"}, "1_0", "p must be a number"),
        ({"type": "number", "minimum": 0}, "-1", "p must be a number from 0"),
        ({"type": "boolean"}, "True", "p must be true or false"),
        ({"type": "string", "enum": ["a", "b"]}, "c", "p must be one of a, b"),
        ({"type": "string", "minLength": 1}, "", "p is too short: at least 1 characters"),
        (ENTITY, "order:" + "x" * 15, "p is too long: at most 20 characters"),
        (ENTITY, "order:", "p must look like order:A-17"),
        (ENTITY, ":a", "p must look like order:A-17"),
        (ENTITY, "a\u202eb", "p must look like order:A-17, without the character U+202E"),
        (MOMENT, "yesterday", "p must be ISO-8601 with an offset, like 2026-11-21T06:00:00Z"),
        (MOMENT, "2026-11-21T06:00:00", "p must be ISO-8601 with an offset, like 2026-11-21T06:00:00Z"),
        (NAMES, "a,b,c", "p must have at most 2 items, and these are 3"),
    ],
)
def test_a_text_that_is_not_allowed_is_named(schema: dict[str, Any], text: str, message: str) -> None:
    with pytest.raises(BadValueError) as raised:
        parse(schema, text, "p")
    assert str(raised.value) == message


def test_a_body_is_typed_and_has_its_defaults() -> None:
    body = {"filter": {"from": "2026-11-21T06:00:00Z"}, "patch": None}
    assert read(REQUEST, body, BODY) == {
        "filter": {"from": datetime(2026, 11, 21, 6, tzinfo=UTC)},
        "patch": None,
        "dryRun": False,
    }
    assert body == {"filter": {"from": "2026-11-21T06:00:00Z"}, "patch": None}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ([], "the body must be an object"),
        ({}, "filter is missing: Which ones are meant."),
        ({"filter": None}, "filter must be an object"),
        ({"filter": {}}, "filter must have one of code, from"),
        ({"filter": {"colour": 1}}, "unknown in filter: colour"),
        ({"filter": {"all": True, "code": "x"}}, "unknown in filter: code"),
        ({"filter": {"all": 1}}, "filter.all must be true or false"),
        ({"filter": {"all": False}}, "filter.all must be true"),
        ({"filter": {"code": ""}}, "filter.code is too short: at least 1 characters"),
        ({"filter": {"code": 1}}, "filter.code must be a text"),
        ({"filter": {"all": True}, "limit": 1, "a": 2}, "unknown in the body: a, limit"),
        ({"filter": {"all": True}, "dryRun": None}, "dryRun must be true or false"),
        ({"filter": {"all": True}, "patch": "x"}, "patch must be an array or null"),
        ({"filter": {"all": True}, "patch": [1]}, "patch[0] must be an object"),
        ({"filter": {"all": True}, "patch": [{}] * 3}, "patch must have at most 2 items, and these are 3"),
    ],
)
def test_a_body_that_is_not_allowed_is_named(body: object, message: str) -> None:
    with pytest.raises(BadValueError) as raised:
        read(REQUEST, body, BODY)
    assert str(raised.value) == message


def test_names_that_a_caller_chose_do_not_fill_a_message() -> None:
    with pytest.raises(BadValueError) as raised:
        read(REQUEST, {"x" * 10_000: 1}, BODY)
    assert len(str(raised.value)) == 200


_SCALARS: st.SearchStrategy[Any] = st.sampled_from(
    [None, True, False, 0, 1, 1.5, "", "x", "2026-11-21T06:00:00Z", [], {}]
)
_FILTERS = st.dictionaries(st.sampled_from(["all", "code", "from", "other"]), _SCALARS, max_size=2)
_PATCHES = st.lists(st.one_of(_SCALARS, st.just({"op": "add"})), max_size=3)
_BODIES = st.one_of(
    _SCALARS,
    st.fixed_dictionaries(
        {}, optional={"filter": _FILTERS | _SCALARS, "patch": _PATCHES, "dryRun": _SCALARS, "more": _SCALARS}
    ),
)


@given(_BODIES)
def test_what_is_taken_is_what_json_schema_takes(body: object) -> None:
    valid = jsonschema_rs.Draft202012Validator(REQUEST, validate_formats=True).is_valid(body)
    try:
        read(REQUEST, body, BODY)
    except BadValueError:
        assert not valid
    else:
        assert valid
