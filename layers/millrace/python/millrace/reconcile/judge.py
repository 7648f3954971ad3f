"""What a missing event means: it is on its way, something explains it, it can be put where it is missing, or neither. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from millrace.reconcile.compare import EVENTS, MANIFEST, POINTERS, RAW, SILVER, YOUNG, missing

TRIES = 3


class Status(IntEnum):
    """Of an event, and by the gravest of its events of an hour."""

    EQUAL = 0
    SETTLING = 1
    EXPLAINED = 2
    REPAIRED = 3
    OPEN = 4

    @property
    def word(self) -> str:
        """As it is told: what is only settling is equal in all that has settled."""
        return "equal" if self is Status.SETTLING else self.name.lower()


# What is done for an event: its row into the log again, into UserEvents, its day before the next run of silver.
LOG, PROJECT, REOPEN = 1, 2, 4


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found out about an event that is missing somewhere.

    Attributes:
        received_at: by its row in Events; None: it has none.
        owned: whether its row says a user or a session.
        letters: consumers that have set it aside.
        untyped: silver could not type it, and says so.
        in_silver: a second look found it there.
        waiting: whether a run of silver is to take its day in; "late" where that takes too long, "aside" where an
            operator has set it aside.
        tries: how often it was repaired before.
        tried_lately: the last time within the time to settle.
    """

    received_at: datetime | None = None
    owned: bool = False
    letters: frozenset[str] = frozenset()
    untyped: bool = False
    in_silver: bool = False
    waiting: str = ""
    tries: int = 0
    tried_lately: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where it is missing after all, what that means, and what is to be done (bits of `LOG`, `PROJECT`, `REOPEN`)."""

    missing: int
    status: Status
    reasons: tuple[str, ...] = ()
    repair: int = 0


def judge(mask: int, facts: Facts, settled: datetime) -> Verdict:
    """The verdict on an event.

    Args:
        mask: the stores that it was seen in.
        facts: what was found out since.
        settled: what was received before this moment has had its time.
    """
    absent = _absent(mask, facts)
    if not absent:
        return Verdict(0, Status.EQUAL)
    if facts.received_at is not None and facts.received_at >= settled:
        return Verdict(absent, Status.SETTLING, ("received just now",))
    found = [_projection(facts)] if absent & POINTERS else []
    if absent & EVENTS:
        found.append((Status.OPEN, "its row in Events is gone", 0))
    if absent & (MANIFEST | RAW):
        found.append(_lake(absent, mask, facts))
    elif absent & SILVER:
        found.append(_silver(mask, facts))
    repair = 0
    for _, _, wanted in found:
        repair |= wanted
    if repair and facts.tried_lately:
        found, repair = [(s, "repaired just now" if r else why, 0) for s, why, r in found], 0
    elif repair and facts.tries >= TRIES:
        found = [
            (Status.OPEN if r else s, f"repaired {facts.tries} times in vain" if r else why, 0)
            for s, why, r in found
        ]
        repair = 0
    status = max(one for one, _, _ in found)
    return Verdict(absent, status, tuple(dict.fromkeys(why for _, why, _ in found)), repair)


_Part = tuple[Status, str, int]


def _absent(mask: int, facts: Facts) -> int:
    absent = missing(mask)
    if facts.received_at is not None:
        absent &= ~EVENTS
        if facts.owned and not mask & POINTERS:
            absent |= POINTERS
    if facts.in_silver:
        absent &= ~SILVER
    return absent


def _projection(facts: Facts) -> _Part:
    if "project_events" in facts.letters:
        return Status.EXPLAINED, "dead letter of project_events", 0
    if facts.received_at is None:
        return Status.OPEN, "no row in Events to make the pointer of", 0
    return Status.REPAIRED, "projected again", PROJECT


def _lake(absent: int, mask: int, facts: Facts) -> _Part:
    if "archive_events" in facts.letters:
        return Status.EXPLAINED, "dead letter of archive_events", 0
    if not absent & RAW and mask & YOUNG:
        return Status.SETTLING, "archived just now", 0
    if facts.received_at is None:
        return Status.OPEN, "no row in Events to put into the log", 0
    return Status.REPAIRED, "put into the log again", LOG


def _silver(mask: int, facts: Facts) -> _Part:
    if facts.untyped:
        return Status.EXPLAINED, "silver could not type it", 0
    if facts.waiting == "aside":
        return Status.EXPLAINED, "its day is set aside by an operator", 0
    if facts.waiting == "late":
        return Status.OPEN, "no run has taken its day into silver for hours", 0
    if facts.waiting:
        return Status.EXPLAINED, "waits for the next run of silver", 0
    if mask & YOUNG:
        return Status.SETTLING, "archived just now", 0
    return Status.REPAIRED, "its day opened for the next run of silver", REOPEN
