"""A program with all that it starts, watched from outside: its CPU time, and the most of memory that it held at once."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")
# Behind the name in /proc/<pid>/stat, counted from the state on: user and system time, and resident pages.
_USER, _SYSTEM, _RESIDENT = 11, 12, 21
_PAUSE = 0.02


class FailedError(Exception):
    """The program did not end well; the sentence is the end of what it said."""


@dataclass(frozen=True, slots=True)
class Spent:
    """`cpu`: seconds of CPU of all processes, user and system, their start included. `peak_mb`: the most of memory at once, in MB."""

    cpu: float
    peak_mb: float


def run(command: Sequence[str], environ: Mapping[str, str], seconds: float) -> Spent:
    """Runs a program to its end.

    Raises:
        FailedError: it failed or took longer than so many seconds.
    """
    used: dict[int, int] = {}
    peak, until = 0, time.monotonic() + seconds
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(command, env=dict(environ), stdout=said, stderr=subprocess.STDOUT) as process:
            while process.poll() is None and time.monotonic() < until:
                resident = 0
                for pid, ticks, pages in _below(process.pid):
                    used[pid] = ticks
                    resident += pages
                peak = max(peak, resident)
                time.sleep(_PAUSE)
            if process.poll() is None:
                process.kill()
        if process.returncode != 0:
            said.seek(0)
            raise FailedError(" ".join(said.read().split())[-500:])
    return Spent(sum(used.values()) / _TICK, peak * _PAGE / 2**20)


def _below(pid: int) -> Iterator[tuple[int, int, int]]:
    """A process and those below it: id, ticks of CPU, resident pages."""
    here = Path("/proc") / str(pid)
    try:
        stat = (here / "stat").read_text().rpartition(") ")[2].split()
        children = " ".join(one.read_text() for one in here.glob("task/*/children"))
    except OSError:
        return
    yield pid, int(stat[_USER]) + int(stat[_SYSTEM]), int(stat[_RESIDENT])
    for child in children.split():
        yield from _below(int(child))
