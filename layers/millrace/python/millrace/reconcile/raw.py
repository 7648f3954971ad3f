"""What raw has: the ids in every readable object of a tenant's day, whether or not the manifest names the object.

Each object is read for its ids once. They are cached in one Parquet file below `reconcile/<org>/<day>/` for many objects, some
20 bytes an event: at few events a second an object holds few of them, and reading all objects of a week each day would cost
more than writing them did. An object is cached once all of its events were seen to have their pointers. The cache holds what
is in an object; whether the object is still there, the listing shows.
"""

import io
from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.archive import raw
from millrace.contracts.contract import CATEGORIES
from millrace.contracts.errors import UnknownType, UnknownVersion
from millrace.contracts.registry import Registry
from millrace.core import clock, keys
from millrace.core.identity import identity
from millrace.core.objects import Objects
from millrace.core.prefixes import RECONCILE
from millrace.eventstore import silver
from millrace.reconcile.compare import OWNED, RAW, STORED

READERS = 8
COLUMNS = ["event_id", "event_type", "event_time", "user_id", "session_id", "contract", "expires_at"]
CACHE_BATCH = 50_000
_HOUR_US = 3_600_000_000
# `object`: the hash of an object's key, as silver's receipts hash it; `expires_at`: seconds.
CACHE_SCHEMA = pa.schema(
    [
        pa.field("object", pa.binary(8), nullable=False),
        pa.field("event_type", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("hour", pa.uint8(), nullable=False),
        pa.field("id", pa.binary(16), nullable=False),
        pa.field("stored", pa.bool_(), nullable=False),
        pa.field("owned", pa.bool_(), nullable=False),
        pa.field("expires_at", pa.int64(), nullable=False),
    ]
)


class RawEvent(NamedTuple):
    """What of a row determines where the event should be. `stored`: its contract gives it a row in Events, until `expires_at`."""

    event_type: str
    hour: int
    id: bytes
    stored: bool
    owned: bool
    expires_at: int

    def mask(self, now: int) -> int:
        """Its bits for the comparison. After its time the row may be gone, and its pointer with it."""
        if not self.stored or self.expires_at <= now:
            return RAW
        return RAW | STORED | (OWNED if self.owned else 0)


@dataclass(slots=True)
class RawObjectEvents:
    """The events of an object; with those that are owned, the keys of their pointers in UserEvents, in the same order.

    `name` is 8 bytes of the hash of its key; `young`: it was written just now.
    """

    name: bytes
    young: bool
    events: list[RawEvent] = field(default_factory=list)
    pointers: list[tuple[str, str]] = field(default_factory=list)

    def pointers_now(self, now: int) -> set[tuple[str, str]]:
        """The keys of the pointers of events whose time is not over."""
        owned = (event for event in self.events if event.owned)
        return {key for event, key in zip(owned, self.pointers, strict=True) if event.expires_at > now}


@dataclass(slots=True)
class RawListing:
    """The objects of a tenant's day: when each was written, by key, and those that are not Parquet."""

    written: dict[str, datetime] = field(default_factory=dict)
    unreadable: set[str] = field(default_factory=set)

    @property
    def names(self) -> set[bytes]:
        """All, as `RawObject.name`."""
        return {silver.fold(key) for key in self.written}

    def readable(self, key: str) -> bool:
        """Whether an object is there and is Parquet, as far as it was read."""
        return key in self.written and key not in self.unreadable

    @property
    def newest(self) -> datetime:
        """When the newest was written; 1970 where there is none."""
        return max(self.written.values(), default=clock.EPOCH)


class RawObjects:
    """Reads ids, never payloads."""

    def __init__(self, lake: Objects, registry: Registry) -> None:
        self._lake, self._registry = lake, registry

    def listed(self, org: str, day: str) -> RawListing:
        """The objects that there are.

        Raises:
            MillraceError: the lake did not answer.
        """
        prefixes = (f"{raw.partition(org, category, day)}/" for category in CATEGORIES)
        objects = (one for prefix in prefixes for one in self._lake.list_objects(prefix, doing="list raw"))
        return RawListing({one.key: one.modified for one in objects})

    def read(
        self, org: str, listing: RawListing, *, known: Set[bytes], since: datetime | None, young: datetime
    ) -> Iterator[RawObjectEvents]:
        """What is in the objects of a tenant's day. Those that are gone or no Parquet after all are marked in `listing`.

        Args:
            org: the tenant.
            listing: of `listed`.
            known: names of objects that are not to be read.
            since: only objects that were written from this moment on.
            young: objects that were written from this moment on are marked so.

        Raises:
            MillraceError: the lake did not answer.
        """
        wanted = [
            (key, at >= young)
            for key, at in listing.written.items()
            if (since is None or at >= since) and silver.fold(key) not in known
        ]
        with ThreadPoolExecutor(READERS, thread_name_prefix="raw") as pool:
            for start in range(0, len(wanted), READERS * 2):
                some = wanted[start : start + READERS * 2]
                bodies = pool.map(self._lake.find, [key for key, _ in some])
                for (key, is_young), body in zip(some, bodies, strict=True):
                    if body is None:
                        del listing.written[key]
                        continue
                    try:
                        rows = pq.read_table(io.BytesIO(body), columns=COLUMNS)
                    except Exception:  # noqa: BLE001  a broken file raises many things; its bytes are here already
                        listing.unreadable.add(key)
                        continue
                    yield self._parse(org, RawObjectEvents(silver.fold(key), is_young), rows)

    def _parse(self, org: str, raw_object: RawObjectEvents, rows: pa.Table) -> RawObjectEvents:
        columns = [rows.column(name) for name in COLUMNS]
        columns[2] = columns[2].cast(pa.int64())
        stored: dict[str, bool] = {}
        for event_id, event_type, at, user, session, ref, expires in zip(
            *(column.to_pylist() for column in columns), strict=True
        ):
            if ref not in stored:
                stored[ref] = self._is_stored(ref)
            owner = keys.by_owner(org, user, session) if stored[ref] else None
            hour, identifier = at // _HOUR_US % 24, identity(event_id)
            raw_object.events.append(
                RawEvent(event_type, hour, identifier, stored[ref], owner is not None, expires)
            )
            if owner is not None:
                raw_object.pointers.append((owner, keys.sort(clock.from_epoch_micros(at), event_id)))
        return raw_object

    def _is_stored(self, ref: str) -> bool:
        try:
            return self._registry.of_ref(ref).store == "table"
        except (UnknownType, UnknownVersion):
            # Of a contract that is not deployed here only what is in the lake is known.
            return False


class RawCache:
    """The ids of raw objects that earlier passes have read."""

    def __init__(self, lake: Objects) -> None:
        self._lake = lake

    def read(self, org: str, day: str, since: datetime | None) -> Iterator[dict[bytes, list[RawEvent]]]:
        """Events by the hash of the object that holds them.

        Args:
            org: the tenant.
            day: UTC.
            since: only of objects that were written from this moment on, and perhaps of some before.

        Raises:
            MillraceError: the lake did not answer.
        """
        after = "" if since is None else f"{_folder(org, day)}{clock.utc_text(since)}"
        for listed in self._lake.list_objects(_folder(org, day), after=after, doing="list cached ids"):
            body = self._lake.find(listed.key, doing="read cached ids")
            if body is None:
                continue
            for some in pq.ParquetFile(io.BytesIO(body)).iter_batches(batch_size=CACHE_BATCH):
                events: dict[bytes, list[RawEvent]] = {}
                for name, *event in zip(*(column.to_pylist() for column in some.columns), strict=True):
                    events.setdefault(name, []).append(RawEvent(*event))
                yield events

    def keep(self, org: str, day: str, objects: Iterable[RawObjectEvents], now: datetime) -> None:
        """Caches what was read of objects.

        Raises:
            MillraceError: the lake did not take it.
        """
        rows = [(one.name, *event) for one in objects for event in one.events]
        if not rows:
            return
        columns = [
            pa.array(list(values), type=column.type)
            for values, column in zip(zip(*rows, strict=True), CACHE_SCHEMA, strict=True)
        ]
        sink = io.BytesIO()
        pq.write_table(pa.Table.from_arrays(columns, schema=CACHE_SCHEMA), sink, compression="zstd")
        key = f"{_folder(org, day)}{clock.utc_text(now)}-{uuid4().hex[:12]}.parquet"
        self._lake.put(key, sink.getvalue(), doing="cache ids")


def _folder(org: str, day: str) -> str:
    return f"{RECONCILE}{org}/{day}/"
