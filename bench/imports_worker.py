"""A file of payments imported over stores that do nothing, in a process of its own: prints rows a CPU second and peak MB.

    python -m bench.imports_worker <rows> <bytes a row>

The parts of the file are made as they are read, so that the file is nowhere whole.
"""

import json
import resource
import sys
import time
from dataclasses import replace
from typing import Any

from bench import edge
from bench.__main__ import surroundings
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.imports import kept
from millrace.imports.importing import Importing
from millrace.imports.jobs import Import
from millrace.intake.accept import Intake
from tests.support.people import EverybodyIsKnown

HEADER = b"timestamp,paymentId,orderId,amount,currency,method,provider,note,capturedAt\n"


class File:
    """A lake that has one file, as so many rows of so many bytes."""

    def __init__(self, rows: int, row_bytes: int, moment: str) -> None:
        self._rows, self._moment = rows, moment
        self._filler = "x" * max(0, row_bytes - len(self._row(0, "")))
        self.size = len(HEADER) + sum(len(self._row(number, self._filler)) for number in (0,)) * rows
        self._left, self._next = b"", 0

    def _row(self, number: int, filler: str) -> bytes:
        at = self._moment
        text = f"{at},pay_{number:09d},ord_{number:09d},12.50,EUR,card,stripe,{filler},{at}\n"
        return text.encode()

    def get(self, key: str, **_: object) -> bytes:
        """The next part; parts are read in order."""
        first = HEADER if key.endswith(f"original-{0:012d}") else b""
        pieces, size = [self._left, first], len(self._left) + len(first)
        while size < kept.PART and self._next < self._rows:
            row = self._row(self._next, self._filler)
            self._next += 1
            size += len(row)
            pieces.append(row)
        whole = b"".join(pieces)
        self._left = whole[kept.PART :]
        return whole[: kept.PART]

    def put(self, *_: object, **__: object) -> None:
        """Keeps nothing."""


class Open:
    """Seals nothing."""

    def seal(self, _: str, __: str, text: bytes) -> bytes:
        return text

    def unseal(self, _: str, __: str, sealed: bytes) -> bytes:
        return sealed


class One:
    """The one import there is."""

    def __init__(self, one: Import) -> None:
        self.one = one

    def find(self, *_: str) -> Import:
        return self.one

    def replace(self, _: Import, after: Import) -> None:
        self.one = after


def main(rows: int, row_bytes: int) -> None:
    """Imports, and prints what it took."""
    moment = clock.utc_text(clock.now())
    file = File(rows, row_bytes, moment)
    one = Import(
        "org_acme", "0" * 32, "payment.captured", "a.csv", "e", file.size, "", "bench", "running", moment
    )
    contracts = registry.load()
    client: Any = edge.Nothing()
    intake = Intake(
        contracts,
        Appender({"table": TableAppender(Table(client, "Events"), print)}),
        edge.Sink(),  # type: ignore[arg-type]
        edge.OneKey(),
        EverybodyIsKnown(),
    )
    imports: Any = One(replace(one))
    lake: Any = file
    box: Any = Open()
    importing = Importing(intake, imports, lake, Table(client, "Metadata"), box, 1e12)
    began = time.process_time()
    done = importing.take("org_acme", one.import_id, lambda: 1e9)
    seconds = time.process_time() - began
    if (done.state, done.accepted) != ("done", rows):
        raise AssertionError(done)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"perSecond": rows / seconds, "peakMb": peak}))  # noqa: T201  what the caller reads


if __name__ == "__main__":
    with surroundings():
        main(int(sys.argv[1]), int(sys.argv[2]))
