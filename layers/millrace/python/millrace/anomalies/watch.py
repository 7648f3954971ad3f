"""What is watched, and how far it may be from what is expected: `schemas/anomalies/<name>.yaml` as the bundle holds it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

# Weeks of a series before it is compared with its past.
WARM_UP_WEEKS = 2
# Weeks that an hour is compared with, at most.
WEEKS = 6


class Kind(StrEnum):
    """What can be wrong with a series."""

    SPIKE = "spike"
    DROP = "drop"
    SILENCE = "silence"
    SHARE = "share"
    DRIFT = "drift"
    ABOVE = "above"
    BELOW = "below"


@dataclass(frozen=True, slots=True)
class Threshold:
    """Bounds of a series' value in an hour that hold from its first day. `key` empty: of all keys together."""

    key: str
    above: float | None = None
    below: float | None = None


@dataclass(frozen=True, slots=True)
class Mute:
    """Nothing is raised for a key (empty: for none at all) from an hour on, up to another, in epoch hours."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Watch:
    """What is watched.

    Attributes:
        name: of its file.
        version: full.
        description: for people.
        owner: who answers for it; alerts go there.
        aggregate: whose measure it is.
        measure: its name there.
        kind: of the measure, as `aggregates.measures` has it.
        scores: kind → the score from which on it is an anomaly; twice that is critical. A kind that is absent is not looked for.
        change: the share of the expectation by which a value has to be off.
        at_least: what is not reached, neither by the value nor by its expectation, is no anomaly.
        zone: whose weeks these are, such as Europe/Berlin.
        thresholds: bounds that need no past.
        holidays: days, in epoch days, that are not compared and not learned from.
        mutes: when nothing is raised.
    """

    name: str
    version: str
    description: str
    owner: str
    aggregate: str
    measure: str
    kind: str = "count"
    scores: Mapping[Kind, float] = field(default_factory=dict)
    change: float = 0.3
    at_least: float = 20
    zone: str = "UTC"
    thresholds: tuple[Threshold, ...] = ()
    holidays: frozenset[int] = frozenset()
    mutes: tuple[Mute, ...] = ()

    @property
    def counts(self) -> bool:
        """Whether it is a number of events, whose noise grows with its root; else only its own past says how noisy it is."""
        return self.kind == "count"

    @property
    def adds(self) -> bool:
        """Whether an hour without events has the value 0, and keys make up a whole; else it has none."""
        return self.kind in ("count", "sum")

    def muted(self, key: str, hour: int) -> bool:
        """Whether nothing is raised for a key in an epoch hour."""
        return any(one.key in ("", key) and one.start <= hour < one.end for one in self.mutes)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Watch":
        """Reads the form in the bundle: these attributes by their names."""
        return cls(
            **{
                **document,
                "scores": {Kind(name): score for name, score in document["scores"].items()},
                "thresholds": tuple(Threshold(**one) for one in document["thresholds"]),
                "holidays": frozenset(document["holidays"]),
                "mutes": tuple(Mute(**one) for one in document["mutes"]),
            }
        )
