"""A table made again from the lake: raw Parquet read folder by folder, first copy wins, rows put 25 a call.

Memory holds one object, the ids of one folder (a tenant's category and UTC day) and a bounded number of calls. A put
replaces what is there by what it was, so a rebuild that is cut off is simply made again; folders that are done are
kept in the lake under `rebuilds/` and left out.
"""

import io
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from itertools import groupby
from typing import Any

import orjson
import pyarrow.parquet as pq

from cli.compare import get_all
from millrace.archive import restore
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.batch import ITEMS_PER_CALL, write_all
from millrace.core.errors import ThrottledError
from millrace.core.prefixes import RAW_EVENTS
from millrace.core.table import Item
from millrace.eventstore.codec import Codec
from millrace.eventstore.projection import to_pointer
from millrace.eventstore.row import StoredEvent

TABLES = ("Events", "UserEvents")
PROGRESS = "rebuilds/"
IN_FLIGHT = 8
QUEUED = 64
TRIES = 6

Told = Callable[[str, int], None]
_Age = tuple[Any, str, bytes]


class Rebuild:
    """Writes the rows of one table into another one."""

    def __init__(
        self,
        s3: Any,
        dynamodb: Any,
        registry: Registry,
        *,
        bucket: str,
        table: str,
        into: str,
        original: str | None,
    ) -> None:
        """`table` is one of `TABLES`, `into` the name of the table that is written, `original` of the one that was."""
        self._s3, self._dynamodb, self._registry = s3, dynamodb, registry
        self._bucket, self._table, self._into, self._original = bucket, table, into, original
        self._codec = Codec(registry.dictionary)
        self._now = clock.epoch(clock.now())

    def run(self, told: Told = lambda _folder, _rows: None) -> int:
        """Writes every folder that is not done yet; the number of rows, those of an earlier run that was cut off included."""
        done = self._progress()
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="rebuild") as pool:
            for folder, found in groupby(self._objects(), key=lambda key: key.rpartition("/")[0]):
                if folder in done:
                    continue
                done[folder] = self._write(pool, list(found))
                self._s3.put_object(Bucket=self._bucket, Key=self._progress_key, Body=orjson.dumps(done))
                told(folder, done[folder])
        self.forget()
        return sum(done.values())

    def forget(self) -> None:
        """Drops what is known of an earlier run: its table is not there any more."""
        self._s3.delete_object(Bucket=self._bucket, Key=self._progress_key)

    @property
    def _progress_key(self) -> str:
        return f"{PROGRESS}{self._into}-{self._table}.json"

    def _progress(self) -> dict[str, int]:
        try:
            found = self._s3.get_object(Bucket=self._bucket, Key=self._progress_key)
        except self._s3.exceptions.NoSuchKey:
            return {}
        done: dict[str, int] = orjson.loads(found["Body"].read())
        return done

    def _objects(self) -> Iterator[str]:
        """Keys of raw, in order, so that a folder's follow each other."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=RAW_EVENTS)
        for page in pages:
            yield from (found["Key"] for found in page.get("Contents", []))

    def _write(self, pool: ThreadPoolExecutor, objects: Sequence[str]) -> int:
        """One folder. An event lies in one folder only: its id is with its tenant, its type and its day."""
        ages: dict[str, _Age] = {}
        calls: set[Future[None]] = set()
        batch: dict[str, Item] = {}
        rows: set[str] = set()
        for key in objects:
            for event in self._events(key):
                name, age = event.event_id.lower(), _age(event)
                if name in ages and age >= ages[name]:
                    continue
                item = self._row(event)
                if item is None:
                    continue
                if name in ages:
                    # An earlier copy than one that may be on its way: it has to come after it.
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
        body = self._s3.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        for some in pq.ParquetFile(io.BytesIO(body)).iter_batches(batch_size=1000):
            yield from map(restore.to_event, some.to_pylist())

    def _row(self, event: StoredEvent) -> Item | None:
        """The event's row in the table; None for one that has none there, or not any more."""
        contract = self._registry.of_ref(event.envelope["platform"]["contract"])
        # An event that only the log has was never in Events, nor in what its stream makes.
        if contract.store != "table":
            return None
        item = (
            restore.to_row(event, contract, self._codec)
            if self._table == "Events"
            else to_pointer(event, contract)
        )
        return None if item is None or int(item["expiresAt"]["N"]) <= self._now else item

    def _dated(self, items: list[Item]) -> list[Item]:
        """Pointers with the moment at which each was made first, which only the original knows; the trace reads it."""
        if self._table != "UserEvents" or self._original is None:
            return items
        places = [(item["userKey"]["S"], item["sortKey"]["S"]) for item in items]
        before = [(user, keys.of_milliseconds(place)) for user, place in places]
        wanted = [{"userKey": {"S": user}, "sortKey": {"S": place}} for user, place in {*places, *before}]
        known = {
            (row["userKey"]["S"], row["sortKey"]["S"]): row["projectedAt"]
            for row in get_all(self._dynamodb, self._original, wanted)
        }
        return [
            {**item, "projectedAt": known.get(place) or known.get(old) or item["projectedAt"]}
            for item, place, old in zip(items, places, before, strict=True)
        ]

    def _put(self, items: list[Item]) -> None:
        items = self._dated(items)
        for attempt in range(TRIES):
            try:
                write_all(self._dynamodb, self._into, items)
            except ThrottledError:
                if attempt == TRIES - 1:
                    raise
                time.sleep(2.0**attempt)
            else:
                return


def _age(event: StoredEvent) -> _Age:
    """The order among copies of an id, as silver has it: the one received first wins."""
    platform = event.envelope["platform"]
    return platform["receivedAt"], platform["requestId"], event.fingerprint


def _finish(calls: set[Future[None]]) -> set[Future[None]]:
    """Waits for calls, and raises what one of them raised."""
    for call in wait(calls, return_when=FIRST_EXCEPTION).done:
        call.result()
    return set()
