"""A small day through the stream and through the lake; `make equal-day` takes a large one."""

from pathlib import Path

import pytest

from millrace.contracts.registry import Registry
from tests.support import equal_day

pytestmark = pytest.mark.integration
EVENTS = 600


def test_a_day_of_the_stream_is_that_of_the_lake(bundle: Path, tmp_path: Path) -> None:
    counted = equal_day.compare(EVENTS, 5, tmp_path, Registry(bundle))
    assert all(counted[name] for name in ("redelivered", "redriven", "late", "minutes folded")), counted
    assert counted["tiles and keys"] > EVENTS
