"""Frozen dataclasses from JSON and back, strictly. Standard library only: the training job has no pydantic."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

Kind = TypeVar("Kind")


class ShapeError(ValueError):
    """The JSON has another shape; the message names the place."""


def encode(value: Any) -> Any:
    """A dataclass of dataclasses, mappings, tuples and plain values as plain JSON values."""
    if is_dataclass(value) and not isinstance(value, type):
        return {_name(one): encode(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {key: encode(part) for key, part in value.items()}
    if isinstance(value, tuple):
        return [encode(part) for part in value]
    return value


def decode(kind: type[Kind], value: Any, where: str) -> Kind:
    """The dataclass that `encode` took: no key missing or unknown, every value of its type, no number NaN or infinite.

    Args:
        kind: a dataclass.
        value: plain JSON values.
        where: how messages name it.

    Raises:
        ShapeError: the value has another shape.
    """
    decoded: Kind = _decode(kind, value, where)
    return decoded


def _decode(kind: Any, value: Any, where: str) -> Any:
    if is_dataclass(kind):
        return _record(kind, value, where)
    origin, parts = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _tuple(parts, value, where)
    if origin is Mapping:
        if not isinstance(value, dict):
            raise ShapeError(f"{where} is not an object")
        return {key: _decode(parts[1], part, f"{where}.{key}") for key, part in value.items()}
    if origin is UnionType:
        # The only union is with null.
        return None if value is None else _decode(parts[0], value, where)
    return _plain(kind, value, where)


def _record(kind: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ShapeError(f"{where} is not an object")
    known = {_name(one): one.name for one in fields(kind)}
    if missing := sorted(known.keys() - value.keys()):
        raise ShapeError(f"{where} has no {', '.join(missing)}")
    if unknown := sorted(value.keys() - known.keys()):
        raise ShapeError(f"{where} has the unknown field {', '.join(unknown)}")
    hints = get_type_hints(kind)
    return kind(**{name: _decode(hints[name], value[key], f"{where}.{key}") for key, name in known.items()})


def _tuple(parts: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ShapeError(f"{where} is not an array")
    if parts[-1] is Ellipsis:
        parts = (parts[0],) * len(value)
    if len(parts) != len(value):
        raise ShapeError(f"{where} has {len(value)} values, not {len(parts)}")
    return tuple(
        _decode(kind, part, f"{where}[{place}]")
        for place, (kind, part) in enumerate(zip(parts, value, strict=True))
    )


def _plain(kind: Any, value: Any, where: str) -> Any:
    # True is an int to Python, and other writers write 1 for 1.0.
    if kind is float and isinstance(value, int | float) and not isinstance(value, bool):
        if not math.isfinite(value):
            raise ShapeError(f"{where} is NaN or infinite")
        return float(value)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ShapeError(f"{where} is not of the type {kind.__name__}")
    return value


def _name(one: Any) -> str:
    return str(one.metadata.get("json", one.name))
