"""P22: an import takes at least 5,000 rows a second a core through judgement, and no more memory for 2 GB than for 100 MB.

The step of the machine over stores that do nothing, each file in a process of its own: small rows for the speed, rows of
16 KB for the memory, which is to stay below 512 MB.
"""

import json
import subprocess
import sys
from typing import Any

from bench.figure import Figure

ROWS, SMALL = 60_000, 150
LARGE = 16 << 10
TIMEOUT = 900


def measure() -> list[Figure]:
    """Speed of small rows; memory of a small and a large file."""
    speed = imported(ROWS, SMALL)["perSecond"]
    less, more = (imported(size // LARGE, LARGE)["peakMb"] for size in (100 << 20, 2 << 30))
    return [
        Figure("P22", "rows a second a core of an import / 5,000", speed / 5000, 1.0, at_least=True),
        Figure("P22", "memory of an import of 2 GB / of 100 MB", more / less, 1.1),
        Figure("P22", "memory of an import of 2 GB / 512 MB", more / 512, 1.0),
    ]


def imported(rows: int, row_bytes: int) -> dict[str, Any]:
    """What the worker says of a file."""
    command = [sys.executable, "-m", "bench.imports_worker", str(rows), str(row_bytes)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=TIMEOUT)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
