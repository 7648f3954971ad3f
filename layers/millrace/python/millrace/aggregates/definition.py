"""An aggregate as the bundle holds it: which events it counts, by which keys, and what it measures. Pure.

`schemas/aggregates/<name>.yaml` is its source; `compiler/aggregates.py` has the rules for authors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from millrace.contracts.conditions import Condition, names

# Every window is a sum of these.
TILE_SECONDS = 300
DAY_SECONDS = 86_400
# The column by which events of one moment are ordered.
EVENT_ID = "event_id"
# The longest window of an aggregate with a measure that decays.
LONGEST_DECAYED = 31 * DAY_SECONDS


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured of the events of a key in a tile.

    Attributes:
        name: in answers and tables.
        kind: one of `measures.KINDS`.
        of: event type → the column whose values are measured; empty for what only counts.
        type: of those columns, as Iceberg calls it; empty where there is none.
        where: conditions on the events that are measured; for `share` those that the share is of.
        most: values that `top` keeps.
        edges: of a `distribution`, ascending.
        steps: event types of a `funnel`, in order.
        half_life_seconds: behind which an event counts half; 0 where it always counts whole.
        of_user: whether its values are users.
    """

    name: str
    kind: str
    of: Mapping[str, str]
    type: str
    where: tuple[Condition, ...]
    most: int
    edges: tuple[float, ...]
    steps: tuple[str, ...] = ()
    half_life_seconds: int = 0
    of_user: bool = False


@dataclass(frozen=True, slots=True)
class Derived:
    """What follows from measures of a window: its name in answers, one of `derived.ROLES`, and role → measure."""

    name: str
    kind: str
    of: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Key:
    """A dimension.

    Attributes:
        name: in answers.
        of: event type → the column that gives its value.
        type: of those columns, as Iceberg calls it.
        of_user: whether its values are users: numbers of people where they are counted, ids in questions and answers.
    """

    name: str
    of: Mapping[str, str]
    type: str
    of_user: bool = False


@dataclass(frozen=True, slots=True)
class Aggregate:
    """An aggregate.

    Attributes:
        name: of its file, and the `{metric}` of `GET /v1/analytics/{metric}`.
        version: full; a change of what it counts is a new one.
        description: for people.
        owner: who answers for it.
        events: the types that it counts.
        of_log: whether they are of `store: none`: counted at least once, and final only when sealed.
        where: conditions on the events; without any all of the types are counted.
        keys: in order; none: one row for all.
        measures: in the author's order.
        most_keys: keys that are kept of what arrives in a minute for one tile; the others are added up as one, `other`.
        ranked_by: the measure, a `count` or `sum`, by which keys are kept: the greatest first, then by key.
        lateness_seconds: how old an event may be on receipt (receivedAt - timestamp) and still be counted in its tile.
        retention_days: how long sealed tiles are kept.
        window_seconds: of answers that are asked for no window.
        derived: what follows from the measures, in order.
    """

    name: str
    version: str
    description: str
    owner: str
    events: tuple[str, ...]
    of_log: bool
    where: tuple[Condition, ...]
    keys: tuple[Key, ...]
    measures: tuple[Measure, ...]
    most_keys: int
    ranked_by: str
    lateness_seconds: int
    retention_days: int
    window_seconds: int
    derived: tuple[Derived, ...] = ()

    @property
    def answered(self) -> tuple[Measure | Derived, ...]:
        """What answers have by name."""
        return (*self.measures, *self.derived)

    @property
    def longest_window(self) -> int:
        """Seconds; what decays is asked for over days."""
        decays = any(one.half_life_seconds for one in self.measures)
        return LONGEST_DECAYED if decays else DAY_SECONDS

    def columns(self, event_type: str) -> frozenset[str]:
        """The columns of a type's events that it reads, conditions included, and the id where events are put in order."""
        parts: tuple[Key | Measure, ...] = (*self.keys, *self.measures)
        named = [part.of[event_type] for part in parts if event_type in part.of]
        named += [EVENT_ID for one in self.measures if one.kind == "latest" and event_type in one.of]
        groups = (self.where, *(measure.where for measure in self.measures))
        return frozenset(named).union(*(names(group) for group in groups))

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Aggregate":
        """Reads the form in the bundle: these attributes by their names."""
        return cls(
            **{
                **document,
                "events": tuple(document["events"]),
                "where": tuple(document["where"]),
                "keys": tuple(Key(**one) for one in document["keys"]),
                "measures": tuple(_measure(one) for one in document["measures"]),
                "derived": tuple(Derived(**one) for one in document.get("derived", ())),
            }
        )


def _measure(document: Mapping[str, Any]) -> Measure:
    lists = {name: tuple(document.get(name, ())) for name in ("where", "edges", "steps")}
    return Measure(**{**document, **lists})


def of_types(aggregates: Sequence[Aggregate]) -> dict[str, tuple[Aggregate, ...]]:
    """Event type → the aggregates that count it."""
    types = {name for one in aggregates for name in one.events}
    return {name: tuple(one for one in aggregates if name in one.events) for name in types}
