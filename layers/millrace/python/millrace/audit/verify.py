"""Whether chains of the audit are as they were written: pure, over lines and anchors from wherever they were read."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millrace.audit.anchor import Anchor
from millrace.core import audit, clock
from millrace.core.audit import Head, Line

# What is wrong with a line or an anchor.
CHANGED, REMOVED, INSERTED, REORDERED, UNLINKED = "changed", "removed", "inserted", "reordered", "unlinked"


@dataclass(frozen=True, slots=True)
class Broken:
    """What does not fit: a line by its tenant and number, or an anchor by its key; `why` is a sentence."""

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


@dataclass(slots=True)
class Verdict:
    """How many lines and anchors were looked at, and what is wrong with them."""

    lines: int = 0
    anchors: int = 0
    broken: list[Broken] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """As `millrace audit verify` prints it."""
        return {
            "verified": not self.broken,
            "lines": self.lines,
            "anchors": self.anchors,
            "broken": [one.to_json() for one in self.broken],
        }


def added(one: Verdict, other: Verdict) -> Verdict:
    """Two verdicts as one."""
    return Verdict(one.lines + other.lines, one.anchors + other.anchors, [*one.broken, *other.broken])


def verify_chain(
    org: str, lines: Iterable[Line], anchored: Mapping[str, Head], now: datetime, first: int = 1
) -> Verdict:
    """Checks a tenant's lines in their order, and against the ends that anchors keep of them.

    Args:
        org: the tenant.
        lines: as they are stored, oldest first; those of more than seven years may be gone.
        anchored: the key of each anchor that names the tenant, with the end of its chain.
        now: what is older than seven years by it may be missing.
        first: the number that `lines` begin at.
    """
    verdict, last = Verdict(), Head()
    ends: dict[int, list[str]] = {}
    for key, head in anchored.items():
        ends.setdefault(head.number, []).append(key)
    seen: set[str] = set()
    for line in lines:
        verdict.lines += 1
        problem = _problem(line, last if verdict.lines > 1 else None, first, now)
        if problem is not None:
            verdict.broken.append(Broken(*problem, org, line.number))
        for key in ends.get(line.number, ()):
            seen.add(key)
            if anchored[key].hash != line.hash:
                why = f"line {line.number} is another one than when {key} was written"
                verdict.broken.append(Broken(CHANGED, why, org, line.number, key))
        last = line.head
    for key, head in anchored.items():
        if key not in seen and not _expired(head.at, now) and head.number > last.number:
            why = f"the chain ends at line {last.number}; when {key} was written it had {head.number}"
            verdict.broken.append(Broken(REMOVED, why, org, head.number, key))
    return verdict


def _problem(line: Line, last: Head | None, first: int, now: datetime) -> tuple[str, str] | None:
    if line.hash != line.expected:
        return CHANGED, "its hash is not that of its content"
    if last is None:
        if line.number == first or _expired(line.previous_at, now):
            return None
        return REMOVED, f"lines {first} to {line.number - 1} are missing"
    if line.number == last.number:
        return INSERTED, "there are two lines of this number"
    if line.number < last.number:
        return REORDERED, f"it comes behind line {last.number}"
    if line.number > last.number + 1:
        return REMOVED, f"lines {last.number + 1} to {line.number - 1} are missing"
    if line.previous != last.hash or line.previous_at != last.at:
        return UNLINKED, "it was not written behind the line that stands before it"
    return None


def _expired(at: str, now: datetime) -> bool:
    return bool(at) and clock.parse(at) + audit.KEPT <= now


def verify_anchors(anchors: Iterable[Anchor], known: Mapping[str, str]) -> Verdict:
    """Checks anchors in their order: each carries the digest of the one before, and the platform's own chain names each.

    Args:
        anchors: oldest first.
        known: the key and the digest of each anchor that the platform's chain tells of.
    """
    verdict, last = Verdict(), None
    found: dict[str, str] = {}
    for anchor in anchors:
        verdict.anchors += 1
        found[anchor.key] = anchor.digest
        verdict.broken += _anchor_problems(anchor, last, known)
        last = anchor
    for key in sorted(known.keys() - found.keys()):
        verdict.broken.append(Broken(REMOVED, f"{key} was written and is not there", anchor=key))
    return verdict


def _anchor_problems(anchor: Anchor, last: Anchor | None, known: Mapping[str, str]) -> Iterator[Broken]:
    if known.get(anchor.key, anchor.digest) != anchor.digest:
        yield Broken(CHANGED, f"{anchor.key} is another one than was written", anchor=anchor.key)
    if last is None:
        if anchor.previous_key:
            yield Broken(REMOVED, f"{anchor.previous_key} is missing", anchor=anchor.previous_key)
    elif anchor.previous_key != last.key:
        missing = anchor.previous_key or "what was there before"
        yield Broken(REMOVED, f"{anchor.key} follows {missing}, not {last.key}", anchor=missing)
    elif anchor.previous_digest != last.digest:
        yield Broken(
            CHANGED, f"{last.key} is another one than when {anchor.key} was written", anchor=last.key
        )
