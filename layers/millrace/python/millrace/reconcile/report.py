"""What a comparison found: by hour and type, and over a whole pass, as the function answers it and as metrics. Pure."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aws_lambda_powertools.metrics import MetricUnit

from millrace.reconcile.compare import (
    MANIFEST,
    OWNED,
    RAW,
    SILVER,
    TILES,
    Comparison,
    Presence,
    missing,
    names,
    split_ids,
    store_names,
)
from millrace.reconcile.judge import Status, Verdict
from millrace.reconcile.request import Window
from millrace.reconcile.sources import SourceSeen

# Missing events that an hour names; the others are counted.
MOST_NAMED = 20
# Hours that are not equal and that an answer describes; the others are counted.
MOST_DESCRIBED = 500
# Missing events that are looked up at once; the next pass takes the others.
MOST_LOOKED_UP = 200_000
# An id that only receipts have has neither type nor hour.
UNPLACED = "unplaced"
# Metrics that alarms watch.
OPEN, LEFT, TILES_LOST, LATE = "EventsOpen", "TenantDaysLeft", "MissingInTiles", "SourcesLate"


@dataclass(slots=True)
class HourResult:
    """A tenant's events of a type that happened in one hour.

    Attributes:
        event_type: their type; of tiles the aggregate, whose day is the first hour's.
        hour: of the UTC day.
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
        """The worst of its events."""
        return max(self.by_status, default=Status.EQUAL)

    def count(self, mask: int) -> None:
        """Counts an event in the stores of the mask."""
        for name in names(mask):
            self.counts[name] += 1
        if mask & OWNED:
            self.counts["owned"] += 1

    def add(self, event_id: str, mask: int, verdict: Verdict) -> None:
        """Counts an event with its verdict; `mask` is where it is after all."""
        if verdict.status is Status.EQUAL:
            self.count(mask)
            return
        self.by_status[verdict.status] += 1
        if verdict.status is Status.SETTLING:
            return
        self.count(mask)
        absent = names(verdict.missing)
        self.missing.update(absent)
        if len(self.differences) < MOST_NAMED:
            named = {"eventId": event_id, "missing": absent, "status": verdict.status.word}
            self.differences.append({**named, "reasons": list(verdict.reasons)})

    def add_unjudged(self, mask: int, absent: int, status: Status) -> None:
        """Counts a missing event that was not looked up."""
        self.count(mask)
        self.missing.update(names(absent))
        self.by_status[status] += 1

    def to_json(self) -> dict[str, Any]:
        """As the command and the table have it."""
        stores = [TILES] if TILES in self.counts else [name for name in store_names() if name != TILES]
        return {
            "eventType": self.event_type,
            "hour": self.hour,
            "status": self.status.word,
            "counts": {name: self.counts[name] for name in (*stores, "owned")},
            "missing": dict(sorted(self.missing.items())),
            "settling": self.by_status[Status.SETTLING],
            "explained": self.by_status[Status.EXPLAINED],
            "repaired": self.by_status[Status.REPAIRED],
            "open": self.by_status[Status.OPEN],
            "differences": self.differences,
        }


@dataclass(slots=True)
class PassReport:
    """What a pass found.

    Attributes:
        hours: hours of types by status.
        counts: as `HourResult`.
        missing: as `HourResult`.
        events: missing events by what became of them; `tiles` likewise.
        differences: the hours that are not equal.
        left: tenant-days that failed, or that the time did not suffice for.
        sources: what feeds intake, with what it brought in the hours of the pass.
    """

    hours: Counter[str] = field(default_factory=Counter)
    counts: Counter[str] = field(default_factory=Counter)
    missing: Counter[str] = field(default_factory=Counter)
    events: Counter[Status] = field(default_factory=Counter)
    tiles: Counter[Status] = field(default_factory=Counter)
    differences: list[dict[str, Any]] = field(default_factory=list)
    left: int = 0
    sources: list[SourceSeen] = field(default_factory=list)

    def add(self, org: str, day: str, results: Iterable[HourResult]) -> None:
        """Adds a tenant's day."""
        for result in results:
            self.hours[result.status.word] += 1
            self.counts.update(result.counts)
            self.missing.update(result.missing)
            (self.tiles if TILES in result.counts else self.events).update(result.by_status)
            if result.status.word != "equal" and len(self.differences) < MOST_DESCRIBED:
                self.differences.append({"org": org, "day": day, **result.to_json()})

    def to_json(self) -> dict[str, Any]:
        """The answer of the function."""
        return {
            "cells": {word: self.hours[word] for word in ("equal", "explained", "repaired", "open")},
            "counts": {name: self.counts[name] for name in (*store_names(), "owned")},
            "missing": {name: self.missing[name] for name in store_names()},
            "events": {
                status.name.lower(): self.events[status] for status in Status if status is not Status.EQUAL
            },
            "left": self.left,
            "sources": [one.to_json() for one in self.sources],
            "differences": self.differences,
        }

    def metrics(self) -> dict[str, tuple[float, MetricUnit]]:
        """`EventsOpen` and `TenantDaysLeft`; `EventsRepaired`, `EventsExplained`, `MissingInRaw` and the like if there are any.

        A metric is paid for in the hours in which it has a value.
        """
        always = {OPEN: self.events[Status.OPEN], LEFT: self.left}
        others = {
            "EventsRepaired": self.events[Status.REPAIRED],
            "EventsExplained": self.events[Status.EXPLAINED],
            **{f"MissingIn{name[0].upper()}{name[1:]}": self.missing[name] for name in store_names()},
            # Of what a seal found otherwise, it has told itself.
            TILES_LOST: self.tiles[Status.REPAIRED],
            LATE: sum(one.late for one in self.sources),
        }
        values = always | {name: count for name, count in others.items() if count}
        return {name: (count, MetricUnit.Count) for name, count in values.items()}


class DayResult:
    """The hours of a tenant's day, and what is still to be looked up.

    Attributes:
        to_look_up: events that are missing somewhere.
        lost: ids of the receipts of `dangling` that raw does not have.
    """

    def __init__(
        self, comparison: Comparison, window: Window, waiting: str, dangling: Mapping[str, bytes]
    ) -> None:
        """Counts what is equal, and what only waits for silver.

        Args:
            comparison: with all that the stores have.
            window: the hours that are compared.
            waiting: whether the day waits for silver, as `Facts` has it.
            dangling: rows of the manifest whose object is not there, each with its ids.
        """
        self._hours: dict[tuple[str, int], HourResult] = {}
        self.to_look_up: list[Presence] = []
        self.lost: set[bytes] = set()
        self._not_in_raw = 0
        in_dangling = {one for ids in dangling.values() for one in split_ids(ids)}
        for event in comparison.events():
            if not event.mask & RAW:
                self._not_in_raw += 1
                if event.id in in_dangling:
                    self.lost.add(event.id)
            if event.event_type is not None:
                self._count(event, event.event_type, waiting)
            elif window.whole and len(self.to_look_up) < MOST_LOOKED_UP:
                # Of some hours alone, the rest of the manifest's day is unknown and no difference.
                self.to_look_up.append(event)

    def add_lost(self, events: int) -> None:
        """Counts the events of objects that are not there and have no receipts any more, but for those that another store knows."""
        for _ in range(events - self._not_in_raw):
            self.hour(None, 0).add_unjudged(MANIFEST, RAW, Status.OPEN)

    def hour(self, event_type: str | None, hour: int) -> HourResult:
        """The hour of a type, made where it is not there yet; without a type, that of the unplaced."""
        name = event_type or UNPLACED
        return self._hours.setdefault((name, hour), HourResult(name, hour))

    @property
    def hours(self) -> list[HourResult]:
        """All of them, by hour and type."""
        return sorted(self._hours.values(), key=lambda one: (one.hour, one.event_type))

    def _count(self, event: Presence, event_type: str, waiting: str) -> None:
        absent, hour = missing(event.mask), self.hour(event_type, event.hour)
        if not absent:
            hour.count(event.mask)
        elif absent == SILVER and waiting == "soon":
            hour.add_unjudged(event.mask, absent, Status.EXPLAINED)
        elif len(self.to_look_up) < MOST_LOOKED_UP:
            self.to_look_up.append(event)
        else:
            hour.add_unjudged(event.mask, absent, Status.OPEN)
