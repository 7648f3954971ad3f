"""Backfill and maintenance: what runs, what is said of what did not, and that a backfill goes on where it stopped."""

from typing import Any

from millrace.core.objects import Objects
from millrace.runs import backfill
from millrace.runs.backfill_store import plan_backfill
from millrace.runs.store import RunStore
from stacks.asl import definition
from tests.support.state_machine import StateMachine
from tests.support.state_values import TaskError
from tests.support.stores import MemoryS3

NAME = "backfill-20261101_20261103"
GIVEN = {"from": "2026-11-01", "to": "2026-11-03", "request": "x"}


class Lake:
    """Runs that remember whether they were done, and days that break."""

    def __init__(self) -> None:
        self.plans: dict[str, backfill.BackfillPlan] = {}
        self.broken: set[str] = set()
        self.runs: list[tuple[str, dict[str, Any]]] = []
        self.done: set[str] = set()
        self.hourly = StateMachine(
            definition("hourly_etl"), {"PlanRun": self._plan_run, "PublishRun": self._publish}
        )
        self.machine = StateMachine(
            definition("backfill"), {"PlanBackfill": self._plan}, children={"HourlyEtlMachine": self.hourly}
        )

    def _plan(self, payload: dict[str, Any]) -> Any:
        run = payload["runId"]
        earlier = list(self.plans.values())[-1] if self.plans else None
        self.plans[run] = backfill.plan(run, payload["from"], payload["to"], earlier, self.done.__contains__)
        return self.plans[run].answer()

    def _plan_run(self, payload: dict[str, Any]) -> Any:
        self.runs.append((payload.pop("runId"), payload))
        assert payload.pop("mark")
        assert payload.pop("looks") == 0
        return {"wait": 0, "batches": [], "levels": []}

    def _publish(self, payload: dict[str, Any]) -> Any:
        day = next(given["from"] for name, given in self.runs if name == payload["runId"])
        if day in self.broken:
            return {"status": "partly"}
        self.done.add(payload["runId"])
        return {"status": "done"}


def test_each_day_once_then_the_tables_once() -> None:
    lake = Lake()
    assert lake.machine.run(f"{NAME}-1", GIVEN).status == "SUCCEEDED"
    days: list[dict[str, Any]] = [
        {"from": day, "to": day, "refresh": [], "silver": True}
        for day in ("2026-11-01", "2026-11-02", "2026-11-03")
    ]
    tables = {"from": "2026-11-01", "to": "2026-11-03", "refresh": ["hourly", "daily"], "silver": False}
    assert [given for _, given in lake.runs] == [*days, tables]


def test_it_goes_on_where_it_stopped_and_names_the_days_that_did_not() -> None:
    lake = Lake()
    lake.broken = {"2026-11-02"}
    failed = lake.machine.run(f"{NAME}-1", GIVEN)
    assert failed.error == "Millrace.DaysMissing"
    assert failed.cause == (
        f"The backfill {NAME}-1 did not do 2026-11-02; started again it does these days only."
    )
    assert [name for name, given in lake.runs if given["from"] == "2026-11-02"] == [
        f"hourly_etl-20261102-20261101_20261103-1-{attempt}" for attempt in (1, 2, 3)
    ]
    lake.broken, lake.runs = set(), []
    assert lake.machine.run(f"{NAME}-2", GIVEN).status == "SUCCEEDED"
    assert [name for name, _ in lake.runs] == [
        "hourly_etl-20261102-20261101_20261103-1-4",
        "hourly_etl-tables-20261101_20261103-1-4",
    ]


def test_tables_that_did_not_end_well_fail_the_backfill_by_name() -> None:
    lake = Lake()
    lake.broken = {"2026-11-01"}
    failed = lake.machine.run(f"{NAME}-1", GIVEN)
    # The run over the tables begins at the same day here.
    assert failed.error == "Millrace.TablesIncomplete"
    assert "hourly_etl-tables-20261101_20261103-1" in failed.cause


def test_a_backfill_without_a_plan_says_so() -> None:
    failed = Lake().machine.run("by-hand", GIVEN)
    assert failed.error == "Millrace.NotPlanned"
    assert "not a valid name of a backfill" in failed.cause


def test_maintenance_leaves_no_table_out_because_of_another() -> None:
    seen = []

    def maintain(payload: dict[str, Any]) -> Any:
        if payload.get("list"):
            return {"tables": ["silver.a", "silver.b", "marts.c"]}
        seen.append(payload["table"])
        if payload["table"] == "silver.b":
            raise TaskError("Runtime.HandlerError", "broken")
        return {"table": payload["table"], "expired": 1}

    failed = StateMachine(definition("maintenance"), {"MaintainTable": maintain}).run(
        "maintenance-20261121-1"
    )
    assert seen == ["silver.a", "silver.b", "silver.b", "silver.b", "marts.c"]
    assert failed.cause == "The maintenance maintenance-20261121-1 failed for silver.b."
    fine = StateMachine(definition("maintenance"), {"MaintainTable": lambda payload: {"tables": []}})
    assert fine.run("maintenance-20261121-1").status == "SUCCEEDED"


def test_an_attempt_after_one_of_an_earlier_version_does_all_days() -> None:
    """That one kept its plan under other names of fields."""
    s3 = MemoryS3()
    store = RunStore(Objects(s3, "lake"))
    plan_backfill(store, f"{NAME}-1", "2026-11-01", "2026-11-03")
    (key,) = s3.objects
    s3.objects[key] = s3.objects[key].replace(b'"tables":', b'"models":')
    repeated = plan_backfill(store, f"{NAME}-2", "2026-11-01", "2026-11-03")
    assert [one.first for one in repeated.days] == ["2026-11-01", "2026-11-02", "2026-11-03"]


def test_a_seal_goes_on_while_days_are_left_and_one_portion_stops_no_other() -> None:
    calls: list[int] = []

    def pin(payload: dict[str, Any]) -> Any:
        assert payload["of"] == "aggregates"
        return {"portions": [0, 1]}

    def seal(payload: dict[str, Any]) -> Any:
        calls.append(payload["portion"])
        if payload["portion"] == 0:
            raise TaskError("Runtime.HandlerError", "broken")
        return {"sealed": 3, "left": 2 - calls.count(1)}

    functions: dict[str, Any] = {"PinSources": pin, "SealTiles": seal}
    failed = StateMachine(definition("seal_tiles"), functions).run("seal_tiles-20261121-1")
    assert failed.error == "Millrace.NotSealed"
    assert calls == [0, 0, 0, 1, 1]
    functions["SealTiles"] = lambda _: {"sealed": 0, "left": 5}
    # Nothing that could be sealed is left: the next day's run looks again.
    assert (
        StateMachine(definition("seal_tiles"), functions).run("seal_tiles-20261122-1").status == "SUCCEEDED"
    )
