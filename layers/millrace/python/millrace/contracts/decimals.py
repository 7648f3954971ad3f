"""Decimal fields: at most four decimals, |x| ≤ 10¹², whatever the float that carries them looks like.

In a contract such a field is `logicalType: number` with `physicalType: decimal(18,4)`; in JSON Schema it is
`multipleOf: 0.0001` with bounds. Judging `multipleOf` on floats by division is wrong for values such as 0.07, and
judging it exactly costs a microsecond a number; here the decimal text of the float decides, which is what the lake
will read.
"""

from collections.abc import Callable, Iterator
from typing import Any

SCALE = 4
LIMIT = 10**12
STEP = 0.0001
# The log and silver hold integers in 64 bits with sign.
INT64 = (-(2**63), 2**63 - 1)

Found = tuple[tuple[str | int, ...], float]
_ITEMS = object()
_Path = tuple[Any, ...]


def is_decimal(schema: dict[str, Any]) -> bool:
    """Whether a field's JSON Schema says that it is a decimal."""
    return schema.get("multipleOf") == STEP


def fits(value: float) -> bool:
    """Whether a number's shortest decimal text has at most four decimals."""
    # `round` works on the decimal text, not by multiplying: 0.07 * 10000 would already be no integer.
    return isinstance(value, int) or round(value, SCALE) == value


def without_step(schema: Any) -> Any:
    """The same JSON Schema without the decimals' `multipleOf`, for a validator that leaves them to `checker`."""
    if isinstance(schema, list):
        return [without_step(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    decimal = is_decimal(schema)
    return {key: without_step(part) for key, part in schema.items() if not (decimal and key == "multipleOf")}


def checker(schema: dict[str, Any]) -> Callable[[Any], list[Found]] | None:
    """A function from an event's part to its decimals that do not fit; None if the schema has no decimal."""
    paths = list(_paths(schema, ()))
    if not paths:
        return None

    def check(value: Any) -> list[Found]:
        found: list[Found] = []
        for path in paths:
            _walk(value, path, 0, (), found)
        return found

    return check


def _paths(schema: dict[str, Any], above: _Path) -> Iterator[_Path]:
    if is_decimal(schema):
        yield above
    for name, part in schema.get("properties", {}).items():
        yield from _paths(part, (*above, name))
    if isinstance(schema.get("items"), dict):
        yield from _paths(schema["items"], (*above, _ITEMS))


def _walk(value: Any, path: _Path, at: int, trail: tuple[str | int, ...], found: list[Found]) -> None:
    for step in range(at, len(path)):
        part = path[step]
        if part is _ITEMS:
            if isinstance(value, list):
                for index, item in enumerate(value):
                    _walk(item, path, step + 1, (*trail, index), found)
            return
        if not isinstance(value, dict) or part not in value:
            return
        value = value[part]
        trail = (*trail, part)
    if isinstance(value, float) and round(value, SCALE) != value:
        found.append((trail, value))
