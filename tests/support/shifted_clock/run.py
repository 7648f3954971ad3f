"""One pytest under a shifted clock, and what became of its tests."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from tests.support.shifted_clock import shifts
from tests.support.shifted_clock.preload import shifted

ROOT = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the tests of a process or of several.

    Attributes:
        passed: tests.
        failed: tests with a failure or an error.
        skipped: tests.
        seconds: by the clock that is not shifted.
        ended: whether every process ended well: pytest itself may fail without a test that does.
    """

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    seconds: float = 0.0
    ended: bool = True

    def __add__(self, other: "Outcome") -> "Outcome":
        return Outcome(
            self.passed + other.passed,
            self.failed + other.failed,
            self.skipped + other.skipped,
            self.seconds + other.seconds,
            self.ended and other.ended,
        )


def run(name: str, tests: str, arguments: Sequence[str] = (), *, root: Path = ROOT) -> Outcome:
    """Runs tests on the day of a shift, counted from now.

    Args:
        name: of the shift.
        tests: a file or folder, from `root`.
        arguments: more, for pytest.
        root: where pytest starts.

    Raises:
        NoShiftError: no library works here.
        ValueError: there is no such shift.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report}", *arguments, tests]
        now = datetime.now(UTC)
        environ = shifted(os.environ, now, shifts.moment(name, now))
        started = time.monotonic()
        code = subprocess.run(command, cwd=root, env=environ, check=False).returncode
        seconds = time.monotonic() - started
        return _counted(report, seconds, ended=code == 0)


def _counted(report: Path, seconds: float, *, ended: bool) -> Outcome:
    if not report.exists():
        return Outcome(seconds=seconds, ended=False)
    # Written by the pytest that was started just now.
    suites = ElementTree.parse(report).getroot().iter("testsuite")
    total, failed, skipped = 0, 0, 0
    for suite in suites:
        failed += int(suite.attrib["failures"]) + int(suite.attrib["errors"])
        skipped += int(suite.attrib["skipped"])
        total += int(suite.attrib["tests"])
    return Outcome(max(0, total - failed - skipped), failed, skipped, seconds, ended)
