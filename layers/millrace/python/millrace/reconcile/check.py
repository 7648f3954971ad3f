"""One tenant's hours of a day: read from every store, compared, and what is missing put where it belongs.

The order of reading keeps what is only late from looking lost: receipts, raw and the pointers first, then what waits for
silver, then silver, and Events last. What Events has by then and the others had not was received in the time to settle; what
raw had, silver has by then or its day is waiting.
"""

from collections.abc import Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timedelta
from itertools import product
from typing import Protocol

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.identity import as_text
from millrace.core.table import Item, Table
from millrace.eventstore import failed_days, pending, receipts, silver
from millrace.reconcile import stores
from millrace.reconcile.compare import (
    EVENTS,
    MANIFEST,
    POINTERS,
    SILVER,
    YOUNG,
    Comparison,
    Expected,
    Presence,
    further,
    missing,
    split_ids,
)
from millrace.reconcile.differences import DayFacts, Differences
from millrace.reconcile.raw import RawCache, RawListing, RawObjectEvents, RawObjects
from millrace.reconcile.repair import Repairs
from millrace.reconcile.report import DayResult, HourResult
from millrace.reconcile.request import SETTLE, Window
from millrace.reconcile.results import ResultStore
from millrace.reconcile.stores import Places
from millrace.reconcile.tiles import TileCheck

READERS = 8
MOST_DANGLING = 500
CACHED_AT_ONCE = 500_000
# An event is accepted up to 15 minutes before it happens, and clocks differ: nothing of an hour was written earlier.
AHEAD = timedelta(minutes=20)
# A run takes in hourly what waits; a day in which nothing was written for so long should have been taken in.
LATE = timedelta(hours=6)


class SilverIds(Protocol):
    """What silver has of a tenant's day."""

    def read(self, org: str, day: str, *, fresh: bool = False) -> Iterator[tuple[str, Places]]:
        """Type, and hour and id of its events; `fresh`: as it is at this moment."""
        ...


class HourCheck:
    """Compares and repairs a tenant's hours."""

    def __init__(
        self,
        registry: Registry,
        raw: RawObjects,
        cache: RawCache,
        silver: SilverIds,
        results: ResultStore,
        differences: Differences,
        repairs: Repairs,
        tiles: TileCheck,
        *,
        events: Table,
        user_events: Table,
        metadata: Table,
        type_shards: int = 1,
    ) -> None:
        self._registry, self._raw, self._cache = registry, raw, cache
        self._silver, self._results = silver, results
        self._differences, self._repairs, self._tiles = differences, repairs, tiles
        self._events, self._user_events, self._metadata = events, user_events, metadata
        self._shards = range(type_shards)

    def run(self, org: str, window: Window, now: datetime, *, full: bool = False) -> list[HourResult]:
        """Compares, repairs and keeps the results.

        Args:
            org: the tenant.
            window: hours that are closed.
            now: the present moment.
            full: read every object and look for every pointer, whatever is cached.

        Raises:
            MillraceError: a store did not answer. Repairs made until then stand; the next pass finds the rest.
        """
        with closing(Comparison()) as comparison:
            hours = self._compared(comparison, org, window, now, full=full)
        if window.first == 0:
            hours += self._tiles.run(org, window.day)
        self._results.keep(org, window.day, hours, now, whole=window.first == 0)
        return hours

    def _compared(
        self, comparison: Comparison, org: str, window: Window, now: datetime, *, full: bool
    ) -> list[HourResult]:
        day = window.day
        since = None if window.first == 0 else window.start - AHEAD
        types = {one.event_type for one in self._registry.contracts if one.store == "table"}
        rows_by_object = self._read_receipts(comparison, org, day, since)
        # The last hours have receipts of every event; of a day, some may have expired.
        counted = self._counted(org, day, clock.epoch(now)) if since is None else {}
        listing = self._raw.listed(org, day)
        known = {silver.fold(key) for key in counted}
        adding = _AddingRaw(comparison, window, clock.epoch(now), Expected(self._registry, day), known)
        self._read_raw(adding, listing, org, window, since, now, full=full)
        waiting = self._waiting(org, day, late=now - listing.newest > LATE)
        for event_type, places in self._silver.read(org, day):
            comparison.add(SILVER, event_type, _within(places, window))
        self._read_events(comparison, types | adding.types, org, window)
        dangling = self._dangling(org, day, rows_by_object, listing)
        result = DayResult(comparison, window, waiting, dangling)
        in_silver = self._now_in_silver(org, day, result.to_look_up, waiting)
        facts = DayFacts(org, day, now, waiting, in_silver)
        for event, mask, verdict in self._differences.resolve(facts, result.to_look_up):
            result.hour(event.event_type, event.hour).add(as_text(event.id), mask, verdict)
        without_ids = counted.keys() - rows_by_object.keys()
        result.add_lost(sum(counted[key] for key in without_ids if not listing.readable(key)))
        self._drop(org, day, dangling, result.lost, now)
        return result.hours

    def _read_receipts(
        self, comparison: Comparison, org: str, day: str, since: datetime | None
    ) -> dict[str, list[str]]:
        """Adds the ids in receipts; returns the manifest's rows by the key of the object that they name."""
        rows_by_object: dict[str, list[str]] = {}
        for row in self._receipts(org, receipts.MANIFEST, day, since):
            comparison.add_ids(MANIFEST, split_ids(bytes(row["ids"]["B"])))
            rows_by_object.setdefault(_key(row), []).append(row["entityId"]["S"])
        for bit, consumer in further().items():
            if day >= (consumer.compared_since or ""):
                for row in self._receipts(org, consumer.kind, day, since):
                    comparison.add_ids(bit, split_ids(bytes(row["ids"]["B"])))
        return rows_by_object

    def _counted(self, org: str, day: str, now: int) -> dict[str, int]:
        """The events in each object that runs are planned from, by its key; an object expires with its row."""
        rows = self._receipts(org, receipts.OBJECTS, day, None)
        return {_key(row): int(row["rows"]["N"]) for row in rows if int(row["expiresAt"]["N"]) > now}

    def _receipts(self, org: str, kind: str, day: str, since: datetime | None) -> Iterator[Item]:
        return receipts.read(self._metadata, org, kind, day, since)

    def _read_raw(
        self,
        adding: "_AddingRaw",
        listing: RawListing,
        org: str,
        window: Window,
        since: datetime | None,
        now: datetime,
        *,
        full: bool,
    ) -> None:
        """Adds what raw has, and which of the pointers that its events should have are there."""
        known = set[bytes]()
        if not full:
            names = listing.names
            for cached in self._cache.read(org, window.day, since):
                for name in names & cached.keys():
                    adding.add(RawObjectEvents(name, young=False, events=cached[name]), None)
                    known.add(name)
        to_cache: list[RawObjectEvents] = []
        for one in self._raw.read(org, listing, known=known, since=since, young=now - SETTLE):
            wanted = one.pointers_now(clock.epoch(now))
            present = stores.pointers(self._user_events, wanted) if wanted else wanted
            adding.add(one, present, YOUNG if one.young else 0)
            if present == wanted and not (one.young or full):
                to_cache.append(one)
            if sum(len(read.events) for read in to_cache) > CACHED_AT_ONCE:
                self._cache.keep(org, window.day, to_cache, now)
                to_cache.clear()
        self._cache.keep(org, window.day, to_cache, now)

    def _read_events(self, comparison: Comparison, types: Set[str], org: str, window: Window) -> None:
        def read(part: tuple[str, int]) -> None:
            event_type, shard = part
            for places in stores.of_type(self._events, org, event_type, shard, window):
                comparison.add(EVENTS, event_type, places)

        with ThreadPoolExecutor(READERS, thread_name_prefix="events") as pool:
            list(pool.map(read, product(sorted(types), self._shards)))

    def _dangling(
        self, org: str, day: str, rows_by_object: dict[str, list[str]], listing: RawListing
    ) -> dict[str, bytes]:
        """Rows of the manifest whose object is not there or cannot be read, with the ids in them."""
        gone = [key for key in rows_by_object if not listing.readable(key)]
        partition = {"S": receipts.partition(org, receipts.MANIFEST, day)}
        wanted = [
            {"entityTypeKey": partition, "entityId": {"S": row}}
            for key in gone[:MOST_DANGLING]
            for row in rows_by_object[key]
        ]
        rows = self._metadata.batch_get(wanted, consistent=True, doing="read manifest")
        return {row["entityId"]["S"]: bytes(row["ids"]["B"]) for row in rows}

    def _waiting(self, org: str, day: str, *, late: bool) -> str:
        """Whether the next run of silver takes the day in.

        Returns:
            "" or "soon", "late" where it should have been long ago, "aside" where an operator has set it aside.
        """
        rows = self._metadata.batch_get(
            [*pending.keys_of(org, day), failed_days.key(org, day)],
            consistent=True,
            doing="read pending days",
        )
        by_partition = {row["entityTypeKey"]["S"]: row for row in rows}
        failed = by_partition.pop(failed_days.partition(), None)
        if failed is not None and failed["state"]["S"] == "set_aside":
            return "aside"
        return ("late" if late else "soon") if by_partition else ""

    def _now_in_silver(
        self, org: str, day: str, some: Sequence[Presence], waiting: str
    ) -> set[tuple[str | None, bytes]]:
        """Type and id of the events that only silver lacked and that are in it by now, or in another hour of the day."""
        wanted = {(one.event_type, one.id) for one in some if missing(one.mask) == SILVER}
        if not wanted or waiting:
            return set()
        present: set[tuple[str | None, bytes]] = set()
        for event_type, places in self._silver.read(org, day, fresh=True):
            present |= wanted & {(event_type, identifier) for _, identifier in places}
        return present

    def _drop(self, org: str, day: str, dangling: dict[str, bytes], lost: set[bytes], now: datetime) -> None:
        """Deletes rows of the manifest whose object is not there, once all of their events are in others.

        While such a row stands, no run can take the day in.
        """
        done = [row for row, ids in dangling.items() if not lost.intersection(split_ids(ids))]
        for row in done:
            # Its part of the object's ids, and the object, which is named without it.
            for kind, name in ((receipts.MANIFEST, row), (receipts.OBJECTS, row.rpartition("#")[0])):
                place = {"S": receipts.partition(org, kind, day)}
                self._metadata.delete(
                    {"entityTypeKey": place, "entityId": {"S": name}}, doing="drop row of manifest"
                )
        if done:
            self._repairs.reopen(org, day, now)


class _AddingRaw:
    """Adds events of raw to a comparison, with their pointers and what they expect; keeps the types that there were."""

    def __init__(
        self, comparison: Comparison, window: Window, now: int, expected: Expected, counted: Set[bytes]
    ) -> None:
        """`counted`: names of the objects that runs are planned from."""
        self._comparison, self._window, self._now, self._expected = comparison, window, now, expected
        self._counted = counted
        self.types: set[str] = set()

    def add(self, one: RawObjectEvents, present: Set[tuple[str, str]] | None, mark: int = 0) -> None:
        """Adds an object's events.

        Args:
            one: the object.
            present: the pointers that are there; None: all.
            mark: more bits of each.
        """
        pointers = iter(one.pointers)
        by_mask: dict[tuple[int, str], Places] = {}
        # Receipts go with an event's row. From then on, what runs are planned from stands for the manifest.
        expired = MANIFEST if one.name in self._counted else 0
        for event in one.events:
            mask = event.mask(self._now) | mark
            if event.expires_at > self._now:
                mask |= self._expected.of(event.event_type, owned=event.owned)
            else:
                mask |= expired
            if event.owned and (present is None or next(pointers) in present):
                mask |= POINTERS
            by_mask.setdefault((mask, event.event_type), []).append((event.hour, event.id))
        for (mask, event_type), places in by_mask.items():
            self.types.add(event_type)
            self._comparison.add(mask, event_type, _within(places, self._window))


def _key(row: Item) -> str:
    """The key of the object that a row names."""
    key: str = row["object"]["S"].split("/", 3)[3]
    return key


def _within(places: Places, window: Window) -> Places:
    """Those of a window's hours."""
    if window.whole:
        return places
    return [place for place in places if window.first <= place[0] < window.last]
