"""How far a free object goes: the deepest, the longest, the fullest that intake takes, found by asking it."""

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

from millrace.contracts.contract import Contract
from millrace.contracts.registry import Registry
from millrace.eventstore.append import Appender, AppendResult
from millrace.intake.accept import Intake
from millrace.intake.enrich import Origin
from millrace.intake.parse import parse_one
from tests.support.extremes.events import EXTRA, Made, ordinary, written
from tests.support.people import EverybodyIsKnown

# Each makes a value of a size; the larger, the more of one thing.
SHAPES: dict[str, Callable[[int], Any]] = {
    "arrays in arrays": lambda size: _nested(size, array=True),
    "objects in objects": lambda size: _nested(size, array=False),
    "both in turns": lambda size: _nested(size, array=None),
    "numbers": lambda size: [0] * size,
    "nulls": lambda size: [None] * size,
    "empty arrays": lambda size: [[]] * size,
    "empty objects": lambda size: [{}] * size,
    "objects of one key": lambda size: [{"": 0}] * size,
    "texts": lambda size: [""] * size,
    "doubles": lambda size: [1.7976931348623157e308] * size,
    "keys": lambda size: {str(number): 0 for number in range(size)},
    "a long key": lambda size: {"k" * size: 0},
    "a long text": lambda size: "x" * size,
    "a long text of zeros": lambda size: "\u0000" * size,
    "a long text beyond the plane": lambda size: "\U0010ffff" * size,
}


class Judge:
    """Intake without stores."""

    def __init__(self, registry: Registry, now: datetime) -> None:
        class Keys:
            @staticmethod
            def key(_: str) -> bytes:
                return bytes(32)

        # A dry run reaches neither a table nor the quarantine.
        self._intake: Any = Intake(registry, Appender({}), None, Keys(), EverybodyIsKnown())  # type: ignore[arg-type]
        self._now = now

    def errors(self, made: Made) -> list[Any]:
        """What intake has against an event that comes alone."""
        origin = Origin(made.org, "edge", "edge", self._now)
        (result,) = self._intake.replay([parse_one(0, written(made.event))], origin, dry_run=True)
        return [] if result.outcome is AppendResult.ACCEPTED else list(result.errors)


def largest(judge: Judge, contract: Contract, org: str, now: datetime) -> Iterator[tuple[Made, Made]]:
    """For each shape the largest event that intake takes, and the one beyond, which it must refuse by name."""
    for number, (name, shape) in enumerate(SHAPES.items()):

        def made(
            size: int, number: int = number, name: str = name, shape: Callable[[int], Any] = shape
        ) -> Made:
            one = ordinary(contract, 20_000 + number, org, now)
            one.event["data"]["payload"][EXTRA] = shape(size)
            one.names[f"/data/payload/{EXTRA}"] = f"{name} × {size}"
            return one

        # Doubled until it is refused, so that nothing is tried that is much larger than what passes.
        high = 2
        while not judge.errors(made(high)):
            high *= 2
        low = high // 2
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if judge.errors(made(middle)) else (middle, high)
        yield made(low), made(low + 1)


def _nested(size: int, *, array: bool | None) -> Any:
    value: Any = 0
    for place in range(size):
        value = [value] if array or (array is None and place % 2) else {"a": value}
    return value
