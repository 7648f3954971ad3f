"""From what the validator finds to the interface's codes and sentences."""

from collections.abc import Iterator, Sequence
from json.encoder import encode_basestring_ascii
from typing import Any

from jsonschema_rs import ValidationError

from millrace.contracts import formats
from millrace.contracts.errors import FieldError
from millrace.contracts.pointers import write
from millrace.contracts.redaction import Redaction, is_name

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
_WORDS = {"True": "true", "False": "false"}
# Keyword → code, direction, and what is counted.
_COUNTED = {
    "minLength": ("minimum", "least", "character"),
    "maxLength": ("maximum", "most", "character"),
    "minItems": ("minimum", "least", "item"),
    "maxItems": ("maximum", "most", "item"),
    "minProperties": ("minimum", "least", "field"),
    "maxProperties": ("maximum", "most", "field"),
}


def from_validation(error: ValidationError, redaction: Redaction) -> Iterator[FieldError]:
    """The errors that one finding stands for; several only for unknown fields.

    Args:
        error: what jsonschema-rs found.
        redaction: decides what they may show.
    """
    kind, path = error.kind.name, redaction.named(error.instance_path)
    limit = error.kind.value
    if len(path) < len(error.instance_path):
        # Of a place whose name is not shown, no more is told than that something is wrong below.
        yield FieldError(
            write(path), _code(kind, limit), "holds what is not valid below a name that is not shown"
        )
    elif kind == "required":
        yield FieldError(write([*path, limit]), "missing", "is required")
    elif kind in ("additionalProperties", "unevaluatedProperties"):
        shows_names = redaction.shows_names(path)
        named = [name for name in limit if shows_names and is_name(name)]
        if len(named) < len(limit):
            yield FieldError(write(path), "unknown_field", "holds what is not a field here")
        for name in named:
            yield FieldError(write([*path, name]), "unknown_field", "is not a field here")
    elif kind in _COUNTED:
        code, least, what = _COUNTED[kind]
        what = what if limit == 1 else f"{what}s"
        got = f", got {_count(error.instance)}" if redaction.told(path, error.instance) != "nothing" else ""
        yield FieldError(write(path), code, f"must have at {least} {limit} {what}{got}")
    else:
        code, sentence = _sentence(kind, limit)
        got = "" if kind == "uniqueItems" else _got(path, error.instance, redaction)
        room = MAX_MESSAGE - len(got)
        yield FieldError(
            write(path), code, (sentence if len(sentence) <= room else sentence[: room - 1] + "…") + got
        )


def decimal_error(path: tuple[str | int, ...], value: float, redaction: Redaction) -> FieldError:
    """A decimal with too many decimals."""
    got = _got(path, value, redaction)
    return FieldError(write(redaction.named(path)), "format", f"must have at most 4 decimals{got}")


def _got(path: Sequence[str | int], value: Any, redaction: Redaction) -> str:
    told = redaction.told(path, value)
    if told == "nothing":
        return ""
    return f", got {quoted(value) if told == 'value' else described(value)}"


def described(value: Any) -> str:
    """The kind and length of a value, and nothing of what it says."""
    if isinstance(value, str):
        return f"a text of {len(value)} character{'' if len(value) == 1 else 's'}"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "an array"
    if value is None:
        return "null"
    return "true or false" if isinstance(value, bool) else "a number"


def quoted(value: Any) -> str:
    """A scalar as JSON in ASCII, shortened: nothing in it can steer a terminal or turn the direction of writing."""
    # Cut before it is written: a text of a megabyte is not written out to show twenty characters of it.
    text = (
        encode_basestring_ascii(value[: _MAX_VALUE * 2])
        if isinstance(value, str)
        else _WORDS.get(str(value), str(value))
    )
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"


def _code(kind: str, limit: Any) -> str:
    if kind == "required":
        return "missing"
    if kind in ("additionalProperties", "unevaluatedProperties"):
        return "unknown_field"
    return _COUNTED[kind][0] if kind in _COUNTED else _sentence(kind, limit)[0]


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
