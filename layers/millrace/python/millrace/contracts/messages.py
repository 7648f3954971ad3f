"""From what the validator finds to the interface's codes and sentences."""

from collections.abc import Iterator
from json.encoder import encode_basestring_ascii
from typing import Any

from jsonschema_rs import ValidationError

from millrace.contracts import formats
from millrace.contracts.errors import FieldError
from millrace.contracts.pointers import write

MAX_MESSAGE = 80
_MAX_VALUE = 24
_TYPES = {
    "string": "a string",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "object": "an object",
    "array": "an array",
}
_WORDS = {"True": "true", "False": "false", "None": "null"}
# Keyword → code, direction, and what is counted.
_COUNTED = {
    "minLength": ("minimum", "least", "character"),
    "maxLength": ("maximum", "most", "character"),
    "minItems": ("minimum", "least", "item"),
    "maxItems": ("maximum", "most", "item"),
    "minProperties": ("minimum", "least", "field"),
    "maxProperties": ("maximum", "most", "field"),
}


def from_validation(
    error: ValidationError, *, show_value: bool, show_names: bool = True
) -> Iterator[FieldError]:
    """The errors that one finding stands for; several only for unknown fields.

    Args:
        error: what jsonschema-rs found.
        show_value: whether the value may be shown, or its length; not so for protected fields.
        show_names: whether the names of unknown fields may be shown.
    """
    kind, path = error.kind.name, error.instance_path
    limit = error.kind.value
    if kind == "required":
        yield FieldError(write([*path, limit]), "missing", "is required")
    elif kind in ("additionalProperties", "unevaluatedProperties"):
        if not show_names:
            yield FieldError(write(path), "unknown_field", "holds what is not a field here")
            return
        for name in limit:
            yield FieldError(write([*path, name]), "unknown_field", "is not a field here")
    elif kind in _COUNTED:
        code, least, what = _COUNTED[kind]
        what = what if limit == 1 else f"{what}s"
        got = f", got {_count(error.instance)}" if show_value else ""
        yield FieldError(write(path), code, f"must have at {least} {limit} {what}{got}")
    else:
        code, sentence = _sentence(kind, limit)
        got = f", got {shown(error.instance)}" if show_value and kind != "uniqueItems" else ""
        room = MAX_MESSAGE - len(got)
        yield FieldError(
            write(path), code, (sentence if len(sentence) <= room else sentence[: room - 1] + "…") + got
        )


def decimal_error(path: tuple[str | int, ...], value: float, *, show_value: bool) -> FieldError:
    """A decimal with too many decimals."""
    got = f", got {shown(value)}" if show_value else ""
    return FieldError(write(path), "format", f"must have at most 4 decimals{got}")


def shown(value: Any) -> str:
    """A value as JSON in ASCII, shortened: nothing in it can steer a terminal or turn the direction of writing."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    # Cut before it is written: a text of a megabyte is not written out to show twenty characters of it.
    text = (
        encode_basestring_ascii(value[: _MAX_VALUE * 2])
        if isinstance(value, str)
        else _WORDS.get(str(value), str(value))
    )
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


_BOUNDS = {
    "minimum": ("minimum", "must be >= {}"),
    "exclusiveMinimum": ("minimum", "must be > {}"),
    "maximum": ("maximum", "must be <= {}"),
    "exclusiveMaximum": ("maximum", "must be < {}"),
    "multipleOf": ("format", "must be a multiple of {}"),
    "uniqueItems": ("rule", "must not hold an item twice"),
}


def _sentence(kind: str, limit: Any) -> tuple[str, str]:
    if kind in _BOUNDS:
        code, sentence = _BOUNDS[kind]
        return code, sentence.format(limit)
    if kind == "type":
        return "type", f"must be {' or '.join(_TYPES[name] for name in _listed(limit) if name != 'null')}"
    if kind in ("enum", "const"):
        values = [str(value) for value in _listed(limit) if value is not None]
        return "enum", f"must be {'one of ' if len(values) > 1 else ''}{', '.join(values)}"
    if kind == "pattern" and limit not in formats.BY_PATTERN:
        return "pattern", f"must match {limit}"
    name = formats.BY_PATTERN.get(limit, limit)
    return "format", f"must be {formats.NAMES.get(name, name)}" if kind in (
        "format",
        "pattern",
    ) else "is not valid"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _count(value: Any) -> int:
    return len(value) if isinstance(value, (str, list, dict)) else 0
