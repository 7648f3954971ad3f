"""Test processes that run beside each other: which tests go to which of them, and what they share."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

_FOLDER = "MILLRACE_TEST_SHARED"
_STASH = pytest.StashKey[str]()


class ByFile(LoadFileScheduling):  # type: ignore[misc]  # it ships no types
    """A file's tests go to one worker, in the order of the collection; and there is one deployed platform."""

    def __init__(self, config: pytest.Config, log: Producer) -> None:
        # By default the files with the most tests come first; ours are ordered by what they cost.
        config.option.loadscopereorder = False
        super().__init__(config, log)

    def _split_scope(self, nodeid: str) -> str:
        return "e2e" if nodeid.startswith("tests/e2e/") else str(super()._split_scope(nodeid))


def beside_others() -> bool:
    """Whether this process is one of several."""
    return "PYTEST_XDIST_WORKER" in os.environ


@cache
def give_way() -> None:
    """From here on this process lets the one go first that drives the deployed platform, whose tests take the longest."""
    if beside_others():
        os.nice(3)


def begin(config: pytest.Config) -> None:
    """Names a folder that the workers of this run share."""
    if config.getoption("numprocesses", None):
        config.stash[_STASH] = os.environ[_FOLDER] = tempfile.mkdtemp(prefix="millrace-tests-")


def end(config: pytest.Config) -> None:
    """Removes it."""
    if _STASH in config.stash:
        shutil.rmtree(config.stash[_STASH], ignore_errors=True)


def folder(prefix: str) -> Path:
    """A new folder, which goes with the one that the workers share."""
    return Path(tempfile.mkdtemp(prefix=prefix, dir=os.environ.get(_FOLDER)))


def once(name: str, make: Callable[[], str]) -> str:
    """A text that takes long to make: made by the first process of this run that asks, read by the others."""
    shared = os.environ.get(_FOLDER)
    if shared is None:
        return make()
    with (Path(shared) / name).open("a+") as kept:
        fcntl.flock(kept, fcntl.LOCK_EX)
        kept.seek(0)
        text = kept.read()
        if not text:
            text = make()
            kept.write(text)
        return text
