"""The library that shifts a process's clock and its children's: https://github.com/wolfcw/libfaketime, preloaded.

It answers for the C library, so that Python, Node, DuckDB and SQLite all see the same day. What measures time that has
passed (the monotonic clock) it leaves alone.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path

# Of the package on PyPI, which is built for Linux on x86-64; then of Debian's and Ubuntu's `faketime`.
IN_PACKAGE = "vendor/libfaketime/src/libfaketime.so.1"
OF_THE_SYSTEM = "/usr/lib", "*/faketime/libfaketime.so.1"
PROBE = "import time; print(time.time(), time.monotonic())"
PROBED_SECONDS = 1_000_000
NEAR_SECONDS = 60


class NoShiftError(Exception):
    """Nothing here shifts a clock; the message says what to do."""


def shifted(environ: Mapping[str, str], now: datetime, at: datetime) -> dict[str, str]:
    """`environ` for a process in which it is `at`, and for whatever that starts.

    Args:
        environ: of this process, whose clock may be shifted itself.
        now: the present moment by this process's clock.
        at: the moment there.

    Raises:
        NoShiftError: no library works here.
    """
    return _environment(environ, library(), at - now)


@cache
def library() -> Path:
    """The first of the libraries that shifts the clock of a process here.

    Raises:
        NoShiftError: none does.
    """
    for path in _libraries():
        probed = _environment(os.environ, path, timedelta(seconds=PROBED_SECONDS))
        there, here = _clocks(probed), _clocks(os.environ)
        off = there[0] - here[0] - PROBED_SECONDS, there[1] - here[1]
        if max(map(abs, off)) < NEAR_SECONDS:
            return path
    raise NoShiftError(
        "no libfaketime shifts the clock here. The one that is installed with the tests is for Linux on x86-64; on another "
        "Linux install the distribution's (apt install faketime)."
    )


def _libraries() -> list[Path]:
    spec, (root, pattern) = find_spec("libfaketime"), OF_THE_SYSTEM
    own = [Path(spec.origin).parent / IN_PACKAGE] if spec is not None and spec.origin else []
    return [path for path in (*own, *sorted(Path(root).glob(pattern))) if path.exists()]


def _environment(environ: Mapping[str, str], path: Path, by: timedelta) -> dict[str, str]:
    # In a process that is shifted itself, `by` counts from its clock, and the library from the machine's.
    seconds = by.total_seconds() + float(environ.get("FAKETIME", "0"))
    before = [one for one in environ.get("LD_PRELOAD", "").split(":") if one and one != str(path)]
    return {
        **environ,
        "LD_PRELOAD": ":".join((str(path), *before)),
        "FAKETIME": f"{seconds:+.6f}",
        "DONT_FAKE_MONOTONIC": "1",
        # It would look at its variables again every ten seconds: unshifted where a test has emptied the environment, and
        # crashing where one changes it in another thread.
        "FAKETIME_CACHE_DURATION": str(2**31 - 1),
    }


def _clocks(environ: Mapping[str, str]) -> tuple[float, float]:
    completed = subprocess.run(
        [sys.executable, "-c", PROBE], env=dict(environ), check=True, capture_output=True, text=True
    )
    wall, monotonic = map(float, completed.stdout.split())
    return wall, monotonic
