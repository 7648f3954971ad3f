"""A pattern as the bundle holds it: the events that it is made of, what joins them, and within which time. Pure.

`schemas/patterns/<name>.yaml` is its source; `compiler/patterns.py` has the rules for authors.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from millrace.contracts.conditions import Condition
from millrace.core import bundle

SEQUENCE, ALL, COUNT, ABSENCE = "sequence", "all", "count", "absence"
USER, SESSION, CORRELATION, ENTITY, FIELD = "user", "session", "correlation", "entity", "field"
# The kind of its alerts.
KIND = "pattern"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field of a step beside a field of an earlier one: of the same value, or of another. Absent fields are neither."""

    field: str
    step: int
    of: str
    same: bool


@dataclass(frozen=True, slots=True)
class Step:
    """Events that a pattern needs.

    Attributes:
        name: in the pattern.
        events: their types; none: any.
        where: conditions on each.
        count: how many of them.
        comparisons: with earlier steps.
        kept: fields whose values are kept, because a step is compared by them.
        distinct: the field of which each of its events has another value; empty where that does not matter.
    """

    name: str
    events: tuple[str, ...]
    where: tuple[Condition, ...]
    count: int
    comparisons: tuple[Comparison, ...]
    kept: tuple[str, ...]
    distinct: str = ""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern.

    Attributes:
        name: of its file, and the rule of its alerts.
        version: full; a change of what it finds is a new one, which begins without the old one's state.
        kind: `sequence`, `all`, `count` or `absence`.
        title: of its alerts.
        description: for people.
        owner: of its alerts.
        severity: of its alerts.
        by: what joins events: `user`, `session`, `correlation`, `entity` or `field`.
        name_of_key: of the entity or the field; else that of `by`.
        within: between its first and its last event, or the missing one.
        quiet: how long one alert stands for others of the same key.
        steps: in order, but for `all`.
        missing: the step that does not come; of `absence` only.
    """

    name: str
    version: str
    kind: str
    title: str
    description: str
    owner: str
    severity: str
    by: str
    name_of_key: str
    within: timedelta
    quiet: timedelta
    steps: tuple[Step, ...]
    missing: Step | None

    @property
    def ref(self) -> str:
        """`order_without_completion@1.0.0`."""
        return f"{self.name}@{self.version}"

    @property
    def keeps_state(self) -> bool:
        """Whether one event says nothing without others."""
        return len(self.steps) > 1 or self.steps[0].count > 1

    @property
    def all_steps(self) -> tuple[Step, ...]:
        """Its steps and the missing one."""
        return self.steps if self.missing is None else (*self.steps, self.missing)

    def subject(self, key: str) -> str:
        """`order:ord_17`."""
        return f"{self.name_of_key}:{key}"

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> "Pattern":
        """Reads what the compiler wrote."""
        within, quiet = (timedelta(seconds=document[name]) for name in ("within_seconds", "quiet_seconds"))
        missing = document["missing"]
        texts = ("name", "version", "kind", "title", "description", "owner", "severity", "by", "name_of_key")
        return cls(
            **{name: document[name] for name in texts},
            within=within,
            quiet=quiet,
            steps=tuple(map(_step, document["steps"])),
            missing=None if missing is None else _step(missing),
        )


def _step(document: Mapping[str, Any]) -> Step:
    return Step(
        document["name"],
        tuple(document["events"]),
        tuple(document["where"]),
        document["count"],
        tuple(Comparison(**one) for one in document["comparisons"]),
        tuple(document["kept"]),
        document["distinct"],
    )


def load(folder: Path | None = None) -> Sequence[Pattern]:
    """The patterns of the bundle in `folder`, else of the one in force."""
    return bundle.load(_read, folder)


def _read(folder: Path) -> Sequence[Pattern]:
    return tuple(Pattern.from_json(one) for one in bundle.document(folder, bundle.PATTERNS))
