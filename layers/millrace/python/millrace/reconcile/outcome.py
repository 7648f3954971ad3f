"""What came of an hour of a type, and of a pass. Pure."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from millrace.reconcile.compare import OWNED, SOURCES, names
from millrace.reconcile.judge import Status, Verdict

# Ids that an hour names of those missing; the others are counted.
NAMED = 20
# Hours that an answer tells of, besides the equal ones, which it counts.
TOLD = 500
# An id that only the manifest has says neither its type nor its hour.
UNPLACED = "unplaced"


@dataclass(slots=True)
class Cell:
    """A tenant's events of a type that happened in one hour.

    Attributes:
        counts: distinct events by store, those that are still settling left out; `owned`: how many have a user or a session.
        missing: how many are missing, by store.
        by_status: how many of those missing are settling, explained, repaired, open.
        differences: some of them, each with its stores and reasons.
    """

    event_type: str
    hour: int
    counts: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    by_status: Counter[Status] = field(default_factory=Counter)
    differences: list[dict[str, Any]] = field(default_factory=list)

    @property
    def status(self) -> Status:
        """The gravest."""
        return max(self.by_status, default=Status.EQUAL)

    def count(self, mask: int) -> None:
        """Counts an event that is where it should be, or of which the mask says where it is."""
        for name in names(mask):
            self.counts[name] += 1
        if mask & OWNED:
            self.counts["owned"] += 1

    def tell(self, event_id: str, mask: int, verdict: Verdict) -> None:
        """Counts an event that was looked at closer; `mask` is where it is after all."""
        if verdict.status is Status.EQUAL:
            self.count(mask)
            return
        self.by_status[verdict.status] += 1
        if verdict.status is Status.SETTLING:
            return
        self.count(mask)
        absent = names(verdict.missing)
        self.missing.update(absent)
        if len(self.differences) < NAMED:
            told = {"eventId": event_id, "missing": absent, "status": verdict.status.word}
            self.differences.append({**told, "reasons": list(verdict.reasons)})

    def leave(self, mask: int, absent: int, status: Status) -> None:
        """Counts an event that nobody looked at closer."""
        self.count(mask)
        self.missing.update(names(absent))
        self.by_status[status] += 1

    def to_json(self) -> dict[str, Any]:
        """As the command and the table have it."""
        return {
            "eventType": self.event_type,
            "hour": self.hour,
            "status": self.status.word,
            "counts": {name: self.counts[name] for name in (*SOURCES.values(), "owned")},
            "missing": dict(sorted(self.missing.items())),
            "settling": self.by_status[Status.SETTLING],
            "explained": self.by_status[Status.EXPLAINED],
            "repaired": self.by_status[Status.REPAIRED],
            "open": self.by_status[Status.OPEN],
            "differences": self.differences,
        }


@dataclass(slots=True)
class Report:
    """What a pass found: hours by status, events by what is missing and what became of it, and the hours that are not equal."""

    cells: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    events: Counter[Status] = field(default_factory=Counter)
    told: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0

    def add(self, org: str, day: str, cells: Iterable[Cell]) -> None:
        """Adds a tenant's day."""
        for cell in cells:
            self.cells[cell.status.word] += 1
            self.counts.update(cell.counts)
            self.missing.update(cell.missing)
            self.events.update(cell.by_status)
            if cell.status.word != "equal" and len(self.told) < TOLD:
                self.told.append({"org": org, "day": day, **cell.to_json()})

    def to_json(self) -> dict[str, Any]:
        """The answer of the function. `left`: tenant-days that failed or that time did not suffice for."""
        return {
            "cells": {word: self.cells[word] for word in ("equal", "explained", "repaired", "open")},
            "counts": {name: self.counts[name] for name in (*SOURCES.values(), "owned")},
            "missing": {name: self.missing[name] for name in SOURCES.values()},
            "events": {
                status.name.lower(): self.events[status] for status in Status if status is not Status.EQUAL
            },
            "left": self.left,
            "differences": self.told,
        }
