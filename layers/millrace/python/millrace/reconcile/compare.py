"""Which stores an event is in, and in which it should be. Pure, in memory that does not grow with the events.

What a store has comes as (type, hour, id) in any order and as often as it likes. It is kept packed, in buckets by the
id's first byte, each of which goes to a file when it grows; then bucket by bucket is looked at. So memory holds one
bucket's ids at a time, and the distinct ids are counted although two of the stores have some of them twice.
"""

import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO

EVENTS, POINTERS, MANIFEST, RAW, SILVER = 1, 2, 4, 8, 16
# What raw says of an event besides: it must have a row in Events, a pointer in UserEvents; its object has just been written.
STORED, OWNED, YOUNG = 32, 64, 128
SOURCES = {
    EVENTS: "events",
    POINTERS: "userEvents",
    MANIFEST: "manifest",
    RAW: "raw",
    SILVER: "silver",
}

BUCKETS = 16
SPOOL_BYTES = 8 * 1024 * 1024
_PACKED = struct.Struct("<BBH16s")
_NOWHERE = 0xFFFF


@dataclass(frozen=True, slots=True)
class Entry:
    """A distinct event: where it is (`mask`), and when it happened. Without a type, only the manifest knows it."""

    event_type: str | None
    hour: int
    id: bytes
    mask: int


def missing(mask: int) -> int:
    """The stores that an event should be in and is not, by those that it is in.

    The log is the way to the lake, so whatever is anywhere should be in the manifest, in raw and in silver. Only raw says
    whether an event has a row in Events (not with `store: none`, nor when its time is over) and whether it has a pointer.
    """
    wanted = MANIFEST | RAW | SILVER
    if mask & STORED:
        wanted |= EVENTS
    if mask & OWNED:
        wanted |= POINTERS
    return wanted & ~mask


def names(mask: int) -> list[str]:
    """The stores of a mask, in the order in which water flows."""
    return [name for bit, name in SOURCES.items() if mask & bit]


class Ledger:
    """Takes what the stores have, from several threads; then gives each distinct event once."""

    def __init__(self, spool_bytes: int = SPOOL_BYTES) -> None:
        """`spool_bytes`: what a bucket may hold in memory before it goes to a file."""
        # They are open for as long as the ledger is; `close` ends them.
        self._files: list[IO[bytes]] = [SpooledTemporaryFile(spool_bytes) for _ in range(BUCKETS)]  # noqa: SIM115
        self._codes: dict[str, int] = {}
        self._lock = threading.Lock()
        self.taken = 0

    def add(self, source: int, event_type: str, found: Iterable[tuple[int, bytes]]) -> None:
        """Notes events of a type that a store has.

        Args:
            source: the store's bit, with `STORED` and `OWNED` where it says so.
            event_type: their type.
            found: hour of the UTC day, and id.
        """
        with self._lock:
            code = self._codes.setdefault(event_type, len(self._codes))
            for hour, identifier in found:
                self._write(source, hour, code, identifier)

    def add_ids(self, source: int, ids: Iterable[bytes]) -> None:
        """Notes ids of a store that says neither type nor hour."""
        with self._lock:
            for identifier in ids:
                self._write(source, 0, _NOWHERE, identifier)

    def entries(self) -> Iterator[Entry]:
        """Each distinct event, in no order. An id that has two hours happened in the first; with two types it is two."""
        types = {code: name for name, code in self._codes.items()}
        for file in self._files:
            placed: dict[tuple[int, bytes], int] = {}
            anywhere: dict[bytes, int] = {}
            file.seek(0)
            while block := file.read(_PACKED.size * 4096):
                for source, hour, code, identifier in _PACKED.iter_unpack(block):
                    if code == _NOWHERE:
                        anywhere[identifier] = anywhere.get(identifier, 0) | source
                        continue
                    # The mask below, the hour above it.
                    before = placed.get((code, identifier), hour << 8)
                    placed[code, identifier] = min(before >> 8, hour) << 8 | (before & 0xFF) | source
            known = set()
            for (code, identifier), value in placed.items():
                more = anywhere.get(identifier, 0)
                if more:
                    known.add(identifier)
                yield Entry(types[code], value >> 8, identifier, (value & 0xFF) | more)
            for identifier, mask in anywhere.items():
                if identifier not in known:
                    yield Entry(None, 0, identifier, mask)

    def close(self) -> None:
        """Lets go of the files."""
        for file in self._files:
            file.close()

    def _write(self, source: int, hour: int, code: int, identifier: bytes) -> None:
        self._files[identifier[0] % BUCKETS].write(_PACKED.pack(source, hour, code, identifier))
        self.taken += 1


def to_bytes(event_id: str) -> bytes:
    """An id as 16 bytes, however its letters are written."""
    return bytes.fromhex(event_id.replace("-", ""))


def to_text(identifier: bytes) -> str:
    """The id of 16 bytes, as keys have it."""
    text = identifier.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
