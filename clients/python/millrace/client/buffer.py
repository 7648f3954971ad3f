"""Events that wait to be sent: an SQLite file, or a database in memory."""

import sqlite3
import threading
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_SCHEMA = "CREATE TABLE IF NOT EXISTS events (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL)"
_BUSY_SECONDS = 10.0


class BufferFullError(Exception):
    """The buffer holds as many events as it may; nothing was added."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that waits: its place in the buffer and its JSON."""

    number: int
    body: bytes


class Buffer:
    """A queue of events, in the order in which they came. Threads may share it, and processes its file.

    Args:
        path: the file, made if it is missing; None keeps the events in memory.
        most: how many events it may hold.
    """

    def __init__(self, path: Path | None, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        if path is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
        self._database = sqlite3.connect(
            ":memory:" if path is None else path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
        )
        self._database.execute("PRAGMA journal_mode = WAL")
        # What `send` has returned an id for is on disk, whatever happens to the machine.
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(_SCHEMA)
        self._count = self._counted()

    def add(self, body: bytes) -> None:
        """Adds an event at the end.

        Raises:
            BufferFullError: there is no room.
        """
        with self._lock:
            if self._count >= self._most:
                # Other processes may have taken something out of the file.
                self._count = self._counted()
            if self._count >= self._most:
                raise BufferFullError(f"{self._count} events wait to be sent already")
            self._database.execute("INSERT INTO events (body) VALUES (?)", (body,))
            self._count += 1

    def first(self, count: int, size: int) -> list[Waiting]:
        """Up to `count` events, together at most `size` bytes, but one at least."""
        with self._lock:
            rows = self._database.execute(
                "SELECT number, body FROM events ORDER BY number LIMIT ?", (count,)
            ).fetchall()
        taken: list[Waiting] = []
        total = 0
        for number, body in rows:
            total += len(body) + 1
            if taken and total > size:
                break
            taken.append(Waiting(number, body))
        return taken

    def remove(self, numbers: Iterable[int]) -> None:
        """Takes events out of the queue."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            self._database.executemany("DELETE FROM events WHERE number = ?", [(n,) for n in numbers])
            self._database.execute("COMMIT")
            self._count = self._counted()

    def __len__(self) -> int:
        """How many wait, as far as this process knows: `first` finds those of others."""
        return self._count

    def _counted(self) -> int:
        return int(self._database.execute("SELECT count(*) FROM events").fetchone()[0])

    def close(self) -> None:
        """Closes the file; what waits stays in it."""
        with self._lock:
            self._database.close()
