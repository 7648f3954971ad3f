"""A worker of silver in a process of its own: `python -m bench.silver_worker <plan.json>`; tells time and peak memory.

The plan: `{"root", "bundle", "memory_mb", "days": [TenantDay…], "max_rows"}`. The answer, one line of JSON:
`{"seconds", "cpu", "peak_mb", "rows"}`; both times are without the start of Python.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypedDict

from pydantic import TypeAdapter

from bench.transactions import BUCKET
from millrace.contracts.registry import Registry
from millrace.lake import duck
from millrace.lake.packing import units
from millrace.lake.raw_to_silver import SilverTransform
from millrace.runs.documents import TenantDay


class Spent(TypedDict):
    """What a worker took. `cpu`: seconds of all threads. `peak_mb`: the most of memory that it held at once, in MB."""

    seconds: float
    cpu: float
    peak_mb: float
    rows: int


def run(root: Path, days: Sequence[TenantDay], *, memory_mb: int, max_rows: int = 1_000_000) -> Spent:
    """Makes silver of the days in a new process.

    Args:
        root: stands for the bucket.
        days: one after the other.
        memory_mb: of the function.
        max_rows: of a bucket.
    """
    plan = {
        "root": str(root),
        "bundle": os.environ["MILLRACE_BUNDLE"],
        "memory_mb": memory_mb,
        "max_rows": max_rows,
        "days": [asdict(day) for day in days],
    }
    path = root / "plan.json"
    path.write_text(json.dumps(plan))
    command = [sys.executable, "-m", "bench.silver_worker", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=3_600)
    spent: Spent = json.loads(done.stdout)
    return spent


def transform(root: Path, memory_mb: int) -> SilverTransform:
    """As the function makes it, on a folder."""
    registry = Registry(Path(os.environ["MILLRACE_BUNDLE"]))

    def connect() -> Any:
        return duck.connect(memory_mb=duck.share(memory_mb), threads=2, temp_dir=root)

    return SilverTransform(connect, registry, BUCKET, root=str(root))


def peak_mb() -> float:
    """The most of memory that this process has held, in MB.

    Not `ru_maxrss`: that counts the process which started this one as well.
    """
    status = Path("/proc/self/status")
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


def _main(plan: dict[str, Any]) -> Spent:
    os.environ["MILLRACE_BUNDLE"] = plan["bundle"]
    made = transform(Path(plan["root"]), plan["memory_mb"])
    started, used, rows = time.perf_counter(), time.process_time(), 0
    for day in TypeAdapter(list[TenantDay]).validate_python(plan["days"]):
        for unit in units(day, plan["max_rows"]):
            done = made.unit("bench", unit, day)
            if done.failures:
                raise AssertionError(done.failures)
            rows += sum(part.rows for part in done.parts)
    return Spent(
        seconds=time.perf_counter() - started,
        cpu=time.process_time() - used,
        peak_mb=peak_mb(),
        rows=rows,
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(_main(json.loads(Path(sys.argv[1]).read_text()))))
