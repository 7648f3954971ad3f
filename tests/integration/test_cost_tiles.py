"""What `millrace cost` reckons with of folds and seals is what they ask today."""

import json
from pathlib import Path
from typing import Any

import pytest

from bench import cost_tiles
from bench.cost_calls import FILE
from bench.cost_clients import Recorded

AGAIN = "python -m bench.cost_calls"


def kept(function: str, events: int) -> dict[str, Any]:
    traces = json.loads(FILE.read_text())
    (found,) = (one for one in traces if (one["function"], one["events"]) == (function, events))
    return dict(found)


@pytest.mark.parametrize(
    ("function", "events", "made"),
    [
        ("fold_tiles", cost_tiles.MINUTES[0], lambda size: cost_tiles.fold(size, 1)),
        ("seal_tiles", cost_tiles.DAYS[0], cost_tiles.seal),
    ],
)
def test_the_recorded_calls_are_those_of_the_code(
    bundle: Path, function: str, events: int, made: Any
) -> None:
    found: Recorded = made(events)
    recorded = kept(function, events)
    assert dict(found.calls) == recorded["calls"], AGAIN
    for name, value in recorded["usage"].items():
        assert found.usage[name] == pytest.approx(value, rel=0.15), f"{name}: {AGAIN}"
    assert found.stored["Analytics"]["byteDays"] == pytest.approx(
        recorded["stored"]["Analytics"]["byteDays"], rel=0.15
    ), AGAIN
