"""What verification of the audit answers: what is wrong, and how far each chain is proven."""

from dataclasses import dataclass, field
from typing import Any

# What is wrong with a line, an anchor, or the file that they stand in.
CHANGED, REMOVED, INSERTED, REORDERED, UNLINKED = "changed", "removed", "inserted", "reordered", "unlinked"
CUT, EMPTY = "cut", "empty"


@dataclass(frozen=True, slots=True)
class Broken:
    """What does not fit: a line by its tenant and number, an anchor by its key, or the whole; `why` is a sentence."""

    kind: str
    why: str
    org: str | None = None
    number: int | None = None
    anchor: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `millrace audit verify` prints it."""
        return {
            "org": self.org,
            "number": self.number,
            "anchor": self.anchor,
            "kind": self.kind,
            "why": self.why,
        }


@dataclass(frozen=True, slots=True)
class Chain:
    """How far the chain of a tenant is proven.

    Attributes:
        org: the tenant.
        lines: how many there are.
        first: the lowest number; 0 where there is no line.
        last: the highest number.
        first_at: when that line was written, UTC; empty where there is none.
        last_at: the same of the last one.
        anchored: the highest number that an anchor keeps, and whose line is that one; 0 where there is none.
        anchor: the key of that anchor.
    """

    org: str
    lines: int
    first: int
    last: int
    first_at: str
    last_at: str
    anchored: int = 0
    anchor: str = ""

    @property
    def unproven(self) -> int:
        """How many lines come behind the newest anchor: they are proven by each other alone."""
        return max(0, self.last - max(self.anchored, self.first - 1))

    def to_json(self) -> dict[str, Any]:
        """As `millrace audit verify` prints it."""
        return {
            "org": self.org,
            "lines": self.lines,
            "first": self.first,
            "last": self.last,
            "firstAt": self.first_at or None,
            "lastAt": self.last_at or None,
            "anchoredUpTo": self.anchored or None,
            "anchor": self.anchor or None,
            "unproven": self.unproven,
        }


@dataclass(slots=True)
class Verdict:
    """What was looked at, and what is wrong with it.

    Attributes:
        lines: how many.
        anchors: how many.
        broken: what does not fit.
        chains: how far each one is proven.
        newest_anchor: key and SHA-256 of the newest anchor, to be compared with those that were kept elsewhere; None where none was read.
        org: the only tenant whose chain was looked at; None for all of them.
    """

    lines: int = 0
    anchors: int = 0
    broken: list[Broken] = field(default_factory=list)
    chains: list[Chain] = field(default_factory=list)
    newest_anchor: tuple[str, str] | None = None
    org: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As `millrace audit verify` prints it."""
        newest = self.newest_anchor
        return {
            "verified": not self.broken,
            "org": self.org,
            "lines": self.lines,
            "anchors": self.anchors,
            "newestAnchor": None if newest is None else {"key": newest[0], "sha256": newest[1]},
            "chains": [one.to_json() for one in self.chains],
            "broken": [one.to_json() for one in self.broken],
        }

    def add(self, other: "Verdict") -> None:
        """Takes in what another one found."""
        self.lines += other.lines
        self.anchors += other.anchors
        self.broken += other.broken
        self.chains += other.chains
        self.newest_anchor = other.newest_anchor or self.newest_anchor

    def refuse_nothing(self) -> None:
        """Adds that there is nothing to verify: whoever removed all of it would leave the same."""
        if not self.lines and not self.broken:
            self.broken.append(Broken(EMPTY, "there is not one line, so nothing is proven"))
