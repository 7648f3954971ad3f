"""The in-process state machine does what the language says, so that what runs on it means something."""

from typing import Any

import pytest

from tests.support.state_machine import (
    CHILD,
    LAMBDA,
    Call,
    Killed,
    StateMachine,
)
from tests.support.state_values import TaskError, evaluate


def machine(states: dict[str, Any], **functions: Any) -> StateMachine:
    return StateMachine(
        {"QueryLanguage": "JSONata", "StartAt": next(iter(states)), "States": states}, functions
    )


def task(**more: Any) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": LAMBDA,
        "Arguments": {"FunctionName": "${F}", "Payload": "{% $states.input %}"},
        "Output": "{% $states.result.Payload %}",
        **({} if "Next" in more else {"End": True}),
        **more,
    }


class Flaky:
    """Fails so many times, then answers what it was given."""

    def __init__(self, times: int, error: str = "ValueError") -> None:
        self.left, self.error, self.seen = times, error, list[Any]()

    def __call__(self, payload: Any) -> Any:
        self.seen.append(payload)
        if self.left:
            self.left -= 1
            raise TaskError(self.error, "as told")
        return payload


def test_a_task_answers_and_ends() -> None:
    done = machine({"A": task()}, F=lambda payload: {"got": payload}).run("one", {"x": 1})
    assert (done.status, done.output, done.states) == ("SUCCEEDED", {"got": {"x": 1}}, ["A"])


@pytest.mark.parametrize(("failures", "status", "calls"), [(2, "SUCCEEDED", 3), (3, "FAILED", 3)])
def test_retries_are_bounded(failures: int, status: str, calls: int) -> None:
    retry = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2}]
    flaky = Flaky(failures)
    assert machine({"A": task(Retry=retry)}, F=flaky).run("one").status == status
    assert len(flaky.seen) == calls


def test_the_first_retrier_that_matches_decides_and_counts_for_itself() -> None:
    retry = [
        {"ErrorEquals": ["Lambda.ServiceException"], "MaxAttempts": 1},
        {"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 5},
    ]
    flaky = Flaky(2, "Lambda.ServiceException")
    assert machine({"A": task(Retry=retry)}, F=flaky).run("one").error == "Lambda.ServiceException"
    assert len(flaky.seen) == 2


def test_a_timeout_is_no_failed_task() -> None:
    retry = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 5}]
    assert machine({"A": task(Retry=retry)}, F=Flaky(1, "States.Timeout")).run("one").status == "FAILED"


def test_a_catch_hands_the_error_on() -> None:
    catch = [
        {"ErrorEquals": ["States.ALL"], "Output": {"why": "{% $states.errorOutput.Error %}"}, "Next": "B"}
    ]
    states = {"A": task(Catch=catch), "B": {"Type": "Pass", "End": True}}
    done = machine(states, F=Flaky(1)).run("one")
    assert (done.status, done.output, done.states) == ("SUCCEEDED", {"why": "ValueError"}, ["A", "B"])


def test_an_exception_of_a_function_is_an_error_by_its_class() -> None:
    def broken(payload: Any) -> Any:
        raise LookupError("gone")

    done = machine({"A": task()}, F=broken).run("one")
    assert (done.error, done.cause) == ("LookupError", '{"errorMessage": "gone"}')


def test_variables_are_seen_inside_a_map_and_those_of_an_item_stay_there() -> None:
    states = {
        "Set": {"Type": "Pass", "Assign": {"n": 1}, "Next": "Each"},
        "Each": {
            "Type": "Map",
            "Items": "{% [10, 20] %}",
            "MaxConcurrency": "{% ${MaxConcurrency} %}",
            "ItemSelector": {"at": "{% $states.context.Map.Item.Index + $n %}"},
            "ItemProcessor": {
                "StartAt": "In",
                "States": {"In": {"Type": "Pass", "Assign": {"own": 1}, "End": True}},
            },
            "Assign": {"n": "{% $n + 1 %}"},
            "Output": {"before": "{% $n %}", "items": "{% $states.result %}"},
            "Next": "After",
        },
        "After": {
            "Type": "Pass",
            "Output": "{% [$states.input.items.at, $states.input.before, $n, $exists($own)] %}",
            "End": True,
        },
    }
    assert machine(states).run("one").output == [1, 2, 1, 2, False]


def test_one_failed_item_fails_the_map_unless_it_is_caught() -> None:
    each = {
        "Type": "Map",
        "Items": "{% [1, 2] %}",
        "ItemProcessor": {"StartAt": "A", "States": {"A": task()}},
        "End": True,
    }
    assert machine({"Each": each}, F=Flaky(1)).run("one").status == "FAILED"
    catch = [{"ErrorEquals": ["States.ALL"], "Output": {}, "Next": "End"}]
    done = machine({"Each": {**each, "Catch": catch}, "End": {"Type": "Succeed"}}, F=Flaky(1)).run("one")
    assert done.status == "SUCCEEDED"


def test_choices_and_ends() -> None:
    states = {
        "Which": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input.n > 1 %}", "Next": "Many"}],
            "Default": "Few",
        },
        "Many": {"Type": "Succeed"},
        "Few": {"Type": "Fail", "Error": "Few", "Cause": "{% 'only ' & $states.input.n %}"},
    }
    assert machine(states).run("a", {"n": 2}).status == "SUCCEEDED"
    failed = machine(states).run("b", {"n": 1})
    assert (failed.status, failed.error, failed.cause) == ("FAILED", "Few", "only 1")


def test_what_gives_nothing_is_an_error_and_null_is_something() -> None:
    with pytest.raises(TaskError, match=r"States.QueryEvaluationError"):
        evaluate("$states.input.gone", {"states": {"input": {}}})
    assert evaluate("$states.input.none", {"states": {"input": {"none": None}}}) is None
    with pytest.raises(TaskError, match=r"States.QueryEvaluationError"):
        evaluate("1 +", {})


def test_a_name_is_used_once_and_a_child_that_fails_fails_its_task() -> None:
    child = machine({"A": task()}, F=Flaky(1))
    states = {
        "Run": {
            "Type": "Task",
            "Resource": CHILD,
            "Arguments": {
                "StateMachineArn": "${Child}",
                "Name": "{% 'c-' & $string($states.context.State.RetryCount) %}",
                "Input": {},
            },
            "Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}],
            "Output": "{% $states.result.Name %}",
            "End": True,
        }
    }
    asl = {"QueryLanguage": "JSONata", "StartAt": "Run", "States": states}
    parent = StateMachine(asl, {}, children={"Child": child})
    assert parent.run("p").output == "c-1"
    assert [one.status for one in child.executions.values()] == ["FAILED", "SUCCEEDED"]
    with pytest.raises(TaskError, match="AlreadyExists"):
        parent.run("p")


@pytest.mark.parametrize(
    ("when", "done", "status"),
    [("before", 0, "SUCCEEDED"), ("after", 1, "SUCCEEDED"), ("kill", 0, "ABORTED")],
)
def test_a_hook_fails_a_call_before_or_after_its_work_or_ends_everything(
    when: str, done: int, status: str
) -> None:
    calls: list[Any] = []

    def hook(call: Call) -> None:
        if call.attempt == 0 and call.when == "before" and when == "kill":
            raise Killed
        if call.attempt == 0 and call.when == when:
            assert len(calls) == done
            raise TaskError("Lambda.Unknown", "lost")

    retry = [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 1}]
    catch = [{"ErrorEquals": ["States.ALL"], "Next": "End"}]
    states = {"A": task(Retry=retry, Catch=catch), "End": {"Type": "Succeed"}}
    asl = {"QueryLanguage": "JSONata", "StartAt": "A", "States": states}
    ended = StateMachine(asl, {"F": calls.append}, hook=hook).run("one")
    assert ended.status == status
    assert len(calls) == (0 if when == "kill" else done + 1)
