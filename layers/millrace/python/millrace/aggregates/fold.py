"""From the facts of one minute of receipt to the parts of tiles that they make. Pure.

The same facts in any order, each as often as it may be delivered, make the same parts to the byte: whoever folds a minute again
overwrites what was folded before.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

import orjson

from millrace.aggregates import measures
from millrace.aggregates.definition import EVENT_ID, TILE_SECONDS, Aggregate, of_types
from millrace.aggregates.facts import Fact
from millrace.aggregates.measures import Kind, State
from millrace.contracts.conditions import Condition, Holds, holds
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


class Wanted:
    """Conditions on events of a type; those that are written alike are one."""

    def __init__(self, text: bytes, verdict: Holds) -> None:
        self.holds, self._text = verdict, text

    @classmethod
    def of(cls, conditions: Sequence[Condition], known: Mapping[str, Field]) -> "Wanted | None":
        """None where there are none, which every event meets."""
        return cls(orjson.dumps(conditions), holds(conditions, known)) if conditions else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wanted) and self._text == other._text

    def __hash__(self) -> int:
        return hash(self._text)


@dataclass(frozen=True, slots=True)
class _Plan:
    """How an aggregate reads facts of one type."""

    aggregate: Aggregate
    columns: frozenset[str]
    wanted: Wanted | None
    keys: tuple[str | None, ...]
    # Kind, column (None: no value), conditions (None: all), the kind's name.
    measures: tuple[tuple[Kind, str | None, Wanted | None, str], ...]


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
        # By id: copies of an event are alike. By columns: all facts of a table are read in the same way.
        tables: dict[tuple[str, frozenset[str]], list[Fact]] = {}
        for fact in {(one.event_type, one.id): one for one in facts}.values():
            tables.setdefault((fact.event_type, frozenset(fact.values)), []).append(fact)
        for (event_type, columns), several in tables.items():
            table = _Table(several)
            for plan in self._plans.get(event_type, ()):
                if plan.columns <= columns | {EVENT_TYPE}:
                    self._count(plan, table, parts)
        for name, part in parts.items():
            part.tiles = {tile: self.cut(name, part.tiles[tile]) for tile in sorted(part.tiles)}
            part.late = {tile: sorted(part.late[tile]) for tile in sorted(part.late)}
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
            Wanted.of(aggregate.where, known),
            tuple(key.of.get(event_type) for key in aggregate.keys),
            tuple(
                (
                    kind,
                    measure.of.get(event_type),
                    Wanted.of(measure.where, known),
                    measure.kind,
                )
                for kind, measure in zip(kinds, aggregate.measures, strict=True)
            ),
        )

    @staticmethod
    def _count(plan: _Plan, table: "_Table", parts: dict[str, Part]) -> None:
        """Adds a table's facts to an aggregate's part: first by tile and key, then each measure of them at once."""
        places: dict[int, dict[KeyValues, list[int]]] = {}
        latest = plan.aggregate.lateness_seconds * 1_000_000
        part = parts.get(plan.aggregate.name) or Part()
        for at in table.where(plan.wanted):
            tile = table.tiles[at]
            if table.ages[at] > latest:
                part.late.setdefault(tile, []).append(table.ids[at])
                continue
            values = table.values[at]
            key = tuple([None if column is None else values[column] for column in plan.keys])
            places.setdefault(tile, {}).setdefault(key, []).append(at)
        if places or part.late:
            parts[plan.aggregate.name] = part
        measured = [
            (kind, table.measured(wanted, column, name)) for kind, column, wanted, name in plan.measures
        ]
        for tile, by_key in places.items():
            held = part.tiles.setdefault(tile, {})
            for key, group in by_key.items():
                states = held.get(key) or [kind.zero() for kind, _ in measured]
                held[key] = [
                    kind.add_all(state, [one for at in group if (one := values[at]) is not None])
                    for state, (kind, values) in zip(states, measured, strict=True)
                ]


class _Table:
    """Facts of one type and the same columns, as lists by their place; each condition is judged once of each."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._type = facts[0].event_type
        self.values: list[Mapping[str, Any]] = [{**one.values, EVENT_TYPE: one.event_type} for one in facts]
        self.ids = [one.id for one in facts]
        self.tiles = [one.happened_at // _TILE_MICROS * TILE_SECONDS for one in facts]
        self.ages = [one.received_at * _MICROS_PER_MILLI - one.happened_at for one in facts]
        self._happened = [one.happened_at for one in facts]
        self._verdicts: dict[Wanted, list[bool]] = {}

    def verdicts(self, wanted: Wanted) -> list[bool]:
        """Whether each fact meets conditions."""
        found = self._verdicts.get(wanted)
        if found is None:
            found = self._verdicts[wanted] = [wanted.holds(one) for one in self.values]
        return found

    def where(self, wanted: Wanted | None) -> Iterable[int]:
        """The places of those that do."""
        if wanted is None:
            return range(len(self.values))
        return [at for at, held in enumerate(self.verdicts(wanted)) if held]

    def measured(self, wanted: Wanted | None, column: str | None, kind: str) -> list[Any]:
        """What a measure of this kind takes of each fact; None where it takes nothing."""
        values = self._values(column, kind)
        if wanted is None:
            return values
        if kind == "share":
            return self.verdicts(wanted)
        return [one if held else None for one, held in zip(values, self.verdicts(wanted), strict=True)]

    def _values(self, column: str | None, kind: str) -> list[Any]:
        # A share without conditions is of all.
        if kind in ("count", "share"):
            return [True] * len(self.values)
        # Events of a type that has no such column.
        if column is None:
            return [None] * len(self.values)
        values = [one[column] for one in self.values]
        if kind not in ("funnel", "latest"):
            return values
        happened = zip(self.values, self._happened, values, strict=True)
        if kind == "funnel":
            return [None if one is None else (self._type, at, one) for _, at, one in happened]
        return [None if one is None else [at, event[EVENT_ID], one] for event, at, one in happened]


def _order(key: KeyValues) -> tuple[tuple[bool, str], ...]:
    """Absent values first, then by text."""
    return tuple((value is not None, "" if value is None else measures.text(value)) for value in key)
