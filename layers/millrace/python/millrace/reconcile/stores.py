"""What the other stores have: keys of Events by type, pointers of UserEvents, ids in silver, records that were set aside."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.contracts import columns
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.consumer import decode
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.identity import as_text, identity
from millrace.core.objects import Objects
from millrace.core.table import KEYS_PER_CALL, Table
from millrace.eventstore import receipts, silver
from millrace.eventstore.consumers import ConsumerSpec
from millrace.iceberg.tables import IcebergCatalog, OpenTable, open_table
from millrace.reconcile.request import Window

INDEX = "eventType-timestamp-index"
READERS = 8
# Dead letters of a consumer's day that are read; a missing event behind them counts as unexplained.
MOST_DEAD_LETTERS = 2_000
# Partition and sort key of a row of UserEvents.
Pointer = tuple[str, str]
# Hour and id of events.
Places = list[tuple[int, bytes]]
_HOUR = slice(11, 13)
_HOUR_US = 3_600_000_000


def of_type(events: Table, org: str, event_type: str, shard: int, window: Window) -> Iterator[Places]:
    """Hour and id of a tenant's rows of a type in Events, those of one shard, a page at a time.

    Raises:
        MillraceError: the table did not answer.
    """
    pages = events.pages(
        "typeKey = :type AND sortKey BETWEEN :low AND :high",
        {
            ":type": {"S": keys.by_type(org, event_type, shard)},
            # Milliseconds without `Z` stand before every key of them, of either width; windows begin and end with hours.
            ":low": {"S": keys.millisecond(clock.utc_micros(window.start))},
            ":high": {"S": keys.millisecond(clock.utc_micros(window.end))},
        },
        index=INDEX,
        projection="sortKey",
        doing="read keys of a type",
    )
    for page in pages:
        sort_keys = (item["sortKey"]["S"] for item in page.items)
        yield [(int(text[_HOUR]), identity(keys.id_of(text))) for text in sort_keys]


def pointers(user_events: Table, wanted: Collection[Pointer]) -> set[Pointer]:
    """Those of some keys of UserEvents under which there is a pointer; what was written just now may be overlooked.

    A pointer under the key of milliseconds, as all were written before, counts.

    Raises:
        MillraceError: the table did not answer for all.
    """
    present = _pointers(user_events, wanted)
    by_old_key = {(user, keys.of_milliseconds(sort)): (user, sort) for user, sort in set(wanted) - present}
    return present | {by_old_key[one] for one in _pointers(user_events, by_old_key)}


def _pointers(user_events: Table, wanted: Collection[Pointer]) -> set[Pointer]:
    left = list(wanted)

    def read(start: int) -> list[Pointer]:
        some = left[start : start + KEYS_PER_CALL]
        rows = user_events.batch_get(
            [{"userKey": {"S": user}, "sortKey": {"S": sort}} for user, sort in some],
            projection="userKey, sortKey",
            doing="read pointers",
        )
        return [(row["userKey"]["S"], row["sortKey"]["S"]) for row in rows]

    with ThreadPoolExecutor(READERS, thread_name_prefix="pointers") as pool:
        return {one for some in pool.map(read, range(0, len(left), KEYS_PER_CALL)) for one in some}


@dataclass(frozen=True, slots=True)
class _Opened:
    """A table as it was when it was opened, its files by tenant and day."""

    table: OpenTable
    files: Mapping[tuple[str, str | None], list[str]]


class SilverTables:
    """Ids from the data files of the current snapshots. Each table is opened once for all the days of a pass."""

    def __init__(self, catalog: IcebergCatalog, registry: Registry) -> None:
        self._catalog = catalog
        self._names = {f"silver.{columns.table(one)}": one.event_type for one in registry.contracts}
        self._opened: dict[str, _Opened | None] = {}

    def read(self, org: str, day: str, *, fresh: bool = False) -> Iterator[tuple[str, Places]]:
        """Type, and hour and id of each event of a tenant's day.

        Args:
            org: the tenant.
            day: UTC.
            fresh: as the tables are now, not as they were when the pass first read them.

        Raises:
            MillraceError: the catalog or the lake did not answer.
        """
        if fresh:
            self._opened.clear()
        for name, event_type in self._names.items():
            if name not in self._opened:
                self._opened[name] = self._open(name)
            opened = self._opened[name]
            if opened is None:
                continue
            for path in opened.files.get((org, day), ()):
                try:
                    yield from ((event_type, places) for places in _places(opened.table, path))
                except OSError as error:
                    raise RetryableError(f"read {name}: {error}") from error

    def _open(self, name: str) -> _Opened | None:
        table = open_table(self._catalog, name)
        if table is None:
            return None
        files: dict[tuple[str, str | None], list[str]] = defaultdict(list)
        for file in table.files():
            files[file.org, file.day].append(file.path)
        return _Opened(table, files)


def _places(table: OpenTable, path: str) -> Iterator[Places]:
    with table.table.io.new_input(path).open() as source:
        for some in pq.ParquetFile(source).iter_batches(columns=["event_id", "event_time"]):
            # To microseconds first: another writer of Iceberg may have kept another unit.
            moments = some.column("event_time").cast(pa.timestamp("us", tz="UTC")).cast(pa.int64())
            yield [
                (at // _HOUR_US % 24, identity(event_id))
                for event_id, at in zip(some.column("event_id").to_pylist(), moments.to_pylist(), strict=True)
            ]


@dataclass(frozen=True, slots=True)
class UntypedEvents:
    """Events that silver could not type, by the hashes that a receipt keeps."""

    hashes: frozenset[bytes]

    def __contains__(self, identifier: bytes) -> bool:
        return bool(self.hashes) and silver.fold(as_text(identifier)) in self.hashes


class SetAside:
    """Records that a consumer set aside, and events that silver could not type: both explain why an event is missing."""

    def __init__(self, lake: Objects, metadata: Table) -> None:
        self._lake, self._metadata = lake, metadata

    def of_consumer(self, consumer: ConsumerSpec, org: str, day: date) -> set[bytes]:
        """Ids of a tenant's events whose records came to the consumer on a day and are among its dead letters.

        Raises:
            MillraceError: the lake did not answer.
        """
        prefix = f"{consumer.dead_letters}day={day.isoformat()}/"
        listed = self._lake.list_objects(prefix, most=MOST_DEAD_LETTERS, doing="list dead letters")
        bodies = (self._lake.find(one.key, doing="read dead letter") for one in listed)
        return {identifier for body in bodies if body and (identifier := _event_id(body, org))}

    def of_silver(self, org: str, day: str) -> UntypedEvents:
        """The events of a tenant's day that the receipts of silver name as rows that could not be typed.

        Raises:
            MillraceError: the table did not answer.
        """
        hashes: set[bytes] = set()
        for item in receipts.read(self._metadata, org, silver.KIND, day):
            dead = bytes(item["dead"]["B"]) if "dead" in item else b""
            hashes |= {dead[at : at + silver.BYTES] for at in range(0, len(dead), silver.BYTES)}
        return UntypedEvents(frozenset(hashes))


def _event_id(dead_letter: bytes, org: str) -> bytes | None:
    """The id of a dead letter's event, if it is one of the tenant."""
    try:
        delivery = decode(orjson.loads(dead_letter)["record"])
        if delivery is None or delivery.item["orgId"]["S"] != org:
            return None
        return identity(delivery.item["eventId"]["S"].rpartition(keys.SEPARATOR)[2])
    except (PermanentError, KeyError, TypeError, ValueError):
        # What cannot be read names no event.
        return None
