"""A run of the pipeline to its rest, and what it must end in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from unittest.mock import patch

from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.lake import packing
from millrace.runs.store import RunStore
from tests.support.emulator import Lake
from tests.support.faultpoints.calls import Fault, Point
from tests.support.functions import function
from tests.support.machines import machine
from tests.support.pipelinefaults import state, workers
from tests.support.pipelinefaults.calls import Calls
from tests.support.pipelinefaults.state import Reader, Tables
from tests.support.pipelinefaults.world import World
from tests.support.state_machine import Call, Execution, Hook, Killed, StateMachine
from tests.support.state_values import TaskError

FUNCTIONS = {
    "PlanRun": "plan_run",
    "TransformPartitions": "transform_partitions",
    "CommitTable": "commit_table",
    "PrepareTable": "prepare_table",
    "BuildTable": "build_table",
    "PinSources": "pin_sources",
    "MaterializeFeatures": "materialize_features",
    "PublishRun": "publish_run",
}
INTERVAL = "hourly_etl-20261121T10"
MOST_RUNS = 4


@dataclass
class End:
    """How it ended: the executions that it took, and what the lake holds."""

    executions: list[Execution]
    tables: Tables
    metadata: Mapping[Any, Any]
    pending: set[tuple[str, str]]


@dataclass
class Story:
    """Runs repeatedly from the same state; the expected result is that of the first run, without faults."""

    world: World
    calls: Calls
    old: Tables = field(default_factory=dict)
    expected: End | None = None
    points: list[Point] = field(default_factory=list)
    # Of two executions at once: what was not yet as expected when both had ended.
    needed_another: list[list[str]] = field(default_factory=list)
    # Workers that get SIGKILL: function and place, in the order in which they come.
    _kills: list[tuple[str, str]] = field(default_factory=list)

    @classmethod
    def begin(cls, lake: Lake, calls: Calls) -> "Story":
        """Fills the lake, lets the second batch wait, and tells the story once without a fault."""
        world = World(lake)
        story = cls(world, calls)
        world.first()
        first = story.run_to_rest("hourly_etl-20261121T09")
        assert [one.status for one in first] == ["SUCCEEDED"], story.summary(first[0])
        world.second()
        world.keep()
        story.old = state.all_tables(lake)
        calls.arm()
        second = story.run_to_rest(INTERVAL)
        assert [one.status for one in second] == ["SUCCEEDED"], story.summary(second[0])
        story.expected = story._end(second)
        story.points = list(calls.points)
        return story

    def tell(self, faults: Mapping[Point, Fault]) -> list[str]:
        """Runs to rest while these points go wrong; in a sentence each, what is not as it should be."""
        assert self.expected is not None
        self.world.restore()
        self.calls.arm(faults)
        reader = Reader(self.world.lake, self.old, self.expected.tables)
        try:
            end = self._end(self.run_to_rest(INTERVAL, reader))
        except AssertionError as error:
            return [str(error)]
        said = self.different(end)
        said += [f"{point} was not reached" for point in faults if point not in self.calls.struck]
        killed = any(fault in (Fault.KILLED_AFTER, Fault.KILLED_BEFORE) for fault in faults.values())
        if end.executions[-1].status != "SUCCEEDED":
            said.append(f"it did not come to rest: {self.summary(end.executions[-1])}")
        if not killed and len(end.executions) > 1:
            said.append(f"retries did not do: {self.summary(end.executions[0])}")
        return said

    def kill_workers(self) -> list[str]:
        """Runs to rest while workers in processes of their own get SIGKILL; in a sentence each, what is wrong then.

        The first execution dies with its worker of silver. In the second, a commit dies with its manifests written, and
        another when Glue has it; these are tried again.
        """
        assert self.expected is not None
        self.world.restore()
        self.calls.arm()
        reader = Reader(self.world.lake, self.old, self.expected.tables)
        self._kills = [
            ("transform_partitions", workers.FILE_WRITTEN),
            ("commit_table", workers.MANIFESTS_WRITTEN),
            ("commit_table", workers.TABLE_UPDATED),
        ]
        try:
            end = self._end(self.run_to_rest(INTERVAL, reader))
        except AssertionError as error:
            return [str(error)]
        statuses = [one.status for one in end.executions]
        messages = [] if statuses == ["ABORTED", "SUCCEEDED"] else [f"the executions ended {statuses}"]
        return messages + [f"not killed: {one}" for one in self._kills] + self.different(end)

    def different(self, end: End) -> list[str]:
        """Where an end is not the expected one."""
        assert self.expected is not None
        messages: list[str] = []
        for name in sorted({*end.tables, *self.expected.tables}):
            found, wanted = end.tables.get(name, {}), self.expected.tables.get(name, {})
            messages += state.different(wanted, found, name)
        messages += state.different(self.expected.metadata, end.metadata, "Metadata")
        messages += [f"still pending: {found}" for found in sorted(end.pending)]
        return messages

    def run_to_rest(self, interval: str, reader: Reader | None = None, given: Any = None) -> list[Execution]:
        """Executions of the interval, one after the other, until one ends well.

        Raises:
            AssertionError: a reader found half of something, or a day is neither pending nor there.
        """
        ended = []
        for attempt in range(1, MOST_RUNS + 1):
            self.calls.revive()
            ended.append(self.machine(partial(self._watch, reader)).run(f"{interval}-{attempt}", given))
            self.calls.revive()
            if reader is not None:
                reader.look()
                self.nothing_lost()
            if ended[-1].status == "SUCCEEDED":
                break
        return ended

    def machine(self, hook: Hook) -> StateMachine:
        """The file of the hourly run over the real handlers."""
        functions = {name: self._handler(stem) for name, stem in FUNCTIONS.items()}
        return machine("hourly_etl", functions, hook=hook)

    def end(self) -> End:
        """What there is now."""
        return self._end([])

    def summary(self, execution: Execution) -> str:
        """What did not land of a run, and why."""
        summary = RunStore(Objects(self.world.lake.s3, self.world.lake.bucket)).summary(execution.name)
        return f"{execution.cause} {summary.failures if summary is not None else ''}"

    def nothing_lost(self) -> None:
        """A day that was pending is so still, unless all of its silver is there.

        Raises:
            AssertionError: one is neither.
        """
        assert self.expected is not None
        still = self._pending()
        now = state.all_tables(self.world.lake)
        for name, wanted in self.expected.tables.items():
            if name.startswith("silver."):
                for partition, held in wanted.items():
                    there = now.get(name, {}).get(partition) == held
                    assert there or partition in still, (
                        f"{name} {partition} is lost: neither there nor pending"
                    )

    def _watch(self, reader: Reader | None, call: Call) -> None:
        if reader is not None and call.when == "before":
            reader.look()
        self.calls.invoke(call)

    def _handler(self, stem: str) -> Callable[[Any], Any]:
        environ = {**self.world.lake.environ, "MEMORY_MB": "1024", "EVENTS_TABLE": "Events"}

        def invoke(payload: Any) -> Any:
            if self._kills and self._kills[0][0] == stem:
                _, where = self._kills.pop(0)
                workers.kill(environ, stem, payload, where)
                if where == workers.FILE_WRITTEN:
                    raise Killed
                raise TaskError("Runtime.ExitError", "signal: killed")
            try:
                # Two tenant-days a batch, so that there are several.
                with (
                    patch.object(packing, "pack", partial(packing.pack, max_units=2)),
                    function(stem, environ) as handler,
                ):
                    return handler(payload, None)
            finally:
                self.calls.failed()

        return invoke

    def _pending(self) -> set[tuple[str, str]]:
        rows = pending.read(Table(self.world.lake.dynamodb, "Metadata"))
        return {(row.org, row.day) for row in rows}

    def _end(self, executions: list[Execution]) -> End:
        lake = self.world.lake
        rows = state.metadata(self.world.scan("Metadata"))
        return End(executions, state.all_tables(lake), rows, self._pending())
