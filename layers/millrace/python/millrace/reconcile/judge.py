"""What a missing event means: it is on its way, something explains it, it can be put where it is missing, or neither. Pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from millrace.eventstore.consumers import ARCHIVE, PROJECTION, ConsumerSpec, Source
from millrace.reconcile.compare import EVENTS, MANIFEST, POINTERS, RAW, SILVER, YOUNG, further, missing

MOST_REPAIRS = 3


class Status(IntEnum):
    """Of an event; an hour has the worst status of its events."""

    EQUAL = 0
    SETTLING = 1
    EXPLAINED = 2
    REPAIRED = 3
    OPEN = 4

    @property
    def word(self) -> str:
        """As reports have it: an hour whose differences are all settling is equal."""
        return "equal" if self is Status.SETTLING else self.name.lower()


# Repairs of an event: put its row into the log, project its pointer, reopen its day for the next run of silver.
LOG, PROJECT, REOPEN = 1, 2, 4


@dataclass(frozen=True, slots=True)
class EventFacts:
    """What was looked up about an event that is missing somewhere.

    Attributes:
        received_at: by its row in Events; None: it has none.
        owned: whether its row has a user or a session.
        dead_letters: consumers that have set it aside.
        untyped: whether silver could not convert it to the types of its contract.
        in_silver: whether a second look found it there.
        waiting: whether a run of silver is to take its day in; "late" where that takes too long, "aside" where an
            operator has set it aside.
        outlived: whether its day is longer ago than raw is kept.
        repairs: how often it was repaired before.
        repaired_lately: the last time within the time to settle.
    """

    received_at: datetime | None = None
    owned: bool = False
    dead_letters: frozenset[str] = frozenset()
    untyped: bool = False
    in_silver: bool = False
    waiting: str = ""
    outlived: bool = False
    repairs: int = 0
    repaired_lately: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """Where it is missing after all, what that means, and what is to be done (bits of `LOG`, `PROJECT`, `REOPEN`)."""

    missing: int
    status: Status
    reasons: tuple[str, ...] = ()
    repair: int = 0


# Status, reason and repair of one store.
_Part = tuple[Status, str, int]


def judge(mask: int, facts: EventFacts, settled: datetime) -> Verdict:
    """The verdict on an event.

    Args:
        mask: the stores that it was seen in.
        facts: what was looked up since.
        settled: what was received before this moment has had its time.
    """
    absent = _absent(mask, facts)
    if not absent:
        return Verdict(0, Status.EQUAL)
    if facts.received_at is not None and facts.received_at >= settled:
        return Verdict(absent, Status.SETTLING, ("received just now",))
    parts = _parts(absent, mask, facts)
    if any(repair for _, _, repair in parts):
        parts = _bounded(parts, facts)
    repair = 0
    for _, _, wanted in parts:
        repair |= wanted
    status = max(one for one, _, _ in parts)
    return Verdict(absent, status, tuple(dict.fromkeys(why for _, why, _ in parts)), repair)


def _absent(mask: int, facts: EventFacts) -> int:
    absent = missing(mask)
    if facts.received_at is not None:
        absent &= ~EVENTS
        if facts.owned and not mask & POINTERS:
            absent |= POINTERS
    if facts.in_silver:
        absent &= ~SILVER
    return absent


def _parts(absent: int, mask: int, facts: EventFacts) -> list[_Part]:
    parts = [_projection(facts)] if absent & POINTERS else []
    if absent & EVENTS:
        parts.append((Status.OPEN, "its row in Events is gone", 0))
    if absent & (MANIFEST | RAW):
        parts.append(_lake(absent, mask, facts))
    elif absent & SILVER:
        parts.append(_silver(mask, facts))
    return parts + [_further(consumer, facts) for bit, consumer in further().items() if absent & bit]


def _bounded(parts: list[_Part], facts: EventFacts) -> list[_Part]:
    """The parts without repairs where one was made just now, or too many were made before."""
    if facts.repaired_lately:
        return [(status, "repaired just now" if repair else why, 0) for status, why, repair in parts]
    if facts.repairs >= MOST_REPAIRS:
        given_up = (Status.OPEN, f"still missing after {facts.repairs} repairs", 0)
        return [given_up if part[2] else part for part in parts]
    return parts


def _projection(facts: EventFacts) -> _Part:
    if PROJECTION.name in facts.dead_letters:
        return Status.EXPLAINED, f"dead letter of {PROJECTION.name}", 0
    if facts.received_at is None:
        return Status.OPEN, "no row in Events to make the pointer of", 0
    return Status.REPAIRED, "projected again", PROJECT


def _lake(absent: int, mask: int, facts: EventFacts) -> _Part:
    if ARCHIVE.name in facts.dead_letters:
        return Status.EXPLAINED, f"dead letter of {ARCHIVE.name}", 0
    if facts.outlived and mask & SILVER:
        return Status.EXPLAINED, "its day is longer ago than raw is kept, and silver keeps it", 0
    if not absent & RAW and mask & YOUNG:
        return Status.SETTLING, "archived just now", 0
    return _log(facts)


def _further(consumer: ConsumerSpec, facts: EventFacts) -> _Part:
    if consumer.name in facts.dead_letters:
        return Status.EXPLAINED, f"dead letter of {consumer.name}", 0
    if consumer.source is Source.LOG:
        return _log(facts)
    return Status.OPEN, f"no receipt of {consumer.name}", 0


def _log(facts: EventFacts) -> _Part:
    if facts.received_at is None:
        return Status.OPEN, "no row in Events to put into the log", 0
    return Status.REPAIRED, "put into the log again", LOG


def _silver(mask: int, facts: EventFacts) -> _Part:
    if facts.untyped:
        return Status.EXPLAINED, "silver could not convert it to the types of its contract", 0
    if facts.waiting == "aside":
        return Status.EXPLAINED, "its day is set aside by an operator", 0
    if facts.waiting == "late":
        return Status.OPEN, "no run has taken its day into silver for hours", 0
    if facts.waiting:
        return Status.EXPLAINED, "waits for the next run of silver", 0
    if mask & YOUNG:
        return Status.SETTLING, "archived just now", 0
    return Status.REPAIRED, "its day opened for the next run of silver", REOPEN
