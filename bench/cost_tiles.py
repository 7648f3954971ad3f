"""What the fold of a minute and the seal of a day ask of the table, and their CPU, recorded for `millrace cost`.

Events of the demo's mix come evenly over a minute, or over a day whose tiles are folded minute by minute and compared when it is sealed.
"""

import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import date, datetime, timedelta
from itertools import count, groupby
from math import ceil
from pathlib import Path
from typing import Any

from bench import sent
from bench.cost_clients import DAY_SECONDS, INDEXES, Recorded
from bench.held import Held
from cli.costing import rounding
from millrace.aggregates import registry, rows
from millrace.aggregates.count import EventCounter
from millrace.aggregates.definition import Aggregate
from millrace.aggregates.facts import Facts
from millrace.aggregates.folding import Folding
from millrace.aggregates.registry import Aggregates
from millrace.aggregates.sealing import Sealer
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from tests.support.aggregates import ORG, deliveries
from tests.support.raw_files import RawFiles
from tests.support.sealed import silver_of
from tests.support.silver_runs import run

# Events of a minute: at 1, 10, 100 and 1,000 a second. Events of a day; of a larger one each further event costs as much or less.
MINUTES = (60, 600, 6_000, 60_000)
DAYS = (500, 10_000, 86_400)
DAY = date(2026, 11, 20)
_BATCH = 500
_PAGE = 1024 * 1024


class Metered(Held):
    """Counts as DynamoDB bills it what is asked since the last `start`."""

    def __init__(self) -> None:
        super().__init__()
        self.recorded = Recorded()
        self.now = clock.midnight(DAY)

    def start(self) -> None:
        """Forgets what was before."""
        self.recorded = Recorded()

    def put(self, row: Mapping[str, Any]) -> None:
        super().put(row)
        item = dict(row)
        size, entries = rounding.item_bytes(item), rounding.index_entries(item, INDEXES["Analytics"])
        self.recorded.usage["dynamodb.write"] += rounding.write_units(size, entries)
        days = (float(row["expiresAt"]["N"]) - clock.epoch(self.now)) / DAY_SECONDS
        held, indexed = (
            size + rounding.ITEM_OVERHEAD,
            sum(entries) + len(entries) * rounding.ITEM_OVERHEAD,
        )
        stored = {"rows": 1, "byteDays": round(held * days), "indexByteDays": round(indexed * days)}
        self.recorded.stored["Analytics"].update(stored)

    def batch_write_item(self, **asked: Any) -> dict[str, Any]:
        self.recorded.calls["BatchWriteItem"] += 1
        return super().batch_write_item(**asked)

    def put_item(self, **asked: Any) -> dict[str, Any]:
        self.recorded.calls["PutItem"] += 1
        return super().put_item(**asked)

    def delete_item(self, **asked: Any) -> dict[str, Any]:
        self.recorded.calls["DeleteItem"] += 1
        row = self._row(asked["Key"])
        self.recorded.usage["dynamodb.write"] += rounding.write_units(
            rounding.item_bytes(dict(row)) if row else 1
        )
        return super().delete_item(**asked)

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> dict[str, Any]:  # noqa: N803
        self.recorded.calls["BatchGetItem"] += 1
        (asked,) = RequestItems.values()
        for row in map(self._row, asked["Keys"]):
            size = rounding.item_bytes(dict(row)) if row else 1
            self.recorded.usage["dynamodb.read"] += rounding.read_units(size, consistent=True)
        found = [row for row in map(self._row, asked["Keys"]) if row is not None]
        return {"Responses": {next(iter(RequestItems)): found}}

    def _count(self, found: list[Mapping[str, Any]]) -> None:
        size = sum(rounding.item_bytes(dict(row)) for row in found) or 1
        self.recorded.calls["Query"] += ceil(size / _PAGE)
        self.recorded.usage["dynamodb.read"] += rounding.read_units(size, consistent=True)


class _Stream:
    """One tenant's events through counter and fold."""

    def __init__(self, size: int, seconds: int) -> None:
        self.aggregates: Aggregates = registry.load()
        self.codec = Codec(self.aggregates.contracts.dictionary)
        self.held, tokens = Metered(), count()
        self.table = Table(self.held, "Analytics")
        self._facts = Facts(list(self.aggregates), self.aggregates.contracts.deployed)
        self._counter = EventCounter(
            self.table, self.codec, self._facts, lambda: str(next(tokens)), now=lambda: self.held.now
        )
        self._size, self._seconds = size, seconds

    def minutes(self) -> Iterator[tuple[datetime, list[Delivery]]]:
        """Deliveries by minute of receipt."""
        start = clock.midnight(DAY)
        made = enumerate(sent.copies(self._size, 1))
        seconds = self._seconds / self._size
        for minute, several in groupby(made, lambda one: int(one[0] * seconds) // 60):
            at = start + timedelta(minutes=minute)
            moments = [(start + timedelta(seconds=n * seconds), event) for n, event in several]
            stamped = [{**event, "timestamp": clock.utc_text(moment)} for moment, event in moments]
            yield at, list(deliveries(stamped, at))

    def count(self, at: datetime, found: list[Delivery]) -> None:
        """Leaves facts and marks of a minute."""
        self.held.now = at
        for first in range(0, len(found), _BATCH):
            self._counter.count(found[first : first + _BATCH])

    def fold(self) -> None:
        """Folds them when the minute is over."""
        now = self.held.now + timedelta(minutes=2)
        folded = Folding(self.table, self.aggregates, lambda *_: None, now=lambda: now).run(60, lambda: 60.0)
        if folded.minutes != 1:
            raise AssertionError(f"not all was folded: {folded}")


def fold(size: int, rounds: int = 3) -> Recorded:
    """One minute of so many events; of the rounds the quickest one's CPU counts."""
    recorded, spent = Recorded(), []
    for _ in range(rounds):
        stream = _Stream(size, 60)
        for at, found in stream.minutes():
            stream.count(at, found)
        stream.held.start()
        before = time.process_time()
        stream.fold()
        spent.append((time.process_time() - before) * 1000)
        recorded = stream.held.recorded
    recorded.cpu_ms = min(spent)
    return recorded


def seal(size: int) -> Recorded:
    """One day of so many events, sealed for the first time and compared with what the stream counted."""
    stream, events = _Stream(size, DAY_SECONDS), []
    for at, found in stream.minutes():
        stream.count(at, found)
        stream.fold()
        events += [from_item(one.item, stream.codec) for one in found]
    day, cut = DAY.isoformat(), DAY + timedelta(days=1)
    earlier = (DAY - timedelta(days=2)).isoformat()
    for one in stream.aggregates:
        stream.table.put(_head(one, earlier))
    with tempfile.TemporaryDirectory() as folder:
        files = RawFiles(Path(folder) / "lake")
        files.put(ORG, day, events)
        parts = [one for one in run(files, stream.aggregates.contracts)[ORG, day].parts if one.file]
        types = {name for one in stream.aggregates for name in one.events}
        with silver_of(stream.aggregates.contracts, types, files, parts) as (connection, _):
            stream.held.start()
            now = stream.held.now = clock.midnight(cut) + timedelta(hours=3)
            sealer, tables = (
                Sealer(stream.table, stream.aggregates.contracts, ORG),
                {one.table for one in parts},
            )
            before = time.process_time()
            heads = sealer.heads(stream.aggregates, [earlier, day])
            for one in _with_data(stream.aggregates, sealer, tables):
                sealed = sealer.seal(connection, one, day, "source", cut, now, heads)
                if sealed.compared.different:
                    raise AssertionError(f"{one.name}: {sealed.compared}")
            recorded = stream.held.recorded
            recorded.cpu_ms = (time.process_time() - before) * 1000
    return recorded


def _with_data(aggregates: Iterable[Aggregate], sealer: Sealer, tables: set[str]) -> list[Aggregate]:
    return [one for one in aggregates if tables.intersection(sealer.tables(one))]


def _head(aggregate: Aggregate, day: str) -> dict[str, Any]:
    """The head of an earlier seal: by then the stream counted the aggregate."""
    at = clock.utc_text(clock.midnight(date.fromisoformat(day)))
    texts = {"cut": day, "generation": "g", "source": "s", "firstAt": at}
    numbers = {"spans": 1, "blocks": 1, "whole": 1, "expiresAt": clock.epoch(clock.midnight(DAY)) * 2}
    return {
        "metricKey": {"S": rows.day_key(ORG, aggregate, day)},
        "tileKey": {"S": rows.sealed_sort()},
        **{name: {"S": text} for name, text in texts.items()},
        **{name: {"N": str(number)} for name, number in numbers.items()},
    }
