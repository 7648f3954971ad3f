"""Measures that fade: an event counts half once it is a half-life older than the end of its window. Pure.

What is stored does not fade. A tile does when it is read: all of its events have the age of the tile's beginning, and count by a
weight of six decimals, so sums are exact in any order and in SQL.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from millrace.aggregates.definition import Measure
from millrace.contracts.fields import decimal

if TYPE_CHECKING:
    from millrace.aggregates.measures import Kind, State

# What can fade: all that is added up.
KINDS = ("count", "sum", "top")
# Parts of one that weights are counted in.
WEIGHT = 1_000_000
# Ten thousandths, the decimals that are shown.
_SHOWN = 10_000


def weight(age: int, half_life: int) -> int:
    """The millionths that an event of an age counts; both in seconds."""
    return math.floor(math.pow(2.0, -age / half_life) * WEIGHT + 0.5)


class Decayed:
    """A `count`, `sum` or `top` whose states count less the older they are."""

    def __init__(self, kind: "Kind", measure: Measure) -> None:
        self._kind, self._half_life = kind, measure.half_life_seconds
        # Weighted numbers of what is no decimal lack its ten thousandths.
        self._units = WEIGHT if measure.type == "decimal" else WEIGHT // _SHOWN

    def zero(self) -> "State":
        return self._kind.zero()

    def add(self, state: "State", value: Any) -> "State":
        return self._kind.add(state, value)

    def add_all(self, state: "State", values: Sequence[Any]) -> "State":
        return self._kind.add_all(state, values)

    def merge(self, one: "State", other: "State") -> "State":
        return self._kind.merge(one, other)

    def merge_all(self, states: Sequence["State"]) -> "State":
        return self._kind.merge_all(states)

    def cut(self, state: "State") -> "State":
        return self._kind.cut(state)

    def read(self, stored: Any) -> "State":
        return self._kind.read(stored)

    def cut_all(self, states: Sequence["State"]) -> Sequence[Any]:
        return self._kind.cut_all(states)

    def read_all(self, stored: Sequence[Any]) -> Sequence["State"]:
        return self._kind.read_all(stored)

    def aged(self, state: "State", seconds: int) -> "State":
        by = weight(seconds, self._half_life)
        if not isinstance(state, dict):
            return state * by
        values = {name: number * by for name, number in state["by"].items()}
        return {"by": values, "other": state["other"] * by}

    def shown(self, state: "State") -> Any:
        """Decimals of four places, half away from zero, of a state that is aged."""
        found = self._kind.shown(state) if isinstance(state, dict) else state
        if not isinstance(found, dict):
            return self._decimal(found)
        items = [{**one, "count": self._decimal(one["count"])} for one in found["items"]]
        return {"items": items, "other": self._decimal(found["other"])}

    def _decimal(self, number: int) -> Any:
        size = (2 * abs(number) + self._units) // (2 * self._units)
        return decimal(size if number >= 0 else -size)
