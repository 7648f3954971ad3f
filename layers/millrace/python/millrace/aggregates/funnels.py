"""Funnels: how many sessions took steps in their order, by the events' own time. Pure.

A state keeps, whole, the sessions of the smallest hashes, `SESSIONS` at most, and the hash below which it has all of them. Up to so
many sessions it is exact; beyond that it is a sample by which numbers are scaled, as in a theta sketch. Of two states that
are merged the smaller bound holds, so whatever is kept in the end was never left out of a part.

Of a session it keeps when it took each step, as far as that can matter in windows that tiles add up to:

- the first moment of the first step, the last moment of the last step: nothing is lost;
- of each step between the `MOMENTS` first moments of a tile and the last one. What lies between these is missed only where the step
  before was taken behind the first of them; an answer that depends on it is not exact, and says so.

All of it is a function of the set of events: order, copies and grouping change nothing, and SQL can repeat it.
"""

import hashlib
import struct
from binascii import a2b_base64
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from millrace.aggregates.definition import TILE_SECONDS, Measure
from millrace.contracts.fields import Value

SESSIONS, MOMENTS, MOST_STEPS = 2048, 4, 6
# A hash has so many bits, and all are below this.
_ALL = 1 << 64
# Below the moment of a mark stands its step, so marks in their order are by moment, then by step.
_STEP_BITS = 3
_STEP = (1 << _STEP_BITS) - 1
_TILE = TILE_SECONDS * 1_000_000 << _STEP_BITS
# Marks of a session from which on they are reduced while events are added.
_MANY = 64
_HEAD = struct.Struct("<QqI")

Taken = tuple[str, int, Value]
"""A step that was taken: the event's type, when (microseconds since 1970), in which session."""


@dataclass(slots=True)
class Sessions:
    """What a state keeps.

    Attributes:
        below: every session whose hash is below this is in it.
        marks: by hash of the session, each a moment in microseconds and a step.
    """

    below: int = _ALL
    marks: dict[int, set[int]] = field(default_factory=dict)


def session_hash(session: str) -> int:
    """Spreads sessions evenly; SQL has the same as the first 16 digits of `md5`."""
    return int.from_bytes(hashlib.md5(session.encode(), usedforsecurity=False).digest()[:8], "big")


def mark(moment: int, step: int) -> int:
    """A step, from 0, that was taken at a moment in microseconds."""
    return moment << _STEP_BITS | step


class Funnel:
    """The kind of measure (`measures.Kind`)."""

    def __init__(self, measure: Measure) -> None:
        self._names = measure.steps
        self._steps = {event_type: at for at, event_type in enumerate(measure.steps)}
        self._last = len(measure.steps) - 1

    def zero(self) -> Sessions:
        return Sessions()

    def add(self, state: Sessions, value: Any) -> Sessions:
        return state if value is None else self.add_all(state, [value])

    def add_all(self, state: Sessions, values: Sequence[Taken]) -> Sessions:
        found: dict[str, set[int]] = {}
        for event_type, happened_at, session in values:
            found.setdefault(str(session), set()).add(mark(happened_at, self._steps[event_type]))
        return self.add_marks(state, ((session_hash(name), marks) for name, marks in found.items()))

    def add_marks(self, state: Sessions, several: Iterable[tuple[int, Collection[int]]]) -> Sessions:
        """The state with marks more, by hash of their session."""
        held = state.marks
        for name, marks in several:
            if name >= state.below:
                continue
            known = held.get(name)
            held[name] = set(marks) if known is None else known.union(marks)
            if len(held[name]) > _MANY:
                held[name] = self._reduced(held[name])
            if len(held) > 2 * SESSIONS:
                _trim(state)
        return state

    def merge(self, one: Sessions, other: Sessions) -> Sessions:
        return self.merge_all((one, other))

    def merge_all(self, states: Sequence[Sessions]) -> Sessions:
        merged = Sessions(min(state.below for state in states))
        for state in states:
            self.add_marks(merged, state.marks.items())
        return _trim(merged)

    def cut(self, state: Sessions) -> bytes:
        """Hashes, numbers of marks, marks from the tile's beginning on: at most 200 KB."""
        _trim(state)
        names = sorted(state.marks)
        marks = [sorted(self._reduced(state.marks[name])) for name in names]
        start = min((several[0] for several in marks), default=0) // _TILE
        offsets = [one - start * _TILE for several in marks for one in several]
        return (
            _HEAD.pack(state.below % _ALL, start, len(names))
            + struct.pack(f"<{len(names)}Q", *names)
            + bytes(map(len, marks))
            + struct.pack(f"<{len(offsets)}I", *offsets)
        )

    def read(self, stored: Any) -> Sessions:
        held = a2b_base64(stored) if isinstance(stored, str) else bytes(stored)
        below, start, number = _HEAD.unpack_from(held)
        names = struct.unpack_from(f"<{number}Q", held, _HEAD.size)
        at = _HEAD.size + 8 * number
        lengths, at = held[at : at + number], at + number
        base = start * _TILE
        marks = [base + offset for offset in struct.unpack_from(f"<{sum(lengths)}I", held, at)]
        state, first = Sessions(below or _ALL), 0
        for name, length in zip(names, lengths, strict=True):
            state.marks[name] = set(marks[first : first + length])
            first += length
        return state

    def cut_all(self, states: Sequence[Sessions]) -> list[bytes]:
        return [self.cut(state) for state in states]

    def read_all(self, stored: Sequence[Any]) -> list[Sessions]:
        return [self.read(one) for one in stored]

    def aged(self, state: Sessions, _: int) -> Sessions:
        return state

    def shown(self, state: Sessions) -> dict[str, Any]:
        """Sessions by the steps that they took in order, and whether these are all of them."""
        reached, exact = [0] * len(self._names), state.below == _ALL
        for marks in state.marks.values():
            steps, certain = self._taken(sorted(marks))
            exact = exact and certain
            for at in range(steps):
                reached[at] += 1
        return {
            "steps": [
                {
                    "event": name,
                    "sessions": (2 * reached[at] * _ALL + state.below) // (2 * state.below),
                    "conversion": reached[at] / reached[at - 1] if at and reached[at - 1] else None,
                }
                for at, name in enumerate(self._names)
            ],
            "exact": exact,
        }

    def _taken(self, marks: Sequence[int]) -> tuple[int, bool]:
        """How many steps were taken in order, and whether that is certain whatever moments were left out."""
        taken, certain = 0, True
        # Marks before a gap, by tile and step; a session of so few marks has none.
        seen: Counter[tuple[int, int]] | None = Counter() if len(marks) > MOMENTS else None
        for one in marks:
            step = one & _STEP
            if seen is not None:
                seen[one // _TILE, step] += 1
            if step == taken:
                if seen is not None and 0 < step < self._last and seen[one // _TILE, step] > MOMENTS:
                    certain = False
                taken += 1
        return taken, certain

    def _reduced(self, marks: Collection[int]) -> set[int]:
        if len(marks) <= 1:
            return set(marks)
        kept: set[int] = set()
        by_place: dict[tuple[int, int], list[int]] = {}
        for one in sorted(marks):
            by_place.setdefault((one // _TILE, one & _STEP), []).append(one)
        for (_, step), several in by_place.items():
            first = 1 if step == 0 else 0 if step == self._last else MOMENTS
            kept.update(several[:first])
            if step:
                kept.add(several[-1])
        return kept


def _trim(state: Sessions) -> Sessions:
    """Keeps the sessions of the smallest hashes, in place."""
    held = state.marks
    if len(held) > SESSIONS:
        names = sorted(held)
        state.below = names[SESSIONS]
        for name in names[SESSIONS:]:
            del held[name]
    return state
