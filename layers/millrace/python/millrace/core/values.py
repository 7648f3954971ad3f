"""What a caller sends, read by a JSON Schema of the API's document: checked, typed, with its defaults filled in.

A schema is read as it stands, so nothing is compiled for a call. Of JSON Schema it may use `KEYWORDS`; the build refuses
a document that uses another where a caller's value is read (`compiler.api_document`).
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from millrace.core import clock

Schema = Mapping[str, Any]
KEYWORDS = frozenset(
    {"type", "format", "enum", "const", "oneOf", "default", "description", "examples"}
    | {"pattern", "minLength", "maxLength", "minimum", "maximum", "items", "minItems", "maxItems"}
    | {"properties", "required", "additionalProperties", "minProperties", "x-millrace-contract"}
)
# In the place of a schema: the function has a contract decide about the value, and gets it as it was sent.
CONTRACT = "x-millrace-contract"
FORMATS = frozenset({"date-time"})
# How messages call the whole of a request's body.
BODY = "the body"
_TYPES: dict[str, tuple[type | tuple[type, ...], str]] = {
    "object": (dict, "an object"),
    "array": (list, "an array"),
    "string": (str, "a text"),
    "integer": (int, "a whole number"),
    "number": ((int, float), "a number"),
    "boolean": (bool, "true or false"),
    "null": (type(None), "null"),
}
_DIGITS = re.compile(r"-?[0-9]+", re.ASCII)
_NUMBER = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,40})?([eE][+-]?[0-9]{1,3})?", re.ASCII)
_BOOLEANS = {"true": True, "false": False}
# Digits of an integer whose schema names no maximum.
_INTEGER_DIGITS = 18
# Characters of names that a caller chose, in a message.
_SHOWN = 200


class BadValueError(ValueError):
    """A value is not what its schema allows; the message is a sentence that names it."""


def parse(schema: Schema, text: str, name: str) -> Any:
    """The value of a parameter, which a URL holds as text; values of an array stand with commas between.

    Raises:
        BadValueError: the schema does not allow it.
    """
    return read(schema, _from_text(schema, text), name)


def read(schema: Schema, value: Any, name: str) -> Any:
    """A JSON value, checked: a `date-time` as a `datetime` with an offset, absent fields with their defaults.

    Args:
        schema: of the value.
        value: as it was sent.
        name: how messages call it.

    Raises:
        BadValueError: the schema does not allow it.
    """
    if "oneOf" in schema:
        schema = _form(schema["oneOf"], value)
    if "type" in schema and not any(_is(kind, value) for kind in _types(schema)):
        raise _wrong(schema, name)
    if "const" in schema and value != schema["const"]:
        raise BadValueError(f"{name} must be {_json(schema['const'])}")
    if "enum" in schema and value not in schema["enum"]:
        raise BadValueError(f"{name} must be one of {', '.join(map(_json, schema['enum']))}")
    if isinstance(value, dict):
        return _object(schema, value, name)
    if isinstance(value, list):
        return _array(schema, value, name)
    if isinstance(value, str):
        return _text(schema, value, name)
    if _is("number", value):
        _check_range(schema, value, name)
    return value


def missing(schema: Schema, name: str) -> BadValueError:
    """The error of a value that must be there and is not; what it is for is said with it."""
    description = " ".join(str(schema.get("description", "")).split())
    return BadValueError(f"{name} is missing: {description}" if description else f"{name} is missing")


def unknown(names: Sequence[str], where: str) -> BadValueError:
    """The error of names that mean nothing."""
    return BadValueError(f"unknown {where}: {', '.join(names)}"[:_SHOWN])


def _from_text(schema: Schema, text: str) -> Any:
    """What a text stands for by its schema's type; the text itself where it stands for nothing of that type."""
    kind = schema.get("type")
    if kind == "array":
        return [_from_text(schema.get("items", {}), part) for part in text.split(",")]
    if kind == "boolean":
        return _BOOLEANS.get(text, text)
    if kind == "integer":
        digits = len(str(schema["maximum"])) if "maximum" in schema else _INTEGER_DIGITS
        return int(text) if _DIGITS.fullmatch(text) and len(text) <= digits else text
    if kind == "number":
        number = float(text) if _NUMBER.fullmatch(text) else math.nan
        return number if math.isfinite(number) else text
    # A plus sign that was not encoded arrives as a space.
    return text.replace(" ", "+") if schema.get("format") == "date-time" else text


def _form(forms: Sequence[Schema], value: Any) -> Schema:
    """Which of several objects is meant: the first whose required fields are there, else the last."""
    given = value if isinstance(value, dict) else {}
    return next((form for form in forms if set(form.get("required", ())) <= set(given)), forms[-1])


def _types(schema: Schema) -> list[str]:
    kinds = schema["type"]
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _is(kind: str, value: Any) -> bool:
    # Python's booleans are integers, JSON's are not.
    return isinstance(value, _TYPES[kind][0]) and (kind == "boolean" or not isinstance(value, bool))


def _wrong(schema: Schema, name: str) -> BadValueError:
    """Says what a value must be: its type, with the range of a number."""
    wanted = " or ".join(_TYPES[kind][1] for kind in _types(schema))
    bounds = [
        f"{word} {schema[key]}" for word, key in (("from", "minimum"), ("to", "maximum")) if key in schema
    ]
    return BadValueError(" ".join([f"{name} must be {wanted}", *bounds]))


def _json(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _check_range(schema: Schema, value: float, name: str) -> None:
    if not schema.get("minimum", -math.inf) <= value <= schema.get("maximum", math.inf):
        raise _wrong(schema, name)


def _text(schema: Schema, value: str, name: str) -> Any:
    if len(value) < schema.get("minLength", 0):
        raise BadValueError(f"{name} is too short: at least {schema['minLength']} characters")
    if len(value) > schema.get("maxLength", math.inf):
        raise BadValueError(f"{name} is too long: at most {schema['maxLength']} characters")
    if "pattern" in schema and not re.fullmatch(schema["pattern"], value, re.ASCII | re.DOTALL):
        # Nobody sees what is not printable, so it is named.
        odd = next(
            (f", without the character U+{ord(one):04X}" for one in value if not one.isprintable()), ""
        )
        raise BadValueError(f"{name} must look like {' or '.join(schema['examples'])}{odd}")
    if schema.get("format") == "date-time":
        try:
            return clock.parse(value)
        except (ValueError, OverflowError) as error:
            raise BadValueError(
                f"{name} must be ISO-8601 with an offset, like 2026-11-21T06:00:00Z"
            ) from error
    return value


def _array(schema: Schema, value: list[Any], name: str) -> list[Any]:
    least, most = schema.get("minItems", 0), schema.get("maxItems", math.inf)
    if not least <= len(value) <= most:
        bound = f"at least {least}" if len(value) < least else f"at most {most}"
        raise BadValueError(f"{name} must have {bound} items, and these are {len(value)}")
    items = schema.get("items", {})
    return [read(items, item, f"{name}[{index}]") for index, item in enumerate(value)]


def _object(schema: Schema, value: dict[str, Any], name: str) -> dict[str, Any]:
    fields: Mapping[str, Schema] = schema.get("properties", {})
    if schema.get("additionalProperties", True) is False and (others := sorted(value.keys() - fields.keys())):
        raise unknown(others, f"in {name}")
    for field in schema.get("required", ()):
        if field not in value:
            raise missing(fields.get(field, {}), field)
    if len(value) < schema.get("minProperties", 0):
        raise BadValueError(f"{name} must have one of {', '.join(fields)}")
    result = dict(value)
    for field, inner in fields.items():
        if field in value:
            result[field] = read(inner, value[field], field if name == BODY else f"{name}.{field}")
        elif "default" in inner:
            result[field] = inner["default"]
    return result
