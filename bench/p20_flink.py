"""P20: windows of a day by the stream's code are those of Flink, for less CPU and memory.

200,000 payments of two tenants, late, shuffled and some of them twice, in windows of 10 minutes and of 15 minutes that slide by 5, by merchant:
count, sum, least and greatest of decimals, share, different customers (fewer than 512 in a window, so that ours counts them exactly, too).
Each side is a process of its own, with its start: ours reads rows of the Events table minute by minute and keeps what it made after
each; Flink reads CSV of the columns alone, in batch mode with one core, which serves it best. Ours is a stream for all that: batch mode
sees the whole day at once. The figures without a goal take off what either needs for a day of 100 payments.
"""

import csv
import logging
import os
import sys
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from bench import flink, tree, windows_day
from bench.figure import Figure
from bench.tree import Spent

EVENTS, FEW = 200_000, 100
KINDS = ("10m", "15m")
# Tenant, beginning of the window and merchant; volume, revenue, smallest, largest, fraud rate, customers.
Window = tuple[str, datetime, str, int, Decimal, Decimal, Decimal, float, int]


def measure() -> list[Figure]:
    """Flink's CPU over ours, our memory over Flink's."""
    try:
        (ours, theirs), (start, their_start) = _run(EVENTS), _run(FEW)
    except flink.NoFlinkError as error:
        logging.getLogger("bench").warning("P20 is not measured: %s", error)
        return []
    without_start = (theirs.cpu - their_start.cpu) / (ours.cpu - start.cpu)
    return [
        Figure("P20", "CPU time of Flink / windows of a day, equal", theirs.cpu / ours.cpu, 5, at_least=True),
        Figure("P20", "memory of windows of a day / Flink", ours.peak_mb / theirs.peak_mb, 0.2),
        Figure(
            "P20", "CPU time of Flink / windows of a day, both without start", without_start, 0, held=False
        ),
    ]


def _run(number: int) -> tuple[Spent, Spent]:
    """What a day of so many payments takes ours and Flink; both make the same windows, or there is nothing to compare."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        windows_day.write(folder, number)
        theirs = flink.windows(folder / "events.csv", folder / "flink")
        (folder / "ours").mkdir()
        worker = [
            sys.executable,
            "-m",
            "bench.windows_worker",
            str(folder / "deliveries"),
            str(folder / "ours"),
        ]
        ours = tree.run(worker, os.environ, 3_600)
        for kind in KINDS:
            made = sorted(_read(folder / "ours" / f"{kind}.csv"))
            peer = sorted(window for file in (folder / "flink" / kind).iterdir() for window in _read(file))
            if not made or made != peer:
                differ = sorted({*made} ^ {*peer})[:4]
                raise AssertionError(f"{len(made)} windows of {kind} are not Flink's {len(peer)}: {differ}")
        return ours, theirs


def _read(path: Path) -> Iterator[Window]:
    with path.open(newline="") as file:
        for org, start, merchant, volume, revenue, least, most, rate, customers in csv.reader(file):
            yield (
                org,
                datetime.fromisoformat(start).replace(tzinfo=None),
                merchant,
                int(volume),
                Decimal(revenue),
                Decimal(least),
                Decimal(most),
                float(rate),
                int(customers),
            )
