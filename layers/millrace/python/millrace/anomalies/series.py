"""Series of a watch, read from the tiles of its aggregate: value by key, hour by hour."""

from collections.abc import Callable, Mapping

from millrace.aggregates import measures
from millrace.aggregates.blocks import Tiles
from millrace.aggregates.definition import TILE_SECONDS, Aggregate
from millrace.aggregates.fold import OTHER, KeyValues
from millrace.anomalies.judge import ALL
from millrace.anomalies.watch import Watch

HOUR = 3600
Between = Callable[[int, int], Tiles]
"""The tiles that begin between two seconds since 1970, as `TenantTiles.between` has them."""


class Series:
    """The series of one tenant and watch."""

    def __init__(self, watch: Watch, aggregate: Aggregate, between: Between) -> None:
        self._between = between
        self._at = next(at for at, one in enumerate(aggregate.measures) if one.name == watch.measure)
        self._kind = measures.of(aggregate.measures[self._at])

    def hours(self, start: int, end: int) -> list[dict[str, float]]:
        """Values by key of the epoch hours in [start, end); what was added up as `other` is of no key."""
        found: list[dict[str, measures.State]] = [{} for _ in range(start, end)]
        for tile, by_key in self._between(start * HOUR, end * HOUR).items():
            states = found[tile // HOUR - start]
            for key, several in by_key.items():
                if key != OTHER:
                    name, state = _name(key), several[self._at]
                    states[name] = self._kind.merge(states[name], state) if name in states else state
        return [self._shown(states) for states in found]

    def last_seen(self, start: int, end: int) -> dict[str, int]:
        """The end of the last tile with events, by key, of those that begin in [start, end), seconds since 1970."""
        found: dict[str, int] = {}
        for tile, by_key in self._between(start, end).items():
            for key in by_key:
                found[_name(key)] = max(found.get(_name(key), 0), tile + TILE_SECONDS)
        return found

    def _shown(self, states: Mapping[str, measures.State]) -> dict[str, float]:
        shown = {name: self._kind.shown(state) for name, state in states.items()}
        return {name: float(value) for name, value in shown.items() if value is not None}


def _name(key: KeyValues) -> str:
    return measures.text(key[0]) if key and key[0] is not None else ALL
