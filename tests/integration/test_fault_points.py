"""Whatever call goes wrong, in whatever way: when retries and redelivery have come to rest, nothing tells of it.

Here the first of each kind of call of each function, several in one run; every point by itself is run by
`python -m tests.support.faultpoints`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.faultpoints import Calls, Fault, Point, Story, different
from tests.support.faultpoints.plan import together
from tests.support.faultpoints.state import State
from tests.support.people import same_numbers
from tests.support.platform import platform

FUNCTIONS = {
    "post_events",
    "receive_bus_events",
    "replay_quarantine",
    "archive_events",
    "project_events",
    "route_events",
    "score_transactions",
    "analyze_events",
    "fold_tiles",
    "sweep_timers",
}


@dataclass
class Stage:
    story: Story
    calls: Calls
    points: list[Point]
    expected: State


@pytest.fixture(scope="module")
def stage(bundle: Path) -> Iterator[Stage]:
    calls = Calls()
    with same_numbers(), platform(bundle, scoring=True) as running, calls.installed():
        story = Story(running, calls)
        expected = story.tell()
        yield Stage(story, calls, calls.points, expected)


def test_the_story_ends_the_same_each_time_it_is_told(stage: Stage) -> None:
    stage.calls.arm()
    assert list(different(stage.expected, stage.story.tell())) == []


def test_the_story_reaches_every_store_of_every_function(stage: Stage) -> None:
    assert {point.function for point in stage.points} == FUNCTIONS
    assert len(stage.expected["events"]) == 14
    assert len(stage.expected["raw"]) == len(stage.expected["manifest"]) == 15  # and one that has no row
    assert set(stage.expected["answers"].values()) == {"in", "refused", "conflict"}
    assert {status for found in stage.expected["quarantine"].values() for status in found} == {
        "open",
        "replayed",
    }
    assert stage.expected["dead letters"] == {}
    assert all(stage.expected[name] for name in ("pointers", "bus", "features"))


@pytest.mark.parametrize("fault", Fault, ids=lambda fault: fault.name.lower())
def test_the_end_is_the_faultless_one(stage: Stage, fault: Fault) -> None:
    wrong: list[str] = []
    for armed in together(stage.points, fault):
        stage.calls.arm(armed)
        found = stage.story.tell()
        assert stage.calls.struck == set(armed), "every fault has struck"
        wrong += [f"{', '.join(map(str, armed))}: {one}" for one in different(stage.expected, found)]
    assert wrong == []


def test_a_lost_write_would_be_seen(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.eventstore.projection.to_pointer", lambda *_: None)
    stage.calls.arm()
    assert any(one.startswith("pointers") for one in different(stage.expected, stage.story.tell()))
