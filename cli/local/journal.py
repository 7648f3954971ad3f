"""The emulator's state on disk: a snapshot of everything, and journals of the writes since.

Generation `n` is `snapshot-n`, complete as soon as it has that name, and `journal-n`, the writes after it. A start reads the
newest snapshot and then every journal from its generation on. Large values of a snapshot are in `blob-<sha256>`, once. A
commit is one line: the CRC of a JSON text, and the text. A line that was cut off by a crash ends its journal: nobody got an
answer that depends on it. This module is the files; what is written into them is in `durability.py`. It runs in the
emulator's environment and imports nothing else of ours.
"""

import hashlib
import json
import os
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

# Where the emulator says how its last start went, and takes a snapshot.
PATH = "/_millrace/journal"
# The layers are far larger than all the rest, and never change.
BLOB_BYTES = 2**20

Encode = Callable[[Any], Any]
Decode = Callable[[dict[str, Any]], Any]


class Journal:
    """The files of one folder; `add…` and `begin_generation` on one thread, `flush` on one other."""

    def __init__(self, folder: Path, *, encode: Encode, decode: Decode) -> None:
        """Creates the folder.

        Args:
            folder: of the snapshots and journals.
            encode: makes JSON of what `json` cannot encode.
            decode: its opposite, of each JSON object.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._encode, self._decode = folder, encode, decode
        # Lines to append, and files elsewhere that must be on disk before the lines.
        self._pending: deque[bytes | Path] = deque()
        self._added = self._flushed = 0
        self._file = -1
        self.size = 0
        self.cut_off = 0
        self.generation = max([0, *self._generations("journal"), *self._generations("snapshot")])

    def snapshot(self) -> Iterator[tuple[str, Any]]:
        """Each service's name and state in the newest snapshot; nothing if there is none."""
        for newest in self._generations("snapshot")[-1:]:
            with self._path("snapshot", newest).open() as file:
                for line in file:
                    held = json.loads(line, object_hook=self._with_blobs)
                    yield held["service"], held["state"]

    def _with_blobs(self, value: dict[str, Any]) -> Any:
        if "__blob__" in value:
            return (self._folder / value["__blob__"]).read_bytes()
        return self._decode(value)

    @property
    def left_over(self) -> bool:
        """Whether journals are there: a clean stop leaves none."""
        return bool(self._generations("journal"))

    def read(self) -> Iterator[Any]:
        """The commits since the newest snapshot; counts complete lines that follow a damaged one in `cut_off`."""
        first = max(self._generations("snapshot"), default=0)
        for generation in self._generations("journal"):
            if generation >= first:
                yield from self._commits(self._path("journal", generation))

    def _commits(self, path: Path) -> Iterator[Any]:
        lines = path.read_bytes().splitlines(keepends=True)
        for number, line in enumerate(lines):
            check, _, text = line.rstrip(b"\n").partition(b" ")
            if not line.endswith(b"\n") or check != _check(text):
                self.cut_off += len(lines) - number - 1
                return
            yield json.loads(text, object_hook=self._decode)

    def begin_generation(self) -> int:
        """Starts a journal; a snapshot taken now holds all that is in those before it.

        Returns:
            The generation of that snapshot.

        Raises:
            OSError: what waits could not be written, or the new file not be made.
        """
        self.flush()
        file = _create(self._path("journal", self.generation + 1))
        if self._file >= 0:
            os.close(self._file)
        self._file, self.size, self.generation = file, 0, self.generation + 1
        return self.generation

    def add(self, commit: Any) -> None:
        """Adds a commit, to be written by the next `flush`."""
        text = json.dumps(commit, separators=(",", ":"), default=self._encode).encode()
        self._pending.append(b"%s %s\n" % (_check(text), text))
        self._added += 1

    def add_file(self, path: Path) -> None:
        """Adds a file elsewhere that the next `flush` has to bring to the disk, before the commits."""
        self._pending.append(path)
        self._added += 1

    @property
    def settled(self) -> bool:
        """Whether everything that was added is on disk."""
        return self._added == self._flushed

    def flush(self) -> None:
        """Brings everything that was added to the disk.

        Raises:
            OSError: that failed; it stays added, and the next call tries again.
        """
        work = [self._pending.popleft() for _ in range(len(self._pending))]
        if not work:
            return
        try:
            for path in {one: None for one in work if isinstance(one, Path)}:
                sync(path)
                sync(path.parent)
            self._append(b"".join(one for one in work if isinstance(one, bytes)))
        except OSError:
            self._pending.extendleft(reversed(work))
            raise
        self._flushed += len(work)

    def _append(self, data: bytes) -> None:
        if not data:
            return
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self.size + written)
            os.fdatasync(self._file) if hasattr(os, "fdatasync") else os.fsync(self._file)
        except OSError:
            # The rest of a line would make the lines after it unreadable.
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)

    def write_snapshot(self, generation: int, services: Iterator[tuple[str, Any]]) -> None:
        """Writes the snapshot of a generation, then deletes what it replaces.

        Raises:
            OSError: it could not be written; everything older is still there.
        """
        fresh = self._folder / "snapshot.fresh"
        blobs: set[str] = set()

        def encode(held: Any) -> Any:
            if not isinstance(held, bytes) or len(held) < BLOB_BYTES:
                return self._encode(held)
            name = f"blob-{hashlib.sha256(held).hexdigest()}"
            if name not in blobs and not (self._folder / name).exists():
                self._write_blob(name, held)
            blobs.add(name)
            return {"__blob__": name}

        with fresh.open("w") as file:
            for service, state in services:
                text = json.dumps({"service": service, "state": state}, separators=(",", ":"), default=encode)
                file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path("snapshot", generation))
        sync(self._folder)
        for kind in ("snapshot", "journal"):
            for older in self._generations(kind):
                if older < generation:
                    self._path(kind, older).unlink(missing_ok=True)
        for blob in self._folder.glob("blob-*"):
            if blob.name not in blobs:
                blob.unlink()

    def _write_blob(self, name: str, held: bytes) -> None:
        fresh = self._folder / "blob.fresh"
        fresh.write_bytes(held)
        sync(fresh)
        fresh.replace(self._folder / name)

    def close(self) -> None:
        """Ends after a snapshot: a journal without a line since is deleted, and with it the sign of an unclean stop."""
        self.flush()
        os.close(self._file)
        if not self.size:
            self._path("journal", self.generation).unlink()

    def _generations(self, kind: str) -> list[int]:
        return sorted(int(path.name.partition("-")[2]) for path in self._folder.glob(f"{kind}-*"))

    def _path(self, kind: str, generation: int) -> Path:
        return self._folder / f"{kind}-{generation}"


def _check(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _create(path: Path) -> int:
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    sync(path.parent)
    return file


def sync(path: Path) -> None:
    """Brings a file or a folder to the disk; one that was deleted meanwhile needs nothing."""
    try:
        file = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return
    try:
        os.fsync(file)
    finally:
        os.close(file)
