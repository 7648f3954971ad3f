"""Names of executions, who may start beside whom, and what a backfill still has to do."""

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.errors import PermanentError, RetryableError
from millrace.runs import backfill
from millrace.runs import start as starts
from millrace.runs.interval import days
from millrace.runs.names import LONGEST, Machine, in_the_way, interval, named, next_attempt, parse

NOW = datetime(2026, 11, 21, 10, 5, tzinfo=UTC)
ARN = "arn:aws:states:us-east-1:000000000000:stateMachine:etl"
# Step Functions logs no execution whose name has anything else.
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
LOGGED = re.compile(r"[A-Za-z0-9_-]+")


@pytest.mark.parametrize(
    ("machine", "given_", "wanted"),
    [
        ("hourly_etl", {}, "20261121T10"),
        ("hourly_etl", {"refresh": ["hourly"]}, "20261121T10"),
        ("hourly_etl", {"refresh": ["hourly", "daily"]}, "20261121"),
        ("hourly_etl", {"from": "2026-11-01", "to": "2026-11-03"}, "20261101_20261103"),
        ("backfill", {"from": "2026-11-01", "to": "2026-11-01"}, "20261101_20261101"),
        ("maintenance", {}, "20261121"),
        ("seal_tiles", {}, "20261121"),
        ("train_model", {}, "20261121"),
        ("train_model", {"org": "org_acme"}, "org_acme-20261121"),
    ],
)
def test_an_interval_is_the_hour_the_day_or_the_days(
    machine: Machine, given_: dict[str, Any], wanted: str
) -> None:
    assert interval(machine, given_, NOW) == wanted
    eastern = timezone(timedelta(hours=-5))
    assert interval(machine, given_, NOW.astimezone(eastern)) == wanted


@pytest.mark.parametrize(
    "given_",
    [
        {"from": "2026-11-01"},
        {"to": "2026-11-01"},
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "yesterday", "to": "2026-11-01"},
        {"from": "20261101", "to": "20261102"},
        {"from": 1, "to": 2},
    ],
)
def test_what_is_no_interval_is_refused(given_: dict[str, Any]) -> None:
    with pytest.raises(PermanentError):
        interval("hourly_etl", given_, NOW)
    with pytest.raises(PermanentError, match="needs from and to"):
        interval("backfill", {}, NOW)


@given(
    st.sampled_from(["hourly_etl", "backfill", "maintenance", "seal_tiles", "train_model"]),
    st.text(max_size=90),
    st.integers(-2, 10**6),
)
def test_a_name_is_one_that_step_functions_takes_and_says_what_it_was_made_of(
    machine: Machine, text: str, attempt: int
) -> None:
    try:
        name = named(machine, text, attempt)
    except PermanentError:
        return
    assert len(str(name)) <= LONGEST
    assert not set(str(name)) & set(' <>{}[]?*"#%\\^|~`$&,;:/')
    assert parse(str(name)) == name


def test_other_names_say_nothing() -> None:
    for text in (
        "hourly_etl",
        "hourly_etl-20261121T10",
        "hourly_etl-20261121T10-0",
        "etl-1-1",
        "a b-1-1",
        "",
    ):
        assert parse(text) is None


def test_attempts_go_up_for_each_interval() -> None:
    names = ["hourly_etl-20261121T10-1", "hourly_etl-20261121T10-12", "hourly_etl-20261121T11-40", "by hand"]
    assert next_attempt(names, "hourly_etl-20261121T10") == 13
    assert next_attempt(names, "hourly_etl-20261121T09") == 1


@pytest.mark.parametrize(
    ("running", "wanted", "blocked"),
    [
        ("hourly_etl-20261121T10-1", "20261121T10", True),
        ("hourly_etl-20261121T09-3", "20261121T10", True),
        ("hourly_etl-20261121-1", "20261121T10", True),
        ("hourly_etl-20261121T10-1", "20261121", False),
        ("hourly_etl-20261120-1", "20261121", True),
        ("hourly_etl-20261101_20261102-1", "20261121T10", False),
        ("hourly_etl-20261101_20261102-1", "20261101_20261102", True),
        ("hourly_etl-20261101_20261102-1", "20261101_20261103", False),
        ("maintenance-20261121T10-1", "20261121T10", False),
        ("by hand", "20261121T10", False),
    ],
)
def test_who_is_in_the_way(running: str, wanted: str, blocked: bool) -> None:
    assert in_the_way([running], named("hourly_etl", wanted, 9)) == (running if blocked else None)


class States:
    """Step Functions by its names: what runs, what has ended, and somebody else who starts in between."""

    def __init__(self, running: tuple[str, ...] = (), ended: tuple[str, ...] = ()) -> None:
        self.running, self.ended = list(running), list(ended)
        self.quicker: str | None = None
        self.inputs: list[str] = []
        self.hidden = False

    def list_executions(self, **request: Any) -> dict[str, Any]:
        if request.get("statusFilter") == "RUNNING":
            half = int(request.get("nextToken", 0))
            page = [{"name": name} for name in self.running[half : half + 1]]
            return {"executions": page, **({"nextToken": str(half + 1)} if self.running[half + 1 :] else {})}
        known = [] if self.hidden else [*self.running, *self.ended]
        return {"executions": [{"name": name} for name in known]}

    def start_execution(self, **request: str) -> dict[str, Any]:
        name = request["name"]
        if self.quicker is not None:
            self.running.append(self.quicker)
            self.quicker = None
        if name in self.running or name in self.ended:
            raise ClientError({"Error": {"Code": "ExecutionAlreadyExists"}}, "StartExecution")
        self.running.append(name)
        self.inputs.append(request["input"])
        return {"executionArn": starts.execution_arn(request["stateMachineArn"], name)}


def start(states: States, given_: dict[str, Any] | None = None) -> starts.Started:
    return starts.start(states, ARN, "hourly_etl", given_ or {}, NOW)


def test_the_next_free_name_is_started() -> None:
    states = States(ended=("hourly_etl-20261121T10-1", "hourly_etl-20261121T09-7"))
    started = start(states)
    assert started == starts.Started(
        True,
        "hourly_etl-20261121T10-2",
        "arn:aws:states:us-east-1:000000000000:execution:etl:hourly_etl-20261121T10-2",
    )


def test_names_that_are_too_old_to_be_listed_are_passed_over() -> None:
    states = States(ended=("hourly_etl-20261121T10-1", "hourly_etl-20261121T10-2"))
    states.hidden = True
    assert start(states).run_id == "hourly_etl-20261121T10-3"


def test_nothing_is_started_beside_a_run_of_the_interval() -> None:
    states = States(running=("hourly_etl-20261101_20261101-1", "hourly_etl-20261121T10-4"))
    started = start(states)
    assert (started.started, started.run_id) == (False, "hourly_etl-20261121T10-4")
    assert not states.inputs


def test_of_two_at_once_one_starts() -> None:
    states = States()
    states.quicker = "hourly_etl-20261121T10-1"
    started = start(states)
    assert (started.started, started.run_id) == (False, "hourly_etl-20261121T10-1")


def test_no_two_inputs_are_the_same() -> None:
    first, second = States(), States()
    start(first)
    start(second)
    assert first.inputs != second.inputs, (
        "the same name with the same input counts as one start while it runs"
    )


def test_a_service_that_does_not_answer_is_worth_another_try() -> None:
    class Down(States):
        def list_executions(self, **request: Any) -> dict[str, Any]:
            raise ClientError({"Error": {"Code": "InternalFailure"}}, "ListExecutions")

    with pytest.raises(RetryableError):
        start(Down())


FIRST, LAST = "2026-11-01", "2026-11-03"
NAME = "backfill-20261101_20261103"


def planned(
    attempt: int, earlier: backfill.BackfillPlan | None, *ended: str
) -> tuple[backfill.BackfillPlan, list[str]]:
    made = backfill.plan(f"{NAME}-{attempt}", FIRST, LAST, earlier, lambda name: name in ended)
    return made, [f"{one.name}-{one.attempt}" for one in (*made.days, made.tables)]


def child(what: str, root: int, attempt: int) -> str:
    return f"hourly_etl-{what}-20261101_20261103-{root}-{attempt}"


def test_a_backfill_runs_each_day_and_then_the_tables() -> None:
    made, names = planned(1, None)
    assert names == [child(what, 1, 1) for what in ("20261101", "20261102", "20261103", "tables")]
    assert made.answer()["tables"] == {
        "name": "hourly_etl-tables-20261101_20261103-1",
        "attempt": 1,
        "from": FIRST,
        "to": LAST,
    }
    assert [day["day"] for day in made.answer()["days"]] == ["2026-11-01", "2026-11-02", "2026-11-03"]


def test_started_again_it_does_what_is_missing() -> None:
    first, _ = planned(1, None)
    ended = (child("20261101", 1, 2), child("20261103", 1, 1))
    second, names = planned(2, first, *ended)
    assert names == [child("20261102", 1, 4), child("tables", 1, 4)]
    assert [one.first for one in second.done] == ["2026-11-01", "2026-11-03"]
    third, names = planned(3, second, *ended, child("20261102", 1, 5))
    assert names == [child("tables", 1, 7)]
    assert third.days == ()


def test_a_backfill_that_was_done_is_done_anew() -> None:
    first, _ = planned(1, None)
    ended = [child(what, 1, 1) for what in ("20261101", "20261102", "20261103", "tables")]
    _, names = planned(2, first, *ended)
    assert names == [child(what, 2, 1) for what in ("20261101", "20261102", "20261103", "tables")]


def test_an_interval_has_an_end_and_the_longest_fits_a_name() -> None:
    with pytest.raises(PermanentError, match="takes 400 at most"):
        backfill.plan(f"{NAME}-1", "2020-01-01", "2026-01-01", None, bool)
    longest = backfill.plan("backfill-20250101_20260204-1", "2025-01-01", "2026-02-04", None, bool)
    assert len(longest.days) == len(days(longest.tables.first, longest.tables.last) or ()) == 400
    with pytest.raises(PermanentError, match="not a valid name of a backfill"):
        backfill.plan("hourly_etl-20261121T10-1", FIRST, LAST, None, bool)
    made = backfill.plan(f"{NAME}-999999", FIRST, LAST, None, bool)
    assert all(len(f"{one.name}-99999") < LONGEST for one in (*made.days, made.tables))
    assert all(LOGGED.fullmatch(one.name) for one in (*made.days, made.tables))


def test_a_trainings_name_holds_its_tenant_however_long_that_is() -> None:
    found = {}
    for org in ("a", "my-org-1", "a--b-", "org_" + "x" * 59, "org_" + "x" * 58 + "y"):
        name = named("train_model", interval("train_model", {"org": org}, NOW), 12)
        assert parse(str(name)) == name
        assert len(str(name)) <= 80
        assert LOGGED.fullmatch(str(name))
        found[org] = str(name)
    assert found["my-org-1"] == "train_model-my-org-1-20261121-12"
    assert len(set(found.values())) == 5


def test_a_tenants_training_is_in_nobody_elses_way() -> None:
    running = ["train_model-org_acme-20261121-1"]
    assert in_the_way(running, named("train_model", "org_acme-20261121", 2)) == running[0]
    assert in_the_way(running, named("train_model", "org_globex-20261121", 1)) is None
    assert in_the_way(running, named("train_model", "20261121", 1)) is None
