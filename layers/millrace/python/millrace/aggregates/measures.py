"""What measures are made of: states that merge in any order and any grouping, and the values that answers show. Pure.

| kind | state | shown as |
|---|---|---|
| `count` | int | a whole number |
| `sum` | int, ten thousandths of a decimal | a number; 0 without values |
| `mean` | sum and number of values | a decimal of four places, half to even; of whole numbers a float; null without values |
| `min`, `max` | the value | a number or moment; null without values |
| `latest` | when it happened (microseconds since 1970), the event's id, and the value; of two at once that of the greater id | the value; null without values |
| `share` | how many meet its conditions, and how many there are | 0 to 1; null without events |
| `distinct` | a theta sketch of Apache DataSketches (512 values), trimmed | a whole number: exact to 512 values, then within 9 % at 95 % confidence |
| `top` | counts by value, and of `other` values | the greatest counts, and `other` |
| `distribution` | counts by bin | counts by bin, each from an edge on and below the next |
| `funnel` | sessions, and when each took which step (`funnels.py`) | sessions by the steps that they took in order |

A state is plain JSON but for sketches and funnels, which are `Sketch` and `Sessions` in memory and bytes when stored. Events without a value count in
`count` and `share` and in nothing else. A `count`, `sum` or `top` may decay (`decay.py`).
"""

from binascii import a2b_base64
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any, Protocol

import orjson

from millrace.aggregates.decay import Decayed
from millrace.aggregates.definition import Measure
from millrace.aggregates.funnels import Funnel
from millrace.contracts.fields import UNITS, Value, decimal
from millrace.core import clock

# log2 of the values that a sketch keeps.
SKETCH = 9
# Values of a `top` that a stored state keeps, by what answers show.
KEPT_PER_SHOWN = 10
_EMPTY = "\0"
_PLACES = Decimal(1) / UNITS

State = Any
"""Of a measure; each kind has its own."""


class Sketch(Protocol):
    """What is used of a theta sketch."""

    def get_estimate(self) -> float:
        """How many different values it has seen."""

    def serialize(self) -> bytes:
        """Its form in Apache DataSketches."""


class Kind(Protocol):
    """A kind of measure, for one measure."""

    def zero(self) -> State:
        """The state without events."""

    def add(self, state: State, value: Value | None) -> State:
        """The state with one event more; `state` is not used any further. `value`: None where the event has none."""

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        """The state with several events more, of those that have a value."""

    def merge(self, one: State, other: State) -> State:
        """Both; neither is used any further."""

    def merge_all(self, states: Sequence[State]) -> State:
        """All of several, at least one; none is used any further."""

    def cut(self, state: State) -> State:
        """The state in the form that is stored, which does not depend on the order of events."""

    def read(self, stored: Any) -> State:
        """A state from its stored form, to be merged."""

    def cut_all(self, states: Sequence[State]) -> Sequence[Any]:
        """Several states as they are stored."""

    def read_all(self, stored: Sequence[Any]) -> Sequence[State]:
        """Several states as they stand in JSON, to be merged."""

    def aged(self, state: State, seconds: int) -> State:
        """The state as it counts so many seconds behind the beginning of its tile; most do not change."""

    def shown(self, state: State) -> Any:
        """The value in answers, of a state that is aged."""


class _Count:
    def __init__(self, _: Measure) -> None:
        pass

    def zero(self) -> State:
        return 0

    def add(self, state: State, _: Value | None) -> State:
        return state + 1

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        return state + len(values)

    def merge(self, one: State, other: State) -> State:
        return one + other

    def merge_all(self, states: Sequence[State]) -> State:
        return sum(states)

    def cut(self, state: State) -> State:
        return state

    def read(self, stored: Any) -> State:
        return stored

    def cut_all(self, states: Sequence[State]) -> Sequence[Any]:
        return states

    def read_all(self, stored: Sequence[Any]) -> Sequence[State]:
        return stored

    def aged(self, state: State, _: int) -> State:
        return state

    def shown(self, state: State) -> Any:
        return state


class _Sum(_Count):
    def __init__(self, measure: Measure) -> None:
        self._decimal = measure.type == "decimal"

    def add(self, state: State, value: Value | None) -> State:
        return state if value is None else state + value

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        return state + sum(values)

    def read(self, stored: Any) -> State:
        # Beyond 64 bits it is stored as text.
        return int(stored)

    def read_all(self, stored: Sequence[Any]) -> Sequence[State]:
        return list(map(int, stored))

    def shown(self, state: State) -> Any:
        return decimal(state) if self._decimal else state


class _Mean(_Sum):
    def zero(self) -> State:
        return [0, 0]

    def add(self, state: State, value: Value | None) -> State:
        if value is not None:
            state[0] += value
            state[1] += 1
        return state

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        return [state[0] + sum(values), state[1] + len(values)]

    def merge(self, one: State, other: State) -> State:
        return [one[0] + other[0], one[1] + other[1]]

    def merge_all(self, states: Sequence[State]) -> State:
        return [sum(column) for column in zip(*states, strict=True)]

    def read(self, stored: Any) -> State:
        return [int(stored[0]), stored[1]]

    def read_all(self, stored: Sequence[Any]) -> Sequence[State]:
        return list(map(self.read, stored))

    def shown(self, state: State) -> Any:
        total, number = state
        if not number:
            return None
        if not self._decimal:
            return total / number
        return (decimal(total) / number).quantize(_PLACES, ROUND_HALF_EVEN)


class _Extreme(_Count):
    def __init__(self, measure: Measure) -> None:
        self._of: Callable[..., Any] = min if measure.kind == "min" else max
        self._type = measure.type

    def zero(self) -> State:
        return None

    def add(self, state: State, value: Value | None) -> State:
        return self.merge(state, value)

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        return self.merge(state, self._of(values)) if values else state

    def merge(self, one: State, other: State) -> State:
        return self.merge_all((one, other))

    def merge_all(self, states: Sequence[State]) -> State:
        return self._of((state for state in states if state is not None), default=None)

    def shown(self, state: State) -> Any:
        return shown(self._type, state)


class _Latest(_Count):
    """The value of an event is when it happened, its id, and the column's: events are in the order of (timestamp, eventId)."""

    def __init__(self, measure: Measure) -> None:
        self._type = measure.type

    def zero(self) -> State:
        return None

    def add(self, state: State, value: Any) -> State:
        return self.merge(state, value)

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        return self.merge(state, max(values)) if values else state

    def merge(self, one: State, other: State) -> State:
        return self.merge_all((one, other))

    def merge_all(self, states: Sequence[State]) -> State:
        return max((state for state in states if state is not None), default=None)

    def shown(self, state: State) -> Any:
        return None if state is None else shown(self._type, state[-1])


class _Share(_Count):
    """The value of an event is whether it meets the conditions."""

    def zero(self) -> State:
        return [0, 0]

    def add(self, state: State, value: Value | None) -> State:
        state[0] += bool(value)
        state[1] += 1
        return state

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        return [state[0] + sum(values), state[1] + len(values)]

    def merge(self, one: State, other: State) -> State:
        return [one[0] + other[0], one[1] + other[1]]

    def merge_all(self, states: Sequence[State]) -> State:
        return [sum(column) for column in zip(*states, strict=True)]

    def shown(self, state: State) -> Any:
        return state[0] / state[1] if state[1] else None


class _Distinct(_Count):
    """In memory a set of texts while events are added, then a sketch."""

    def zero(self) -> State:
        return set()

    def add(self, state: State, value: Value | None) -> State:
        if value is not None:
            state.add(text(value))
        return state

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        state.update(map(text, values))
        return state

    def merge(self, one: State, other: State) -> State:
        if isinstance(one, set) and isinstance(other, set):
            return one | other
        return self.merge_all((one, other))

    def merge_all(self, states: Sequence[State]) -> State:
        union = _sketches().theta_union(SKETCH)
        for state in states:
            union.update(_sketch(state) if isinstance(state, set) else state)
        return union.get_result()

    def cut(self, state: State) -> State:
        return _sketch(state).serialize()

    def read(self, stored: Any) -> State:
        held = a2b_base64(stored) if isinstance(stored, str) else bytes(stored)
        return _reader()(held)

    def cut_all(self, states: Sequence[State]) -> Sequence[Any]:
        return list(map(self.cut, states))

    def read_all(self, stored: Sequence[Any]) -> Sequence[State]:
        reader = _reader()
        return [reader(a2b_base64(one)) for one in stored]

    def shown(self, state: State) -> Any:
        return round(_sketch(state).get_estimate())


@cache
def _sketches() -> Any:
    """The library, only where there are sketches: it brings numpy."""
    import datasketches  # noqa: PLC0415

    return datasketches


@cache
def _reader() -> Callable[[bytes], Any]:
    read: Callable[[bytes], Any] = _sketches().compact_theta_sketch.deserialize
    return read


def _sketch(state: Any) -> Any:
    if not isinstance(state, set):
        return state
    sketch = _sketches().update_theta_sketch(SKETCH)
    for value in state:
        # A sketch passes over the empty text, which is a value like others.
        sketch.update(value or _EMPTY)
    # Its bytes depend on the order of values until it is trimmed.
    sketch.trim()
    return sketch.compact()


class _Top(_Count):
    def __init__(self, measure: Measure) -> None:
        self._most, self._type = measure.most, measure.type

    def zero(self) -> State:
        return {"by": {}, "other": 0}

    def add(self, state: State, value: Value | None) -> State:
        if value is not None:
            name = text(value)
            state["by"][name] = state["by"].get(name, 0) + 1
        return state

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        by = state["by"]
        for name, number in Counter(map(text, values)).items():
            by[name] = by.get(name, 0) + number
        return state

    def merge(self, one: State, other: State) -> State:
        return self.merge_all((one, other))

    def merge_all(self, states: Sequence[State]) -> State:
        merged: dict[str, int] = {}
        for state in states:
            for name, number in state["by"].items():
                merged[name] = merged.get(name, 0) + number
        return {"by": merged, "other": sum(state["other"] for state in states)}

    def cut(self, state: State) -> State:
        return self._first(state, self._most * KEPT_PER_SHOWN)

    def cut_all(self, states: Sequence[State]) -> Sequence[Any]:
        return list(map(self.cut, states))

    def shown(self, state: State) -> Any:
        first = self._first(state, self._most)
        return {
            "items": [{"value": name, "count": number} for name, number in first["by"].items()],
            "other": first["other"],
        }

    def _first(self, state: State, most: int) -> State:
        ranked = sorted(state["by"].items(), key=lambda one: (-one[1], one[0]))
        rest = sum(number for _, number in ranked[most:])
        return {"by": dict(ranked[:most]), "other": state["other"] + rest}


class _Distribution(_Count):
    def __init__(self, measure: Measure) -> None:
        self._edges = measure.edges
        scaled = UNITS if measure.type == "decimal" else 1
        self._bounds = [round(Decimal(repr(edge)) * scaled) if scaled > 1 else edge for edge in self._edges]

    def zero(self) -> State:
        return [0] * (len(self._edges) + 1)

    def add(self, state: State, value: Value | None) -> State:
        if value is not None:
            number: Any = value
            state[sum(number >= bound for bound in self._bounds)] += 1
        return state

    def add_all(self, state: State, values: Sequence[Any]) -> State:
        for value in values:
            state = self.add(state, value)
        return state

    def merge(self, one: State, other: State) -> State:
        return self.merge_all((one, other))

    def merge_all(self, states: Sequence[State]) -> State:
        return [sum(column) for column in zip(*states, strict=True)]

    def shown(self, state: State) -> Any:
        edges = (None, *self._edges, None)
        return [{"from": edges[at], "to": edges[at + 1], "count": number} for at, number in enumerate(state)]


KINDS: dict[str, Callable[[Measure], Kind]] = {
    "count": _Count,
    "sum": _Sum,
    "mean": _Mean,
    "min": _Extreme,
    "max": _Extreme,
    "latest": _Latest,
    "share": _Share,
    "distinct": _Distinct,
    "top": _Top,
    "distribution": _Distribution,
    "funnel": Funnel,
}


def of(measure: Measure) -> Kind:
    """The kind of a measure, made for it."""
    kind = KINDS[measure.kind](measure)
    return Decayed(kind, measure) if measure.half_life_seconds else kind


def text(value: Value) -> str:
    """A value as sketches and `top` have it: 1 and "1" are one value, as they are in a table's text."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def shown(kind: str, value: Any) -> Any:
    """A field's value as answers have it, by its column's type."""
    if value is None:
        return None
    if kind == "decimal":
        return decimal(value)
    return clock.utc_micros(clock.from_epoch_micros(value)) if kind == "timestamptz" else value


def answer(kinds: Mapping[str, Kind], states: Mapping[str, State]) -> dict[str, Any]:
    """Every measure of a window, by name."""
    return {name: kind.shown(states[name]) for name, kind in kinds.items()}
