"""The measured figures as bench/RESULTS.md."""

import os
import platform
from datetime import UTC, datetime
from pathlib import Path

from bench.figure import ROUNDS, Figure

HEADER = """# What was measured

Written by `make bench WRITE=1`. Ratios, each the median of {rounds} interleaved rounds of CPU time; absolute times
depend on the machine and are not kept.

- date: {date}
- machine: {machine}
- Python {python}

| goal | what | ratio | target | pass |
|---|---|---|---|---|
"""


def document(figures: list[Figure], throughput: str | None) -> str:
    """The file's text."""
    rows = [f"| {f.goal} | {f.what} | {f.ratio:.3g} | {f.wanted} | {_verdict(f)} |\n" for f in figures]
    head = HEADER.format(
        rounds=ROUNDS,
        date=datetime.now(UTC).date().isoformat(),
        machine=_machine(),
        python=platform.python_version(),
    )
    return head + "".join(rows) + _close(figures) + (f"\n{throughput}\n" if throughput else "")


def _close(figures: list[Figure]) -> str:
    """What another run may decide otherwise."""
    near = [f for f in figures if f.held and f.target and 0 < abs(f.ratio / f.target - 1) < 0.05]
    if not near:
        return ""
    names = ", ".join(dict.fromkeys(figure.goal for figure in near))
    return f"\nWithin 5 % of the target, so that a busy machine may decide otherwise: {names}.\n"


def _verdict(figure: Figure) -> str:
    if not figure.held:
        return "–"
    return "yes" if figure.passed else "no"


def _machine() -> str:
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().splitlines()]
        model = next(
            (
                n
                for n, line in zip(names, cpuinfo.read_text().splitlines(), strict=True)
                if line.startswith("model name")
            ),
            model,
        )
    return f"{os.cpu_count()} cores, {model}, {platform.system()}"
