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
from millrace.core import keys
from millrace.eventstore import pending, receipts, silver
from millrace.reconcile import tables
from millrace.reconcile.compare import (
    EVENTS,
    MANIFEST,
    POINTERS,
    RAW,
    SILVER,
    Entry,
    Ledger,
    missing,
    to_text,
)
from millrace.reconcile.judge import Status
from millrace.reconcile.outcome import UNPLACED, Cell
from millrace.reconcile.raw_objects import Held, RawObject, RawObjects
from millrace.reconcile.results import Results
from millrace.reconcile.suspects import Day, Suspects
from millrace.reconcile.window import HOURS, SETTLE, Window

READERS = 8
# Events that are looked at closer in one go; the next pass takes those behind them.
MOST_SUSPECTS = 200_000
MOST_DANGLING = 500
# An event is accepted up to 15 minutes before it happens, and clocks differ: nothing of an hour was written earlier.
AHEAD = timedelta(minutes=20)
# A run takes in hourly what waits; a day in which nothing was written for so long should have been taken in.
LATE = timedelta(hours=6)
_ID_BYTES = 16
Cells = dict[tuple[str, int], Cell]


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
        silver: SilverIds,
        results: Results,
        suspects: Suspects,
        *,
        events_table: str,
        user_events_table: str,
        metadata_table: str,
    ) -> None:
        self._dynamodb, self._registry, self._raw, self._silver = dynamodb, registry, raw, silver
        self._results, self._suspects = results, suspects
        self._events, self._user_events, self._table = events_table, user_events_table, metadata_table

    def run(self, org: str, window: Window, now: datetime, *, again: bool = False) -> list[Cell]:
        """Reconciles and keeps the result.

        Args:
            org: the tenant.
            window: hours that are closed.
            now: the present moment.
            again: look for every pointer, those of objects too that were seen to have them all.

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
        held = Held()
        types |= self._read_raw(ledger, held, org, window, since, now, again=again)
        waiting = self._waiting(org, window.day, now - held.newest > LATE)
        for event_type, events in self._silver.read(org, window.day):
            ledger.add(SILVER, event_type, _within(events, window))
        self._read_events(ledger, types, org, window)
        dangling = self._dangling(org, window.day, objects, held)
        cells, suspects, lost = _compared(ledger, window, waiting, dangling)
        seen_now = self._seen_now(org, window.day, suspects, waiting)
        day = Day(org, window.day, now - SETTLE, now, waiting, seen_now)
        for entry, mask, verdict in self._suspects.settle(day, suspects):
            _cell(cells, entry.event_type or UNPLACED, entry.hour).tell(to_text(entry.id), mask, verdict)
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
        types = set()
        known = self._results.pointed(org, window.day)
        seen = set[bytes]() if again else set(known)
        for one in self._raw.read(org, window.day, held, since=since, young=now - SETTLE):
            for (source, event_type), events in one.events.items():
                types.add(event_type)
                ledger.add(source, event_type, _within(events, window))
            self._read_pointers(ledger, one, window, seen)
        if not seen <= known:
            self._results.keep_pointed(org, window.day, seen | known, now)
        return types

    def _read_events(self, ledger: Ledger, types: set[str], org: str, window: Window) -> None:
        def read(event_type: str) -> None:
            for page in tables.of_type(self._dynamodb, self._events, org, event_type, window):
                ledger.add(EVENTS, event_type, page)

        with ThreadPoolExecutor(READERS, thread_name_prefix="events") as pool:
            list(pool.map(read, sorted(types)))

    def _read_pointers(self, ledger: Ledger, one: RawObject, window: Window, seen: set[bytes]) -> None:
        """Notes the pointers of an object's events; of an object in `seen` all are there, and others are added to it."""
        there = one.owned
        name = silver.fold(one.key)
        if name not in seen:
            asked = {(owned.user_key, owned.sort_key) for owned in one.owned}
            found = tables.pointers(self._dynamodb, self._user_events, asked) if asked else set()
            there = [owned for owned in one.owned if (owned.user_key, owned.sort_key) in found]
            if found == asked:
                seen.add(name)
        by_type: dict[str, list[tuple[int, bytes]]] = {}
        for owned in there:
            by_type.setdefault(owned.event_type, []).append((owned.hour, owned.id))
        for event_type, events in by_type.items():
            ledger.add(POINTERS, event_type, _within(events, window))

    def _read_manifest(
        self, ledger: Ledger, org: str, day: str, since: datetime | None
    ) -> dict[str, list[str]]:
        """Notes the ids; gives the manifest's rows by the key of the object that they name."""
        objects: dict[str, list[str]] = {}
        for row in receipts.read(self._dynamodb, self._table, org, receipts.MANIFEST, day, since):
            ledger.add_ids(MANIFEST, _cut(bytes(row["ids"]["B"])))
            objects.setdefault(row["object"]["S"].split("/", 3)[3], []).append(row["entityId"]["S"])
        return objects

    def _dangling(self, org: str, day: str, objects: dict[str, list[str]], held: Held) -> dict[str, bytes]:
        """Rows of the manifest whose object is not there or cannot be read, with the ids in them."""
        gone = [key for key in objects if key not in held.keys or key in held.unreadable]
        name = receipts.partition(org, receipts.MANIFEST, day)
        wanted = [
            {"entityTypeKey": {"S": name}, "entityId": {"S": row}}
            for key in gone[:MOST_DANGLING]
            for row in objects[key]
        ]
        found = tables.rows(self._dynamodb, self._table, wanted)
        return {row["entityId"]["S"]: bytes(row["ids"]["B"]) for row in found}

    def _waiting(self, org: str, day: str, late: bool) -> str:
        """Whether the next run of silver takes the day in: "" or "soon", "late" where it should have been long ago."""
        key = {"entityTypeKey": {"S": pending.partition()}, "entityId": {"S": keys.join(org, day)}}
        waits = any(tables.rows(self._dynamodb, self._table, [key]))
        return ("late" if late else "soon") if waits else ""

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
        done = [row for row, ids in dangling.items() if not lost.intersection(_cut(ids))]
        if done:
            self._results.drop_manifest(receipts.partition(org, receipts.MANIFEST, day), done)
            self._suspects.repairs.reopen(org, day, now)


def _compared(
    ledger: Ledger, window: Window, waiting: str, dangling: dict[str, bytes]
) -> tuple[Cells, list[Entry], set[bytes]]:
    """What is equal or waits, by hour and type; what is to be looked at closer; and ids of `dangling` that raw has not."""
    wanted = {one for ids in dangling.values() for one in _cut(ids)}
    lost: set[bytes] = set()
    cells: Cells = {}
    suspects: list[Entry] = []
    for entry in ledger.entries():
        if entry.id in wanted and not entry.mask & RAW:
            lost.add(entry.id)
        if entry.event_type is None:
            # Of some hours alone the rest of the manifest's day is unknown, and no difference.
            if window.whole and len(suspects) < MOST_SUSPECTS:
                suspects.append(entry)
            continue
        absent, cell = missing(entry.mask), _cell(cells, entry.event_type, entry.hour)
        if not absent:
            cell.count(entry.mask)
        elif absent == SILVER and waiting == "soon":
            cell.leave(entry.mask, absent, Status.EXPLAINED)
        elif len(suspects) < MOST_SUSPECTS:
            suspects.append(entry)
        else:
            cell.leave(entry.mask, absent, Status.OPEN)
    return cells, suspects, lost


def _within(events: Sequence[tuple[int, bytes]], window: Window) -> Sequence[tuple[int, bytes]]:
    if (window.first, window.last) == (0, HOURS):
        return events
    return [event for event in events if window.first <= event[0] < window.last]


def _cut(ids: bytes) -> Iterator[bytes]:
    return (ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES))


def _cell(cells: Cells, event_type: str, hour: int) -> Cell:
    return cells.setdefault((event_type, hour), Cell(event_type, hour))
