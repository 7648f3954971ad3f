"""Whatever call of the hourly run goes wrong, in whatever way: at rest, the lake is what it is without a fault.

Meanwhile each snapshot of each table holds of each tenant's day the old rows or the new, and what is not there is still
pending. Here a few of the points, several in one run; every kind of point by itself, in every way, and every order
of two executions are run by `python -m tests.support.pipelinefaults`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.emulator import fresh, pointed_at
from tests.support.faultpoints.calls import Fault, Point
from tests.support.pipelinefaults import Calls, Story
from tests.support.pipelinefaults.calls import INVOKE
from tests.support.pipelinefaults.interleaved import at_once
from tests.support.pipelinefaults.plan import Armed, kinds
from tests.support.pipelinefaults.story import End
from tests.support.state_machine import Execution

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]

# A fault in every state; what is left out here (a read that fails, a row that is throttled) is in the long form.
FAULTS: dict[str, Armed] = {
    "answers are lost and calls fail": {
        Point("Plan", "s3.PutObject", 0): Fault.AFTER,
        Point("TransformBatches", INVOKE, 0): Fault.AFTER,
        Point("Transform", "s3.PutObject", 1): Fault.AFTER,
        Point("ListTables", INVOKE, 0): Fault.AFTER,
        Point("CommitTable", "glue.UpdateTable", 0): Fault.AFTER,
        Point("CommitTable", "glue.UpdateTable", 1): Fault.BEFORE,
        Point("CommitTable", "glue.CreateTable", 0): Fault.AFTER,
        Point("RefreshTable", INVOKE, 1): Fault.AFTER,
        Point("Prepare", INVOKE, 0): Fault.THROTTLED,
        Point("Run", "s3.PutObject", 0): Fault.THROTTLED,
        Point("Run", INVOKE, 2): Fault.AFTER,
        Point("CommitBuiltTable", "glue.UpdateTable", 1): Fault.AFTER,
        Point("PinSources", "s3.PutObject", 0): Fault.AFTER,
        Point("Materialize", "dynamodb.UpdateItem", 0): Fault.AFTER,
        Point("Publish", "s3.PutObject", 1): Fault.AFTER,
        Point("Publish", "dynamodb.DeleteItem", 1): Fault.BEFORE,
    },
    "killed between commit and answer, and again while it clears": {
        Point("CommitTable", "glue.UpdateTable", 1): Fault.KILLED_AFTER,
        Point("Publish", "dynamodb.DeleteItem", 1): Fault.KILLED_AFTER,
    },
}


@dataclass
class Told:
    """A story, and how the daily run behind its first hours ended, whose first execution was killed while it published."""

    story: Story
    daily: list[Execution]
    end: End


@pytest.fixture(scope="module")
def told(emulator: str, bundle: Path) -> Iterator[Told]:
    with pointed_at(emulator), Calls().installed() as calls:
        story = Story.begin(fresh(emulator), calls)
        # Here, where the hours have just run: every test begins before them.
        calls.arm({Point("Publish", INVOKE, 0): Fault.KILLED_BEFORE})
        daily = story.run_to_rest("hourly_etl-20261121", given={"refresh": ["hourly", "daily"]})
        yield Told(story, daily, story.end())


@pytest.fixture
def story(told: Told) -> Story:
    return told.story


def test_the_run_comes_to_every_store_and_makes_every_layer(story: Story) -> None:
    assert story.expected is not None
    assert {name.partition(".")[0] for name in story.expected.tables} == {"silver", "gold", "marts"}
    assert story.expected.tables["silver.payment_captured_v1"], "a table that the second run creates"
    assert story.expected.pending == set()
    states = {"Plan", "Transform", "CommitTable", "Prepare", "Run", "CommitBuiltTable", "Publish"}
    states |= {"TransformBatches", "ListTables", "RefreshTable", "PinSources", "Materialize"}
    assert {point.function for point in kinds(story.points)} == states
    calls = {point.call for point in story.points}
    assert {"glue.UpdateTable", "glue.CreateTable", "dynamodb.DeleteItem", "s3.PutObject"} <= calls
    changed = [name for name, held in story.expected.tables.items() if held != story.old.get(name, {})]
    assert len(changed) >= 8


@pytest.mark.parametrize("name", FAULTS)
def test_at_rest_nothing_tells_of_it(story: Story, name: str) -> None:
    assert story.tell(FAULTS[name]) == []


def test_two_executions_in_step_leave_what_one_leaves(story: Story) -> None:
    assert at_once(story, []) == []


def test_workers_that_are_killed_in_the_middle(story: Story) -> None:
    assert story.kill_workers() == []


def test_tables_of_the_day_are_told_of_though_the_run_that_made_them_was_killed(told: Told) -> None:
    """What they are made of came with the runs of the hours: nothing pending leads to them."""
    assert [one.status for one in told.daily] == ["ABORTED", "SUCCEEDED"]
    end = told.end
    features = {name for name in end.tables if name.startswith("ml_features.")}
    assert len(features) == 2
    for name in features:
        for (org, _), (rows, _) in end.tables[name].items():
            assert end.metadata[f"{org}#catalog#0", name]["rows"] == {"N": str(rows)}
