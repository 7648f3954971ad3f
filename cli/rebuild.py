"""A table rebuilt from the lake: raw Parquet read folder by folder, first copy wins, rows put 25 a call.

Memory holds one object, the ids of one folder (a tenant's category and UTC day) and a bounded number of calls. A put
replaces a row by an equal one, so an interrupted rebuild is simply started again; the folders that it completed are listed
in the lake under `rebuilds/` and skipped.

`PutBack` is the other way to a whole table: what the table in use lacks is put back into it.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from itertools import groupby
from typing import Any

import orjson
import pyarrow.parquet as pq

from millrace.archive import restore
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.identity import identity_text
from millrace.core.objects import Objects
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.table import ITEMS_PER_CALL, Item, Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import StoredEvent

TABLES = ("Events", "UserEvents")
PROGRESS = "rebuilds/"
IN_FLIGHT = 8
QUEUED = 64
# A new table grows while it is written: a call that leaves items is repeated for up to two minutes.
TABLE_ATTEMPTS = 11
FIRST_PAUSE_SECONDS = 0.1

Progress = Callable[[str, int], None]
_Age = tuple[Any, str, bytes]


class Rebuild:
    """Writes the rows of one table into another one."""

    def __init__(
        self,
        lake: Objects,
        registry: Registry,
        *,
        table: str,
        into: Table,
        original: Table | None,
        type_shards: int = 1,
    ) -> None:
        """Makes no call.

        Args:
            lake: where raw is.
            registry: of contracts.
            table: one of `TABLES`.
            into: the table that is written.
            original: the table that it replaces, if it is there.
            type_shards: over how many keys the deployed readers look for a tenant's events of one type.
        """
        self._lake, self._registry = lake, registry
        self._table, self._into, self._original = table, into, original
        self._codec, self._type_shards = Codec(registry.dictionary), type_shards
        self._now = clock.epoch(clock.now())

    def run(self, progress: Progress = lambda _folder, _rows: None) -> int:
        """Writes every folder that is not complete; returns the number of rows, including those of an earlier, interrupted run."""
        done = self._folders_done()
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="rebuild") as pool:
            for folder, objects in groupby(self._objects(), key=lambda key: key.rpartition("/")[0]):
                if folder in done:
                    continue
                done[folder] = self._write(pool, list(objects))
                self._lake.put(self._progress_key, orjson.dumps(done))
                progress(folder, done[folder])
        self.forget()
        return sum(done.values())

    def forget(self) -> None:
        """Deletes the progress of an earlier run, whose table no longer exists."""
        self._lake.delete(self._progress_key)

    @property
    def _progress_key(self) -> str:
        return f"{PROGRESS}{self._into.name}-{self._table}.json"

    def _folders_done(self) -> dict[str, int]:
        done: dict[str, int] = orjson.loads(self._lake.find(self._progress_key) or b"{}")
        return done

    def _objects(self) -> Iterator[str]:
        """Keys of raw, in order, so that a folder's follow each other."""
        return (listed.key for listed in self._lake.list_objects(RAW_EVENTS))

    def _write(self, pool: ThreadPoolExecutor, objects: Sequence[str]) -> int:
        """Writes one folder. All copies of an event are in one folder: tenant, type and day are the same."""
        ages: dict[str, _Age] = {}
        calls: set[Future[None]] = set()
        batch: dict[str, Item] = {}
        rows: set[str] = set()
        for key in objects:
            for event in self._events(key):
                name, age = identity_text(event.event_id), _age(event)
                if name in ages and age >= ages[name]:
                    continue
                item = self._row(event)
                if item is None:
                    continue
                if name in ages:
                    # This copy is older than one whose put may be in progress; it must be written after that one.
                    calls = _finish(calls)
                ages[name] = age
                rows.add(name)
                batch[name] = item
                if len(batch) == ITEMS_PER_CALL:
                    calls.add(pool.submit(self._put, list(batch.values())))
                    batch = {}
                if len(calls) >= QUEUED:
                    calls = _finish(calls)
        if batch:
            _finish(calls)
            self._put(list(batch.values()))
        _finish(calls)
        return len(rows)

    def _events(self, key: str) -> Iterator[StoredEvent]:
        for batch in pq.ParquetFile(io.BytesIO(self._lake.get(key))).iter_batches(batch_size=1000):
            yield from map(restore.to_event, batch.to_pylist())

    def _row(self, event: StoredEvent) -> Item | None:
        """The event's row in the table; None where the table does not hold the event, or it has expired."""
        contract = self._registry.of_ref(event.envelope["platform"]["contract"])
        # An event that is stored in the log only was never in Events, nor in the tables made from its stream.
        if contract.store != "table":
            return None
        item = (
            restore.to_row(event, contract, self._codec, type_shards=self._type_shards)
            if self._table == "Events"
            else to_pointer(event, contract)
        )
        return None if item is None or int(item["expiresAt"]["N"]) <= self._now else item

    def _dated(self, items: list[Item]) -> list[Item]:
        """Pointers with the time at which each was first written, which only the original table holds; the trace reads it."""
        if self._table != "UserEvents" or self._original is None:
            return items
        places = [(item["userKey"]["S"], item["sortKey"]["S"]) for item in items]
        before = [(user, keys.of_milliseconds(place)) for user, place in places]
        wanted = [{"userKey": {"S": user}, "sortKey": {"S": place}} for user, place in {*places, *before}]
        known = {
            (row["userKey"]["S"], row["sortKey"]["S"]): row["projectedAt"]
            for row in self._original.batch_get(wanted, consistent=True)
        }
        return [
            {**item, "projectedAt": known.get(place) or known.get(old) or item["projectedAt"]}
            for item, place, old in zip(items, places, before, strict=True)
        ]

    def _put(self, items: list[Item]) -> None:
        self._into.write_all(self._dated(items))


class PutBack(Rebuild):
    """Puts back the rows that the table in use lacks. A row that is there is left as it is.

    It keeps no progress: what an interrupted run has put back is there, and rows may have been lost since.
    """

    def run(self, progress: Progress = lambda _folder, _rows: None) -> int:
        """Puts back what is missing; returns how many rows it put."""
        return self._each_folder(self._restore, progress)

    def missing(self, progress: Progress = lambda _folder, _rows: None) -> int:
        """How many rows the lake has, and the table does not; writes nothing."""
        return self._each_folder(lambda _, objects: len(self._missing(objects)), progress)

    def _each_folder(
        self, work: Callable[[ThreadPoolExecutor, Sequence[str]], int], progress: Progress
    ) -> int:
        rows = 0
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="put-back") as pool:
            for folder, objects in groupby(self._objects(), key=lambda key: key.rpartition("/")[0]):
                count = work(pool, list(objects))
                progress(folder, count)
                rows += count
        return rows

    def _restore(self, pool: ThreadPoolExecutor, objects: Sequence[str]) -> int:
        missing, put = self._missing(objects), 0
        calls: set[Future[bool]] = set()
        for key in objects if missing else ():
            for event in self._events(key):
                # The oldest copy, once.
                if missing.get(identity_text(event.event_id)) != _age(event):
                    continue
                del missing[identity_text(event.event_id)]
                item = self._row(event)
                if item is not None:
                    calls.add(pool.submit(self._insert, item))
                if len(calls) >= QUEUED:
                    put += sum(call.result() for call in calls)
                    calls = set()
        return put + sum(call.result() for call in calls)

    def _missing(self, objects: Sequence[str]) -> dict[str, _Age]:
        """The ids in a folder whose rows the table lacks, and the age of the oldest copy of each."""
        oldest: dict[str, tuple[_Age, list[Item]]] = {}
        for key in objects:
            for event in self._events(key):
                name, age = identity_text(event.event_id), _age(event)
                if name in oldest and age >= oldest[name][0]:
                    continue
                item = self._row(event)
                if item is not None:
                    oldest[name] = age, self._keys(item)
        wanted = [key for _, places in oldest.values() for key in places]
        there = (
            {
                _place(row)
                for row in self._into.batch_get(wanted, consistent=True, projection=", ".join(wanted[0]))
            }
            if wanted
            else set()
        )
        return {
            name: age
            for name, (age, places) in oldest.items()
            if not any(_place(key) in there for key in places)
        }

    def _keys(self, item: Item) -> list[Item]:
        """Where the row may be in the table: a pointer's key has microseconds, and had milliseconds once."""
        if self._table == "Events":
            return [{"eventId": item["eventId"]}]
        place = item["sortKey"]["S"]
        both = dict.fromkeys((place, keys.of_milliseconds(place)))
        return [{"userKey": item["userKey"], "sortKey": {"S": one}} for one in both]

    def _insert(self, item: Item) -> bool:
        first = next(iter(self._keys(item)[0]))
        return self._into.put(item, condition=f"attribute_not_exists({first})", doing="put a row back")


def _place(key: Item) -> tuple[str, ...]:
    return tuple(key[name]["S"] for name in sorted(key))


def _age(event: StoredEvent) -> _Age:
    """The order among copies of an id, as in silver: the one received first wins."""
    platform = event.envelope["platform"]
    return platform["receivedAt"], platform["requestId"], event.fingerprint


def _finish(calls: set[Future[None]]) -> set[Future[None]]:
    """Waits for calls; raises the error of the first that failed."""
    for call in wait(calls, return_when=FIRST_EXCEPTION).done:
        call.result()
    return set()
