"""The costliest batch that was ever accepted fits each consumer, with room: a killed function says nothing of why."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from millrace.eventstore import consumers
from tests.support.templates import templates
from tests.support.worst_batches import FULL_ROWS, SHAPES

ROOT = Path(__file__).parents[2]
SHARE = 0.6
CONSUMERS = tuple(dict.fromkeys(one.function for one in consumers.CONSUMERS))


@pytest.fixture(scope="session")
def settings() -> dict[str, int]:
    """The memory of each function in production, in MB."""
    return {
        stem: int(function["Properties"]["MemorySize"])
        for stem, function in templates("prod").functions().items()
    }


CASES = [*((stem, shape) for stem in CONSUMERS for shape in SHAPES), ("score_transactions", FULL_ROWS)]


@pytest.mark.parametrize(("stem", "shape"), CASES)
def test_the_worst_batch_takes_at_most_sixty_percent(
    stem: str, shape: str, bundle: Path, settings: dict[str, int]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.worst_batches", stem, shape],
        cwd=ROOT,
        env={**os.environ, "MILLRACE_BUNDLE": str(bundle)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    peak = float(done.stdout.splitlines()[-1])
    assert peak <= SHARE * settings[stem], f"{stem} took {peak:.0f} of {settings[stem]} MB"
