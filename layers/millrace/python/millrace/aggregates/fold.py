"""From the facts of one minute of receipt to the parts of tiles that they make. Pure.

The same facts in any order, each as often as it may be delivered, make the same parts to the byte: whoever folds a minute again
overwrites what was folded before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from millrace.aggregates import measures
from millrace.aggregates.definition import TILE_SECONDS, Aggregate, of_types
from millrace.aggregates.facts import Fact
from millrace.aggregates.measures import Kind, State
from millrace.contracts.conditions import Holds, holds
from millrace.contracts.fields import EVENT_TYPE, Field, Value

KeyValues = tuple[Value | None, ...]
"""Values of an aggregate's keys in their order; `OTHER` for all keys that were cut."""
# An aggregate whose keys are cut has some, so no key of its own is like this.
OTHER: KeyValues = ()
_TILE_MICROS = TILE_SECONDS * 1_000_000
_MICROS_PER_MILLI = 1000


@dataclass(slots=True)
class Part:
    """What one minute of receipt adds to an aggregate.

    Attributes:
        tiles: start of the tile in seconds since 1970 → key values → states in the order of the aggregate's measures.
        late: ids (16 bytes) of events beyond the lateness, which no tile counts, by the tile that they would be in.
    """

    tiles: dict[int, dict[KeyValues, list[State]]] = field(default_factory=dict)
    late: dict[int, list[bytes]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How an aggregate reads facts of one type."""

    aggregate: Aggregate
    columns: frozenset[str]
    wanted: Holds
    keys: tuple[str | None, ...]
    # Kind, column (None: no value), conditions (None: all), the kind's name.
    measures: tuple[tuple[Kind, str | None, Holds | None, str], ...]


class Fold:
    """Folds facts by the aggregates of a bundle."""

    def __init__(self, aggregates: Sequence[Aggregate], types: Mapping[str, Mapping[str, str]]) -> None:
        """`types`: event type → column → its type, for every column that the aggregates read."""
        self._aggregates = {one.name: one for one in aggregates}
        self._kinds = {one.name: [measures.of(measure) for measure in one.measures] for one in aggregates}
        self._plans = {
            event_type: tuple(self._plan(one, event_type, types[event_type]) for one in several)
            for event_type, several in of_types(aggregates).items()
        }

    def parts(self, facts: Iterable[Fact]) -> dict[str, Part]:
        """The parts of one minute of receipt, by aggregate; one without events has none.

        A fact that lacks a column which an aggregate reads was written before that aggregate was deployed, and is not
        counted by it: the seal counts it.
        """
        parts: dict[str, Part] = {}
        # By id, so that nothing depends on the order of delivery; copies of an event are alike.
        for fact in sorted({(one.event_type, one.id): one for one in facts}.values(), key=lambda one: one.id):
            values = {**fact.values, EVENT_TYPE: fact.event_type}
            tile = fact.happened_at // _TILE_MICROS * TILE_SECONDS
            for plan in self._plans.get(fact.event_type, ()):
                if not plan.columns <= values.keys() or not plan.wanted(values):
                    continue
                part = parts.setdefault(plan.aggregate.name, Part())
                late = fact.received_at * _MICROS_PER_MILLI - fact.happened_at
                if late > plan.aggregate.lateness_seconds * 1_000_000:
                    part.late.setdefault(tile, []).append(fact.id)
                    continue
                self._count(plan, part.tiles.setdefault(tile, {}), values, fact.happened_at)
        for name, part in parts.items():
            part.tiles = {tile: self.cut(name, part.tiles[tile]) for tile in sorted(part.tiles)}
        return parts

    def cut(self, name: str, keys: Mapping[KeyValues, list[State]]) -> dict[KeyValues, list[State]]:
        """The keys that are kept, greatest first, then by key; all others as `OTHER`."""
        aggregate, kinds = self._aggregates[name], self._kinds[name]
        if not aggregate.keys or len(keys) <= aggregate.most_keys:
            return dict(sorted(keys.items(), key=lambda one: _order(one[0])))
        by = next(at for at, one in enumerate(aggregate.measures) if one.name == aggregate.ranked_by)
        named = [one for one in keys.items() if one[0] != OTHER]
        ranked = sorted(named, key=lambda one: (-one[1][by], _order(one[0])))
        kept = dict(ranked[: aggregate.most_keys])
        rest = [states for _, states in ranked[aggregate.most_keys :]]
        if OTHER in keys:
            rest.append(keys[OTHER])
        if rest:
            merged = rest[0]
            for states in rest[1:]:
                merged = [kind.merge(*pair) for kind, *pair in zip(kinds, merged, states, strict=True)]
            kept[OTHER] = merged
        return kept

    def _plan(self, aggregate: Aggregate, event_type: str, types: Mapping[str, str]) -> _Plan:
        known = {
            name: Field(name, kind, itemgetter(name))
            for name, kind in {**types, EVENT_TYPE: "string"}.items()
        }
        kinds = self._kinds[aggregate.name]
        return _Plan(
            aggregate,
            aggregate.columns(event_type),
            holds(aggregate.where, known),
            tuple(key.of.get(event_type) for key in aggregate.keys),
            tuple(
                (
                    kind,
                    measure.of.get(event_type),
                    holds(measure.where, known) if measure.where else None,
                    measure.kind,
                )
                for kind, measure in zip(kinds, aggregate.measures, strict=True)
            ),
        )

    @staticmethod
    def _count(
        plan: _Plan, keys: dict[KeyValues, list[State]], values: Mapping[str, Any], happened_at: int
    ) -> None:
        key = tuple(None if column is None else values[column] for column in plan.keys)
        states = keys.get(key)
        if states is None:
            states = keys[key] = [kind.zero() for kind, *_ in plan.measures]
        for at, (kind, column, wanted, name) in enumerate(plan.measures):
            if name == "share":
                states[at] = kind.add(states[at], wanted is None or wanted(values))
            elif wanted is None or wanted(values):
                value = None if column is None else values[column]
                if name == "latest" and value is not None:
                    value = [happened_at, value]
                states[at] = kind.add(states[at], value)


def _order(key: KeyValues) -> tuple[tuple[bool, str], ...]:
    """Absent values first, then by text."""
    return tuple((value is not None, "" if value is None else measures.text(value)) for value in key)
