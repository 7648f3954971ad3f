"""One tenant's hours of a day: read from every store, compared, and what is missing put where it belongs.

The order of reading is what keeps a difference from being only a matter of time: the manifest, raw and the pointers first,
then what waits for silver, then silver, and Events last. What Events has by then and the others had not was received in
the time to settle; what raw had, silver has by then or its day is waiting.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, Protocol

from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.eventstore import failed_days, pending, receipts
from millrace.reconcile import tables
from millrace.reconcile.account import Cells, Taken, cell_of, compared, cut, within
from millrace.reconcile.compare import (
    EVENTS,
    MANIFEST,
    SILVER,
    YOUNG,
    Entry,
    Ledger,
    missing,
    to_text,
)
from millrace.reconcile.notes import Notes
from millrace.reconcile.outcome import UNPLACED, Cell
from millrace.reconcile.raw_objects import Held, RawObject, RawObjects
from millrace.reconcile.results import Results
from millrace.reconcile.suspects import Day, Suspects
from millrace.reconcile.window import SETTLE, Window

READERS = 8
MOST_DANGLING = 500
NOTED_AT_ONCE = 500_000
# An event is accepted up to 15 minutes before it happens, and clocks differ: nothing of an hour was written earlier.
AHEAD = timedelta(minutes=20)
# A run takes in hourly what waits; a day in which nothing was written for so long should have been taken in.
LATE = timedelta(hours=6)


class SilverIds(Protocol):
    """What silver has of a tenant's day."""

    def read(
        self, org: str, day: str, *, fresh: bool = False
    ) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        """Type, and hour and id of its events; `fresh`: as it is at this moment."""
        ...


class Check:
    """Reads the stores and settles accounts."""

    def __init__(
        self,
        dynamodb: Any,
        registry: Registry,
        raw: RawObjects,
        notes: Notes,
        silver: SilverIds,
        results: Results,
        suspects: Suspects,
        *,
        events_table: str,
        user_events_table: str,
        metadata_table: str,
    ) -> None:
        self._dynamodb, self._registry, self._raw = dynamodb, registry, raw
        self._notes, self._silver = notes, silver
        self._results, self._suspects = results, suspects
        self._events, self._user_events, self._table = events_table, user_events_table, metadata_table

    def run(self, org: str, window: Window, now: datetime, *, again: bool = False) -> list[Cell]:
        """Reconciles and keeps the result.

        Args:
            org: the tenant.
            window: hours that are closed.
            now: the present moment.
            again: read every object and look for every pointer, whatever notes there are of them.

        Raises:
            MillraceError: a store did not answer. What was repaired until then is; the next pass finds the rest.
        """
        ledger = Ledger()
        try:
            cells = self._reconciled(ledger, org, window, now, again=again)
        finally:
            ledger.close()
        found = sorted(cells.values(), key=lambda cell: (cell.hour, cell.event_type))
        self._results.keep(org, window.day, found, now, whole=window.first == 0)
        return found

    def _reconciled(self, ledger: Ledger, org: str, window: Window, now: datetime, *, again: bool) -> Cells:
        since = None if window.first == 0 else window.start - AHEAD
        types = {one.event_type for one in self._registry.contracts if one.store == "table"}
        objects = self._read_manifest(ledger, org, window.day, since)
        held = self._raw.listed(org, window.day)
        types |= self._read_raw(ledger, held, org, window, since, now, again=again)
        waiting = self._waiting(org, window.day, now - held.newest > LATE)
        for event_type, events in self._silver.read(org, window.day):
            ledger.add(SILVER, event_type, within(events, window))
        self._read_events(ledger, types, org, window)
        dangling = self._dangling(org, window.day, objects, held)
        cells, suspects, lost = compared(ledger, window, waiting, dangling)
        seen_now = self._seen_now(org, window.day, suspects, waiting)
        day = Day(org, window.day, now - SETTLE, now, waiting, seen_now)
        for entry, mask, verdict in self._suspects.settle(day, suspects):
            cell_of(cells, entry.event_type or UNPLACED, entry.hour).tell(to_text(entry.id), mask, verdict)
        self._drop(org, window.day, dangling, lost, now)
        return cells

    def _read_raw(
        self,
        ledger: Ledger,
        held: Held,
        org: str,
        window: Window,
        since: datetime | None,
        now: datetime,
        *,
        again: bool,
    ) -> set[str]:
        """Notes what raw has, and which of the pointers are there that raw says there should be; the types in raw."""
        seen, known = Taken(ledger, window, clock.epoch(now)), set[bytes]()
        if not again:
            there = held.names
            for noted in self._notes.read(org, window.day, since):
                for name in there & noted.keys():
                    seen.take(RawObject(name, young=False, events=noted[name]), None)
                    known.add(name)
        fresh: list[RawObject] = []
        for one in self._raw.read(org, held, known=known, since=since, young=now - SETTLE):
            asked = one.pointers_now(clock.epoch(now))
            pointed = tables.pointers(self._dynamodb, self._user_events, asked) if asked else asked
            seen.take(one, pointed, YOUNG if one.young else 0)
            if pointed == asked and not (one.young or again):
                fresh.append(one)
            if sum(len(read.events) for read in fresh) > NOTED_AT_ONCE:
                self._notes.keep(org, window.day, fresh, now)
                fresh.clear()
        self._notes.keep(org, window.day, fresh, now)
        return seen.types

    def _read_events(self, ledger: Ledger, types: set[str], org: str, window: Window) -> None:
        def read(event_type: str) -> None:
            for page in tables.of_type(self._dynamodb, self._events, org, event_type, window):
                ledger.add(EVENTS, event_type, page)

        with ThreadPoolExecutor(READERS, thread_name_prefix="events") as pool:
            list(pool.map(read, sorted(types)))

    def _read_manifest(
        self, ledger: Ledger, org: str, day: str, since: datetime | None
    ) -> dict[str, list[str]]:
        """Notes the ids; gives the manifest's rows by the key of the object that they name."""
        objects: dict[str, list[str]] = {}
        for row in receipts.read(self._dynamodb, self._table, org, receipts.MANIFEST, day, since):
            ledger.add_ids(MANIFEST, cut(bytes(row["ids"]["B"])))
            objects.setdefault(row["object"]["S"].split("/", 3)[3], []).append(row["entityId"]["S"])
        return objects

    def _dangling(self, org: str, day: str, objects: dict[str, list[str]], held: Held) -> dict[str, bytes]:
        """Rows of the manifest whose object is not there or cannot be read, with the ids in them."""
        gone = [key for key in objects if key not in held.written or key in held.unreadable]
        name = receipts.partition(org, receipts.MANIFEST, day)
        wanted = [
            {"entityTypeKey": {"S": name}, "entityId": {"S": row}}
            for key in gone[:MOST_DANGLING]
            for row in objects[key]
        ]
        found = tables.rows(self._dynamodb, self._table, wanted)
        return {row["entityId"]["S"]: bytes(row["ids"]["B"]) for row in found}

    def _waiting(self, org: str, day: str, late: bool) -> str:
        """Whether the next run of silver takes the day in.

        Returns:
            "" or "soon", "late" where it should have been long ago, "aside" where an operator has set it aside.
        """
        waits = {"entityTypeKey": {"S": pending.partition()}, "entityId": {"S": keys.join(org, day)}}
        found = tables.rows(self._dynamodb, self._table, [waits, failed_days.key(org, day)])
        by_kind = {row["entityTypeKey"]["S"]: row for row in found}
        failed = by_kind.get(failed_days.partition())
        if failed is not None and failed["state"]["S"] == "set_aside":
            return "aside"
        return ("late" if late else "soon") if pending.partition() in by_kind else ""

    def _seen_now(
        self, org: str, day: str, suspects: Sequence[Entry], waiting: str
    ) -> set[tuple[str | None, bytes]]:
        """Those that only silver lacked and that are in it by now, or in another hour of the day."""
        asked = {(one.event_type, one.id) for one in suspects if missing(one.mask) == SILVER}
        if not asked or waiting:
            return set()
        found: set[tuple[str | None, bytes]] = set()
        for event_type, events in self._silver.read(org, day, fresh=True):
            found |= asked & {(event_type, identifier) for _, identifier in events}
        return found

    def _drop(self, org: str, day: str, dangling: dict[str, bytes], lost: set[bytes], now: datetime) -> None:
        """Takes rows away that name an object which is not there, once all of their events are in others.

        While such a row stands, no run can take the day in.
        """
        done = [row for row, ids in dangling.items() if not lost.intersection(cut(ids))]
        if done:
            self._results.drop_manifest(receipts.partition(org, receipts.MANIFEST, day), done)
            self._suspects.repairs.reopen(org, day, now)
