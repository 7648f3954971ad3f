"""Decimal fields: at most four decimals, |x| ≤ 10¹², whatever the float that carries them looks like.

In a contract such a field is `logicalType: number` with `physicalType: decimal(18,4)`; in JSON Schema it is
`multipleOf: 0.0001` with bounds. Judging `multipleOf` on floats by division is wrong for values such as 0.07, and
judging it exactly costs a microsecond a number; here the decimal text of the float decides, which is what the lake
will read.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
    """Whether a field's JSON Schema is that of a decimal."""
    return schema.get("multipleOf") == STEP


@dataclass(frozen=True, slots=True)
class Checker:
    """Finds the decimals of an event that do not fit.

    Attributes:
        fit: a quick verdict; False also for an event whose shape is so wrong that only `errors` can tell.
        errors: path and value of each that does not fit, in an event of any shape.
    """

    fit: Callable[[Any], bool]
    errors: Callable[[Any], list[Found]]


def checker(data: dict[str, Any]) -> Checker | None:
    """The checker of events whose `data` has this JSON Schema; None if that has no decimal."""
    paths = [("data", *path) for path in _paths(data, ())]
    if not paths:
        return None

    def errors(event: Any) -> list[Found]:
        wrong: list[Found] = []
        for path in paths:
            _walk(event, path, 0, (), wrong)
        return wrong

    return Checker(_quick(paths) or (lambda event: not errors(event)), errors)


def _quick(paths: list[_Path]) -> Callable[[Any], bool] | None:
    """For decimals in payload and metadata themselves and in objects of their arrays, which is where most are.

    This runs for every event: a general walk over the paths takes longer than the rest of validation.
    """
    if any(
        _ITEMS in path[:3] or path[3:4] not in ((), (_ITEMS,)) or len(path) not in (3, 5) for path in paths
    ):
        return None
    plan = tuple(
        (
            part,
            tuple(path[2] for path in paths if path[1] == part and len(path) == 3),
            tuple((path[2], path[4]) for path in paths if path[1] == part and len(path) == 5),
        )
        for part in dict.fromkeys(path[1] for path in paths)
    )

    def fit(event: Any) -> bool:
        try:
            data = event["data"]
            for part, scalars, arrays in plan:
                holder = data.get(part)
                if not holder:
                    continue
                for name in scalars:
                    number = holder.get(name)
                    # Equal to n / 10⁴ for a whole n: then its text has no more decimals. Where that product was too
                    # coarse to tell, the slower and exact way decides.
                    if (
                        number.__class__ is float
                        and number != (number * 1e4 + 0.5) // 1 / 1e4
                        and not _fits(number)
                    ):
                        return False
                for array, name in arrays:
                    for item in holder.get(array) or ():
                        number = item.get(name)
                        if (
                            number.__class__ is float
                            and number != (number * 1e4 + 0.5) // 1 / 1e4
                            and not _fits(number)
                        ):
                            return False
        except (AttributeError, KeyError, TypeError):
            return False
        return True

    return fit


def _fits(value: float) -> bool:
    # `round` works on the decimal text, not by multiplying: 0.07 * 10000 would already be no integer.
    return round(value, SCALE) == value


def _paths(schema: dict[str, Any], above: _Path) -> Iterator[_Path]:
    if is_decimal(schema):
        yield above
    for name, part in schema.get("properties", {}).items():
        yield from _paths(part, (*above, name))
    if isinstance(schema.get("items"), dict):
        yield from _paths(schema["items"], (*above, _ITEMS))


def _walk(value: Any, path: _Path, at: int, trail: tuple[str | int, ...], wrong: list[Found]) -> None:
    for step in range(at, len(path)):
        part = path[step]
        if part is _ITEMS:
            if isinstance(value, list):
                for index, item in enumerate(value):
                    _walk(item, path, step + 1, (*trail, index), wrong)
            return
        if not isinstance(value, dict) or part not in value:
            return
        value = value[part]
        trail = (*trail, part)
    if isinstance(value, float) and not _fits(value):
        wrong.append((trail, value))
