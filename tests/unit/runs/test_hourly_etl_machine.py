"""The order of a run: what is called with what, and how it ends when a step fails for good."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.machines import machine
from tests.support.state_machine import START, Call, Execution, Hook, Killed, StateMachine
from tests.support.state_values import TaskError

RUN = "hourly_etl-20261121T10-1"
A, B = "silver.order_created_v1", "silver.payment_captured_v1"


class Fakes:
    """Functions that answer as the real ones do, over a lake of dictionaries."""

    def __init__(self, *, batches: int = 0, levels: list[list[str]] | None = None) -> None:
        self.batches, self.levels = batches, levels or []
        self.calls: list[tuple[str, Any]] = []
        self.tables = {0: [A], 1: [A, B]}
        self.chunks: dict[str, list[int]] = {}
        self.broken: set[tuple[str, Any]] = set()
        self.landed: set[str] = set()
        self.orgs: list[str] = []
        # How often the planner finds the archive behind.
        self.behind = self.merges = 0

    def machine(self, hook: Hook | None = None) -> StateMachine:
        functions = {
            "PlanRun": self._counted("plan", self._plan),
            "TransformPartitions": self._counted("transform", self._transform, "batch"),
            "CommitTable": self._counted("commit", self._commit, "table"),
            "PrepareTable": self._counted("prepare", self._prepare, "table"),
            "BuildTable": self._counted("run", self._run, "chunk"),
            "PinSources": self._counted("pin", self._pin),
            "MaterializeFeatures": self._counted("features", self._features, "portion"),
            "PublishRun": self._counted("publish", self._publish),
        }
        return machine("hourly_etl", functions, hook=hook)

    def _counted(self, name: str, answer: Callable[[Any], Any], about: str = "") -> Callable[[Any], Any]:
        def call(payload: Any) -> Any:
            self.calls.append((name, payload))
            assert payload["runId"] == RUN
            if (name, payload.get(about)) in self.broken:
                raise TaskError("Runtime.HandlerError", f"{name} is broken")
            return answer(payload)

        return call

    def _plan(self, payload: Any) -> Any:
        if payload["looks"] < self.behind:
            return {"wait": 1, "looks": payload["looks"] + 1, "batches": [], "levels": [], "merges": 0}
        return {
            "wait": 0,
            "runId": RUN,
            "batches": list(range(self.batches)),
            "merges": self.merges,
            "levels": self.levels,
            "partitions": 0,
            "remaining": 0,
        }

    def _transform(self, payload: Any) -> Any:
        return {"parts": len(self.tables[payload["batch"]]), "failed": 0}

    def _commit(self, payload: Any) -> Any:
        if payload.get("list"):
            done = [payload["batch"] for name, payload in self.calls if name == "transform"]
            wanted = {batch for batch in done if ("transform", batch) not in self.broken}
            return {"tables": sorted({table for batch in wanted for table in self.tables[batch]})}
        self.landed.add(payload["table"])
        return {"table": payload["table"], "status": "committed", "rows": 1, "snapshot": 2**60}

    def _prepare(self, payload: Any) -> Any:
        table = payload["table"]
        # As prepare_table does: what an earlier level did not commit, skips what reads it.
        earlier = [one for level in self.levels for one in level][: self._index(table)]
        if any(one not in self.landed for one in earlier):
            return {"table": table, "status": "skipped", "chunks": []}
        return {"table": table, "status": "ready", "chunks": self.chunks.get(table, [0])}

    def _index(self, table: str) -> int:
        before = 0
        for level in self.levels:
            if table in level:
                return before
            before += len(level)
        raise AssertionError(table)

    def _run(self, payload: Any) -> Any:
        return {"table": payload["table"], "chunk": payload["chunk"], "status": "ok", "error": ""}

    def _pin(self, payload: Any) -> Any:
        if payload.get("of") == "silver":
            return {"files": 3}
        assert payload["mostPortions"] == 200
        return {"portions": list(range(len(self.orgs)))}

    def _features(self, payload: Any) -> Any:
        return {"asOf": "2026-11-21T10:06:00.000Z", "tenants": 1}

    def _publish(self, payload: Any) -> Any:
        wanted = {one for level in self.levels for one in level}
        wanted |= {table for batch in range(self.batches) for table in self.tables[batch]}
        batches = all(name != "transform" for name, _ in self.broken)
        return {"runId": RUN, "status": "done" if batches and wanted <= self.landed else "partly"}

    def called(self, name: str, about: str) -> list[Any]:
        return [payload[about] for called, payload in self.calls if called == name and about in payload]


def run(fakes: Fakes, given: dict[str, Any] | None = None, hook: Hook | None = None) -> Execution:
    return fakes.machine(hook).run(RUN, given)


def test_nothing_to_do_is_planned_and_published() -> None:
    fakes = Fakes()
    done = run(fakes)
    assert done.status == "SUCCEEDED"
    assert fakes.calls == [
        ("plan", {"runId": RUN, "refresh": ["hourly"], "silver": True, "mark": START, "looks": 0}),
        ("publish", {"runId": RUN}),
    ]


def test_the_plan_gets_what_the_run_was_started_with_and_nothing_else() -> None:
    fakes = Fakes()
    given = {"from": "2026-11-01", "to": "2026-11-02", "refresh": [], "silver": False, "request": "x"}
    run(fakes, {**given, "runId": "another"})
    del given["request"]
    assert fakes.calls[0] == ("plan", {**given, "runId": RUN, "mark": START, "looks": 0})


def test_while_the_archive_is_behind_the_run_waits_and_plans_by_the_same_mark() -> None:
    fakes = Fakes(batches=1)
    fakes.behind = 3
    given = {"from": "2026-11-01", "to": "2026-11-02", "refresh": []}
    done = run(fakes, given)
    assert done.status == "SUCCEEDED"
    assert done.states[1:10] == [*["Plan", "AnyBatches", "WaitForArchive"] * 3]
    plans = [payload for name, payload in fakes.calls if name == "plan"]
    assert plans == [{**given, "silver": True, "runId": RUN, "mark": START, "looks": n} for n in range(4)]
    assert fakes.called("transform", "batch") == [0]


def test_silver_is_pinned_before_days_are_merged_and_nothing_changes_where_it_cannot_be() -> None:
    fakes = Fakes(batches=1)
    fakes.merges = 2
    assert run(fakes).status == "SUCCEEDED"
    names = [name for name, _ in fakes.calls]
    assert names[:3] == ["plan", "pin", "transform"]
    assert fakes.calls[1] == ("pin", {"runId": RUN, "of": "silver"})
    broken = Fakes(batches=1)
    broken.merges = 2
    broken.broken.add(("pin", None))
    execution = run(broken)
    assert execution.status == "FAILED"
    assert {name for name, _ in broken.calls} == {"plan", "pin"}


def test_two_batches_each_table_once_tables_level_by_level() -> None:
    fakes = Fakes(batches=2, levels=[["gold.a", "marts.b"], ["marts.c"]])
    fakes.chunks = {"gold.a": [0, 1, 2], "marts.b": [0]}
    assert run(fakes).status == "SUCCEEDED"
    assert fakes.called("transform", "batch") == [0, 1]
    assert fakes.called("commit", "table") == [A, B, "gold.a", "marts.b", "marts.c"]
    assert fakes.called("prepare", "table") == ["gold.a", "marts.b", "marts.c"]
    assert [(p["table"], p["chunk"]) for name, p in fakes.calls if name == "run"] == [
        ("gold.a", 0),
        ("gold.a", 1),
        ("gold.a", 2),
        ("marts.b", 0),
        ("marts.c", 0),
    ]
    assert fakes.calls[-1] == ("publish", {"runId": RUN})


def test_a_single_table_of_a_single_level_is_no_text() -> None:
    fakes = Fakes(batches=1, levels=[["gold.a"]])
    assert run(fakes).status == "SUCCEEDED"
    assert fakes.called("prepare", "table") == ["gold.a"]


def test_a_table_that_stands_as_it_is_is_neither_run_nor_committed() -> None:
    fakes = Fakes(levels=[["gold.a"]])
    fakes._prepare = lambda payload: {"table": "gold.a", "status": "unchanged", "chunks": []}  # type: ignore[method-assign]
    fakes.landed = {"gold.a"}
    assert run(fakes).status == "SUCCEEDED"
    assert not fakes.called("run", "table")
    assert not fakes.called("commit", "table")


@pytest.mark.parametrize(
    ("broken", "committed"),
    [
        (("transform", 0), [A, B, "gold.a", "marts.c"]),
        (("transform", 1), [A, "gold.a", "marts.c"]),
        (("commit", A), [A, A, A, B, "gold.a", "marts.c"]),
        (("run", 0), [A, B, "gold.a", "marts.c"]),
    ],
)
def test_what_fails_for_good_leaves_the_rest_alone(broken: tuple[str, Any], committed: list[str]) -> None:
    fakes = Fakes(batches=2, levels=[["gold.a"], ["marts.c"]])
    fakes.broken = {broken}
    done = run(fakes)
    assert fakes.called("commit", "table") == committed
    assert fakes.calls[-1] == ("publish", {"runId": RUN})
    if broken[0] == "run":
        assert done.status == "SUCCEEDED", "only the commit knows what a missing chunk means"
    else:
        assert done.error == "Millrace.RunIncomplete"
        assert done.cause == (
            f"The run {RUN} ended partly; runs/{RUN}/summary.json in the lake names what was not committed and why."
        )


@pytest.mark.parametrize("step", ["prepare", "commit"])
def test_what_reads_a_failed_table_is_skipped(step: str) -> None:
    fakes = Fakes(levels=[["gold.a"], ["marts.c"]])
    fakes.broken = {(step, "gold.a")}
    assert run(fakes).status == "FAILED"
    assert fakes.called("prepare", "table")[-1] == "marts.c"
    assert fakes.called("run", "table") == ([] if step == "prepare" else ["gold.a"])
    assert "marts.c" not in fakes.landed
    assert fakes.calls[-1][0] == "publish"


@pytest.mark.parametrize(
    ("step", "sentence"),
    [("plan", "could not be planned, and nothing has changed"), ("publish", "could not be published")],
)
def test_without_plan_or_summary_the_run_fails_by_name(step: str, sentence: str) -> None:
    fakes = Fakes(batches=1)
    fakes.broken = {(step, None)}
    done = run(fakes)
    assert done.status == "FAILED"
    assert done.cause.startswith(f"The run {RUN} {sentence}")
    assert f"{step} is broken" in done.cause
    assert len(fakes.called(step, "runId")) == (3 if step == "plan" else 5)


@pytest.mark.parametrize("when", ["before", "after"])
def test_every_call_may_fail_once_and_the_end_is_the_same(when: str) -> None:
    def hook(call: Call) -> None:
        if call.attempt == 0 and call.when == when:
            raise TaskError("Lambda.TooManyRequestsException", "busy")

    fakes = Fakes(batches=2, levels=[["gold.a"], ["marts.c"]])
    assert run(fakes, hook=hook).status == "SUCCEEDED"
    assert fakes.landed == {A, B, "gold.a", "marts.c"}


def test_a_run_that_is_ended_in_the_middle_calls_nothing_more() -> None:
    def hook(call: Call) -> None:
        if call.state == "CommitTable":
            raise Killed

    fakes = Fakes(batches=1)
    assert run(fakes, hook=hook).status == "ABORTED"
    assert [name for name, _ in fakes.calls] == ["plan", "transform", "commit"], (
        "the last one lists the tables"
    )


def test_a_nested_execution_that_is_lost_is_repeated_under_a_name_of_its_own() -> None:
    def hook(call: Call) -> None:
        if call.state in ("TransformBatches", "RefreshTable") and (call.attempt, call.when) == (0, "after"):
            raise TaskError("States.TaskFailed", "lost")

    fakes = Fakes(batches=1, levels=[["gold.a"], ["marts.b", "marts.c"]])
    hourly = fakes.machine(hook)
    assert hourly.run(RUN).status == "SUCCEEDED"
    children = {name: list(child.executions) for name, child in hourly.children.items()}
    assert children == {
        "RawToSilverMachine": [f"{RUN}-0", f"{RUN}-1"],
        "RefreshTableMachine": [
            f"{RUN}-{place}-{attempt}" for place in ("0-0", "1-0", "1-1") for attempt in (0, 1)
        ],
    }


def test_silver_whose_batches_could_not_be_run_is_committed_as_far_as_it_is() -> None:
    def hook(call: Call) -> None:
        if (call.state, call.when) == ("TransformBatches", "after"):
            raise TaskError("States.Timeout", "it took too long")

    fakes = Fakes(batches=1, levels=[["gold.a"]])
    assert run(fakes, hook=hook).status == "SUCCEEDED"
    assert fakes.called("commit", "table") == [A, "gold.a"]


def test_features_follow_the_tables_in_portions_of_the_tenants() -> None:
    fakes = Fakes(levels=[["gold.a"]])
    fakes.orgs = ["org_a", "org_b"]
    assert run(fakes).status == "SUCCEEDED"
    assert fakes.calls[-4:] == [
        ("pin", {"runId": RUN, "mostPortions": 200}),
        ("features", {"runId": RUN, "portion": 0, "portions": 2}),
        ("features", {"runId": RUN, "portion": 1, "portions": 2}),
        ("publish", {"runId": RUN}),
    ]


@pytest.mark.parametrize("orgs", [[], ["org_a"]])
def test_none_and_one_tenant_are_lists_too(orgs: list[str]) -> None:
    fakes = Fakes(levels=[["gold.a"]])
    fakes.orgs = orgs
    assert run(fakes).status == "SUCCEEDED"
    assert fakes.called("features", "portion") == list(range(len(orgs)))


def test_a_run_that_makes_no_table_leaves_the_features_alone() -> None:
    fakes = Fakes(batches=1)
    fakes.orgs = ["org_a"]
    assert run(fakes).status == "SUCCEEDED"
    assert not fakes.called("pin", "runId")


def test_a_portion_whose_features_fail_stops_no_other() -> None:
    fakes = Fakes(levels=[["gold.a"]])
    fakes.orgs = ["org_a", "org_b", "org_c"]
    fakes.broken = {("features", 1)}
    assert run(fakes).status == "SUCCEEDED", "only publish knows what a missing document means"
    assert fakes.called("features", "portion") == [0, 1, 1, 1, 2]
    assert fakes.calls[-1] == ("publish", {"runId": RUN})


def test_sources_that_cannot_be_pinned_are_told_to_publish() -> None:
    fakes = Fakes(levels=[["gold.a"]])
    fakes.broken = {("pin", None)}
    run(fakes)
    assert not fakes.called("features", "portion")
    name, payload = fakes.calls[-1]
    assert (name, payload["runId"]) == ("publish", RUN)
    assert "pin is broken" in payload["unpinned"]
