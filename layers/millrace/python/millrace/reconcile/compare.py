"""Which stores an event is in, and in which it should be. Pure, in memory that does not grow with the events.

What a store has comes as (type, hour, id) in any order and as often as it likes. It is kept packed, in buckets by the
id's first byte, each of which goes to a file when it grows; then bucket by bucket is compared. So memory holds one
bucket's ids at a time, and the distinct ids are counted although two of the stores have some of them twice.
"""

import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

from millrace.contracts.registry import Registry
from millrace.eventstore import consumers
from millrace.eventstore.consumers import ARCHIVE, PROJECTION, ConsumerSpec

EVENTS, POINTERS, MANIFEST, RAW, SILVER = 1, 2, 4, 8, 16
# Of tiles it is the seals that compare (`reconcile/tiles.py`): tiles and keys of aggregates, no events.
TILES = "tiles"
# Further bits from raw: the event must have a row in Events, a pointer in UserEvents; its object has just been written.
STORED, OWNED, YOUNG = 32, 64, 128
STORES = {
    EVENTS: "events",
    POINTERS: "userEvents",
    MANIFEST: "manifest",
    RAW: "raw",
    SILVER: "silver",
}
# Further consumers that leave batch receipts have a bit each for their receipts, and, above it, one that raw sets where
# the consumer should have left one.
_FIRST_FURTHER, MOST_FURTHER = 256, 4
_FURTHER_RECEIPTS = ((1 << MOST_FURTHER) - 1) * _FIRST_FURTHER

BUCKETS = 16
SPOOL_BYTES = 8 * 1024 * 1024
# Mask, hour, code of the type, id.
_PACKED = struct.Struct("<HBH16s")
_UNTYPED = 0xFFFF
_ID_BYTES = 16


def further() -> dict[int, ConsumerSpec]:
    """The bit of each compared consumer beside the archive and the projection, which fill the manifest, raw and UserEvents.

    Raises:
        ValueError: there are more than the comparison has bits for.
    """
    others = [one for one in consumers.compared() if one not in (ARCHIVE, PROJECTION)]
    if len(others) > MOST_FURTHER:
        raise ValueError(f"{len(others)} further consumers are compared; at most {MOST_FURTHER} can be")
    return {_FIRST_FURTHER << place: one for place, one in enumerate(others)}


def filled_by() -> list[tuple[ConsumerSpec, int]]:
    """Each compared consumer with the stores that it fills."""
    others = ((consumer, bit) for bit, consumer in further().items())
    return [(PROJECTION, POINTERS), (ARCHIVE, MANIFEST | RAW), *others]


class Expected:
    """Which of the further consumers should have left a receipt of an event; bits that go with raw's."""

    def __init__(self, registry: Registry, day: str) -> None:
        self._registry, self._day = registry, day
        self._known: dict[tuple[str, bool], int] = {}

    def of(self, event_type: str, *, owned: bool) -> int:
        """The bits of a type's events that do or do not have a user or a session."""
        key = event_type, owned
        if key not in self._known:
            majors = [one for one in self._registry.contracts if one.event_type == event_type]
            self._known[key] = sum(
                bit << MOST_FURTHER
                for bit, consumer in further().items()
                if self._day >= (consumer.compared_since or "")
                and any(consumer.expects(contract, owned=owned) for contract in majors)
            )
        return self._known[key]


@dataclass(frozen=True, slots=True)
class Presence:
    """A distinct event: where it is (`mask`), and when it happened. Without a type, only receipts have it."""

    event_type: str | None
    hour: int
    id: bytes
    mask: int


def missing(mask: int) -> int:
    """The stores that an event should be in and is not, by those that it is in.

    The log is the way to the lake, so whatever is anywhere should be in the manifest, in raw and in silver. Only raw shows
    whether an event has a row in Events (not with `store: none`, nor when its time is over), whether it has a pointer, and
    which further consumers handle it.
    """
    wanted = MANIFEST | RAW | SILVER
    if mask & STORED:
        wanted |= EVENTS
    if mask & OWNED:
        wanted |= POINTERS
    wanted |= mask >> MOST_FURTHER & _FURTHER_RECEIPTS
    return wanted & ~mask


def names(mask: int) -> list[str]:
    """The stores of a mask, in the order in which events reach them."""
    present = [name for bit, name in STORES.items() if mask & bit]
    if mask & _FURTHER_RECEIPTS:
        present += [consumer.kind for bit, consumer in further().items() if mask & bit]
    return present


def store_names() -> list[str]:
    """Every store that is compared."""
    return [*STORES.values(), TILES, *(consumer.kind for consumer in further().values())]


class Comparison:
    """Takes what the stores have, from several threads; then gives each distinct event once."""

    def __init__(self, spool_bytes: int = SPOOL_BYTES) -> None:
        """`spool_bytes`: what a bucket may hold in memory before it goes to a file."""
        # They are open for as long as the comparison is; `close` ends them.
        self._files: list[IO[bytes]] = [SpooledTemporaryFile(spool_bytes) for _ in range(BUCKETS)]  # noqa: SIM115
        self._codes: dict[str, int] = {}
        self._lock = threading.Lock()
        self.taken = 0

    def add(self, mask: int, event_type: str, places: Iterable[tuple[int, bytes]]) -> None:
        """Adds events of a type that a store has.

        Args:
            mask: the store's bit, and the bits that raw adds for these events.
            event_type: their type.
            places: hour of the UTC day, and id.
        """
        with self._lock:
            code = self._codes.setdefault(event_type, len(self._codes))
            for hour, identifier in places:
                self._write(mask, hour, code, identifier)

    def add_ids(self, mask: int, ids: Iterable[bytes]) -> None:
        """Adds ids of a store that keeps neither type nor hour."""
        with self._lock:
            for identifier in ids:
                self._write(mask, 0, _UNTYPED, identifier)

    def events(self) -> Iterator[Presence]:
        """Each distinct event, in no order. An id that has two hours happened in the first; with two types it is two."""
        types = {code: name for name, code in self._codes.items()}
        for file in self._files:
            typed: dict[tuple[int, bytes], int] = {}
            untyped: dict[bytes, int] = {}
            file.seek(0)
            while block := file.read(_PACKED.size * 4096):
                for mask, hour, code, identifier in _PACKED.iter_unpack(block):
                    if code == _UNTYPED:
                        untyped[identifier] = untyped.get(identifier, 0) | mask
                        continue
                    # The mask below, the hour above it.
                    before = typed.get((code, identifier), hour << 16)
                    typed[code, identifier] = min(before >> 16, hour) << 16 | (before & 0xFFFF) | mask
            known = set()
            for (code, identifier), value in typed.items():
                more = untyped.get(identifier, 0)
                if more:
                    known.add(identifier)
                yield Presence(types[code], value >> 16, identifier, (value & 0xFFFF) | more)
            for identifier, mask in untyped.items():
                if identifier not in known:
                    yield Presence(None, 0, identifier, mask)

    def close(self) -> None:
        """Closes the files."""
        for file in self._files:
            file.close()

    def _write(self, mask: int, hour: int, code: int, identifier: bytes) -> None:
        self._files[identifier[0] % BUCKETS].write(_PACKED.pack(mask, hour, code, identifier))
        self.taken += 1


def split_ids(ids: bytes) -> Iterator[bytes]:
    """The ids of a receipt's row."""
    return (ids[at : at + _ID_BYTES] for at in range(0, len(ids), _ID_BYTES))
