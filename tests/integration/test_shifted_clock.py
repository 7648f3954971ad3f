"""`make calendar` shifts every clock that a test can read, and a test that depends on the day fails under it."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.shifted_clock.__main__ import main
from tests.support.shifted_clock.preload import NoShiftError, library, shifted
from tests.support.shifted_clock.run import Outcome, run

DAYS = 40
# How long a process may take to start and look at the clock.
NEAR_SECONDS = 60
# A process, its thread, DuckDB, SQLite and a process that it starts say what time it is; the last two are clocks that
# measure.
CLOCKS = """
import datetime, json, sqlite3, subprocess, sys, threading, time
import duckdb
wall = {"time": time.time(), "datetime": datetime.datetime.now(datetime.UTC).timestamp()}
thread = threading.Thread(target=lambda: wall.update(thread=time.time()))
thread.start()
thread.join()
wall["duckdb"] = duckdb.sql("select epoch(now())").fetchone()[0]
wall["sqlite"] = float(sqlite3.connect(":memory:").execute("select unixepoch('now')").fetchone()[0])
child = [sys.executable, "-c", "import time; print(time.time())"]
wall["child"] = float(subprocess.run(child, check=True, capture_output=True).stdout)
started = time.monotonic()
threading.Event().wait(0.2)
print(json.dumps({"wall": wall, "monotonic": started, "waited": time.monotonic() - started}))
"""
# Holds the day on which it is written against the clock, as no test may; and does not.
DEPENDENT = """
from datetime import UTC, datetime

def test_of_a_day():
    assert datetime.now(UTC).date().isoformat() in {days}

def test_of_any_day():
    assert datetime.now(UTC).year >= 2000
"""


@pytest.fixture(scope="module", autouse=True)
def _library() -> None:
    try:
        library()
    except NoShiftError as error:
        pytest.skip(str(error))


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """Two tests that pass today and tomorrow; one of them only then."""
    now = datetime.now(UTC)
    days = {(now + timedelta(days=ahead)).date().isoformat() for ahead in (0, 1)}
    path = tmp_path / "test_planted.py"
    path.write_text(DEPENDENT.format(days=days))
    return path


def test_every_wall_clock_of_a_process_and_its_children_is_shifted() -> None:
    now = datetime.now(UTC)
    environ = shifted(os.environ, now, now + timedelta(days=DAYS))
    before = time.time(), time.monotonic()
    document = subprocess.run([sys.executable, "-c", CLOCKS], env=environ, check=True, capture_output=True)
    found = json.loads(document.stdout)
    assert set(found["wall"]) == {"time", "datetime", "thread", "duckdb", "sqlite", "child"}
    for name, at in found["wall"].items():
        # SQLite says whole seconds.
        assert -1 <= at - before[0] - timedelta(days=DAYS).total_seconds() < NEAR_SECONDS, name
    # What measures goes on as it was.
    assert 0 <= found["monotonic"] - before[1] < NEAR_SECONDS
    assert 0.15 < found["waited"] < NEAR_SECONDS


def test_a_shift_counts_from_a_clock_that_is_shifted() -> None:
    code = (
        "import os, subprocess, sys; from datetime import UTC, datetime, timedelta; "
        "from tests.support.shifted_clock.preload import shifted; now = datetime.now(UTC); "
        "subprocess.run([sys.executable, '-c', 'import time; print(time.time())'], check=True, "
        "env=shifted(os.environ, now, now + timedelta(days=3)))"
    )
    now = datetime.now(UTC)
    environ = shifted(os.environ, now, now + timedelta(days=DAYS)) | {"PYTHONPATH": os.pathsep.join(sys.path)}
    completed = subprocess.run([sys.executable, "-c", code], env=environ, check=True, capture_output=True)
    ahead = float(completed.stdout) - now.timestamp() - timedelta(days=DAYS + 3).total_seconds()
    assert 0 <= ahead < NEAR_SECONDS


def test_a_test_that_depends_on_the_day_is_caught(tests: Path) -> None:
    quiet = ("-p", "no:cacheprovider")
    today, later = (run(name, str(tests), quiet, root=tests.parent) for name in ("+0d", "+8d"))
    assert (today.passed, today.failed, today.ended) == (2, 0, True)
    assert (later.passed, later.failed, later.ended) == (1, 1, False)


def test_what_pytest_cannot_run_is_no_success(tests: Path) -> None:
    found = run("+8d", str(tests.with_name("test_missing.py")), ("-p", "no:cacheprovider"), root=tests.parent)
    assert (found.passed, found.ended) == (0, False)
    assert not (Outcome(passed=3) + found).ended


def test_the_command_runs_each_shift_says_a_table_and_fails(
    tests: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PYTEST_ARGS", f"-p no:cacheprovider --rootdir {tests.parent}")
    assert main(["--shifts", "+0d", "--tests", str(tests)]) == 0
    assert main(["--shifts", "+0d +8d", "--tests", str(tests)]) == 1
    printed = capsys.readouterr().out.splitlines()
    rows = [[cell.strip() for cell in line.split("│")] for line in printed if "│" in line]
    assert [(name, passed, failed) for _, name, _, passed, failed, *_ in rows] == [
        ("+0d", "2", "0"),
        ("+0d", "2", "0"),
        ("+8d", "1", "1"),
    ]
    assert main(["--shifts", "tomorrow"]) == 2
