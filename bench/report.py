"""The measured figures as bench/RESULTS.md."""

import os
import platform
import re
from datetime import UTC, datetime
from pathlib import Path

from bench.figure import ROUNDS, Figure

HEADER = """# What was measured

Written by `make bench WRITE=1`; with GOALS= the rows of those goals are written anew and the others stay. Ratios, each the
median of {rounds} interleaved rounds of CPU time; absolute times depend on the machine and are not kept.

- machine: {machine}
- Python {python}

"""
HEADINGS = "| goal | what | ratio | target | pass | measured |\n|---|---|---|---|---|---|\n"
LOAD = "Load: "
_ROW = re.compile(r"\| P([0-9]+) \|.*\|\n")
_NEAR = 0.05


def document(figures: list[Figure], throughput: str | None, before: str = "") -> str:
    """The file's text.

    Args:
        figures: what was measured now.
        throughput: the line on load; None where it was not measured.
        before: the file as it is: rows of goals that were not measured now stay as they are, and so does its load.
    """
    today = datetime.now(UTC).date().isoformat()
    measured = {int(figure.goal[1:]) for figure in figures}
    rows = [
        *((int(figure.goal[1:]), _row(figure, today)) for figure in figures),
        *((int(row[1]), row[0]) for row in _ROW.finditer(before) if int(row[1]) not in measured),
    ]
    load = throughput or next((line for line in before.splitlines() if line.startswith(LOAD)), None)
    head = HEADER.format(rounds=ROUNDS, machine=_machine(), python=platform.python_version())
    lines = [line for _, line in sorted(rows, key=lambda row: row[0])]
    return head + HEADINGS + "".join(lines) + _close(lines) + (f"\n{load}\n" if load else "")


def _row(figure: Figure, today: str) -> str:
    return f"| {figure.goal} | {figure.what} | {figure.ratio:.3g} | {figure.wanted} | {_verdict(figure)} | {today} |\n"


def _close(rows: list[str]) -> str:
    """What another run may decide otherwise."""
    near = []
    for row in rows:
        goal, _, ratio, wanted, *_ = [cell.strip() for cell in row.strip("|\n").split(" | ")]
        if (
            wanted[:1] in "≤≥"
            and (target := float(wanted[1:]))
            and 0 < abs(float(ratio) / target - 1) < _NEAR
        ):
            near.append(goal)
    if not near:
        return ""
    return f"\nWithin 5 % of the target, so that a busy machine may decide otherwise: {', '.join(dict.fromkeys(near))}.\n"


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
