"""A planted fault, and the copy of the checkout in which it is planted."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[3]
# The folder of the platform's package.
LAYER = "layers/millrace/python/millrace"
SECONDS = 600
# pytest's own: tests ran, and some failed.
FAILED = 1


class MutantError(Exception):
    """The fault cannot be planted: the line that it changes is not there, or there more than once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """A fault of one line.

    Attributes:
        name: what is broken, in a few words.
        promise: which guarantee it is, `G1` to `G11`, or what else users rely on: `isolation`, `right`, `contract`, ….
        file: where, from the root of the checkout.
        old: the text that is there, exactly once.
        new: what stands there instead.
        tests: files of tests, or tests; one of them must fail.
    """

    name: str
    promise: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the tests said: whether one failed, and after how many seconds."""

    found: bool
    seconds: float
    output: str


def changed(mutant: Mutant, root: Path = ROOT) -> str:
    """The file's text with the fault in it.

    Raises:
        MutantError: the old text is not in it, or more than once.
    """
    path = root / mutant.file
    text = path.read_text() if path.is_file() else ""
    if (count := text.count(mutant.old)) != 1:
        raise MutantError(f"{mutant.name}: {mutant.old!r} is {count} times in {mutant.file}")
    return text.replace(mutant.old, mutant.new)


@contextmanager
def checkout(folder: Path, root: Path = ROOT) -> Iterator[Path]:
    """A copy of what git would commit, beside links to what was installed and built."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    )
    copy = folder / "checkout"
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (root / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, copy / name)
    (copy / ".local").mkdir()
    for name in (".venv", ".local/ministack-venv", ".local/cdk", ".local/dbt-venv"):
        if (root / name).exists():
            (copy / name).symlink_to(root / name)
    yield copy
    shutil.rmtree(copy)


def tried(mutant: Mutant, copy: Path) -> Verdict:
    """Runs a mutant's tests in a copy that has the fault, and takes the fault out again.

    Raises:
        MutantError: it cannot be planted, or its tests did not run.
    """
    text, path = changed(mutant, copy), copy / mutant.file
    before = path.read_text()
    path.write_text(text)
    try:
        return tests_fail(mutant.tests, copy)
    except MutantError as error:
        raise MutantError(f"{mutant.name}: {error}") from error
    finally:
        path.write_text(before)


def tests_fail(tests: Iterable[str], copy: Path, *options: str) -> Verdict:
    """Runs tests in a copy until one fails; `options` are pytest's.

    Raises:
        MutantError: they did not run.
    """
    environ = {**os.environ, "PYTHONPATH": f"{copy}:{copy / 'layers/millrace/python'}"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", *options, *tests]
    started = time.monotonic()
    try:
        done = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        # A fault that brings tests to a stop is found.
        return Verdict(True, time.monotonic() - started, "the tests did not end")
    finally:
        shutil.rmtree(copy / ".hypothesis", ignore_errors=True)
    if done.returncode not in {0, FAILED}:
        raise MutantError(f"its tests did not run\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Verdict(done.returncode == FAILED, time.monotonic() - started, done.stdout[-2000:])
