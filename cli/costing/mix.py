"""A traffic profile, and what a million events of it cost over all paths."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

# The parts of the path of an event with the default indexes, and of one that goes to the lake only. Routing, fraud and
# the hourly tables come on top for some events.
DEFAULT_INDEXES = ("accept", "store", "log", "archive", "project", "storage", "expire")
LAKE_ONLY = ("accept.lake-only", "log.lake-only", "archive.lake-only", "storage.lake-only")
# Paths that cost more for an event of more indexes.
_BY_INDEXES = ("store", "storage", "expire")


@dataclass(frozen=True, slots=True)
class Mix:
    """A traffic profile.

    Attributes:
        request: events in one request.
        seeded: share of events like those of `millrace seed` (four or five indexes).
        default: share with the default indexes, `type` and `user`.
        lake_only: share of `store: none`.
        refused: events that are refused, over events that are accepted.
        transactions: share of accepted events with a fraud decision.
        routed: share of accepted events that go to the bus.
    """

    request: int = 100
    seeded: float = 1.0
    default: float = 0.0
    lake_only: float = 0.0
    refused: float = 0.01
    transactions: float = 0.74
    routed: float = 0.97

    def __post_init__(self) -> None:
        if abs(self.seeded + self.default + self.lake_only - 1) > 1e-6:
            raise ValueError("seeded, default and lakeOnly must add up to 1")
        if self.request < 1 or min(self.refused, self.transactions, self.routed) < 0:
            raise ValueError("a mix has at least one event a request and no negative share")


def read_mix(file: Path) -> Mix:
    """Reads a mix from YAML or JSON, with the attributes' names in camelCase.

    Raises:
        ValueError: the file has an unknown name, or shares that do not add up to 1.
    """
    held = yaml.safe_load(file.read_text())
    names = {"lakeOnly": "lake_only"}
    try:
        return Mix(**{names.get(str(name), str(name)): value for name, value in dict(held).items()})
    except TypeError as error:
        raise ValueError(f"{file}: {error}") from error


def weights(mix: Mix) -> dict[str, float]:
    """How many events take each path, over accepted events."""
    stored = mix.seeded + mix.default
    return {
        **dict.fromkeys(("accept", "log", "archive", "project"), stored),
        **{f"{name}.seeded": mix.seeded for name in _BY_INDEXES},
        **dict.fromkeys(_BY_INDEXES, mix.default),
        **dict.fromkeys(LAKE_ONLY, mix.lake_only),
        **dict.fromkeys(("fraud", "features", "storage.features"), mix.transactions),
        "route": mix.routed,
        "count": stored,
        "etl": 1.0,
        "quarantine": mix.refused,
    }


def totals(dollars: Mapping[str, float], mix: Mix) -> dict[str, float]:
    """The whole path of three kinds of events: default indexes, lake only, and the mix with all its follow-up costs."""
    return {
        "total.default-indexes": sum(dollars[name] for name in DEFAULT_INDEXES),
        "total.lake-only": sum(dollars[name] for name in LAKE_ONLY),
        "total.mix": sum(weight * dollars[name] for name, weight in weights(mix).items()),
    }
