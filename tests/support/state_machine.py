"""Runs a state machine in process: the part of the Amazon States Language that `state_machines/` uses, in JSONata.

Written from https://states-language.net/spec.html and
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html. Waits take no time, a Map's items run one
after the other, and a function is whatever callable stands for it. A test watches every call of a task through a hook
that may fail it before its function ran, fail it after (so that the answer is lost and the work is done), or end the
whole execution there, as if the service had stopped.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from tests.support.state_values import Scope, TaskError, filled

LAMBDA = "arn:aws:states:::lambda:invoke"
CHILD = "arn:aws:states:::states:startExecution.sync:2"
# An end that no file of ours comes near: a loop that does not end is a fault of the file.
MOST_STATES = 10_000
# When an execution starts, as the service writes it. Before anything that a test sends: it waits for nothing.
START = "2020-01-01T00:00:00.000Z"

Function = Callable[[Any], Any]


class Killed(BaseException):
    """Raised by a hook: the execution ends where it is, and nothing of it is retried or caught."""


@dataclass(frozen=True, slots=True)
class Call:
    """One attempt of a task. `name`: the placeholder of its function or machine; `attempt` counts from 0."""

    state: str
    name: str
    payload: Any
    attempt: int
    when: Literal["before", "after"]


Hook = Callable[[Call], None]


@dataclass(slots=True)
class Execution:
    """How an execution ended, and the states it went through, those of Maps included."""

    name: str
    status: Literal["SUCCEEDED", "FAILED", "ABORTED"] = "FAILED"
    output: Any = None
    error: str = ""
    cause: str = ""
    states: list[str] = field(default_factory=list)
    calls: list[tuple[str, Any]] = field(default_factory=list)


class StateMachine:
    """A machine over callables.

    Args:
        asl: its definition from `stacks.asl`, with `${…}` placeholders for functions and machines.
        functions: what each placeholder of a function calls, with the payload.
        children: what each placeholder of a machine starts.
        values: what stands for the other placeholders, such as `MaxConcurrency`.
        hook: sees every call before and after.
    """

    def __init__(
        self,
        asl: Mapping[str, Any],
        functions: Mapping[str, Function],
        *,
        children: "Mapping[str, StateMachine] | None" = None,
        values: Mapping[str, str] | None = None,
        hook: Hook | None = None,
    ) -> None:
        text = json.dumps(asl)
        for name, value in {"MaxConcurrency": "2", "CaptureSeconds": "10", **(values or {})}.items():
            text = text.replace(f"${{{name}}}", value)
        self._asl: dict[str, Any] = json.loads(text)
        self._functions, self.children, self._hook = functions, children or {}, hook
        self.executions: dict[str, Execution] = {}

    def run(self, name: str, given: Any = None) -> Execution:
        """Runs an execution to its end.

        Raises:
            TaskError: the name was used before (`StepFunctions.ExecutionAlreadyExistsException`).
        """
        if name in self.executions:
            raise TaskError("StepFunctions.ExecutionAlreadyExistsException", name)
        execution = self.executions[name] = Execution(name)
        about = {"Name": name, "Input": given or {}, "StartTime": START}
        scope = Scope({"Execution": about}, {})
        try:
            execution.output = self._machine(self._asl, given or {}, scope, execution)
            execution.status = "SUCCEEDED"
        except TaskError as error:
            execution.error, execution.cause = error.error, error.cause
        except Killed:
            execution.status = "ABORTED"
        return execution

    def _machine(self, asl: Mapping[str, Any], given: Any, scope: Scope, execution: Execution) -> Any:
        name: str | None = asl["StartAt"]
        while name is not None:
            execution.states.append(name)
            if len(execution.states) > MOST_STATES:
                raise AssertionError(f"{execution.name} does not end")
            given, name = self._state(name, asl["States"][name], given, scope, execution)
        return given

    def _state(
        self, name: str, state: Mapping[str, Any], given: Any, scope: Scope, execution: Execution
    ) -> tuple[Any, str | None]:
        match state["Type"]:
            case "Succeed":
                return filled(state.get("Output", given), scope, given), None
            case "Fail":
                raise TaskError(filled(state["Error"], scope, given), filled(state["Cause"], scope, given))
            case "Choice":
                for choice in state["Choices"]:
                    if filled(choice["Condition"], scope, given) is True:
                        return given, choice["Next"]
                return given, state["Default"]
            case "Wait":
                seconds = filled(state["Seconds"], scope, given)
                if not isinstance(seconds, int) or seconds < 0:
                    raise TaskError(
                        "States.QueryEvaluationError", f"Seconds is not a whole number: {seconds!r}"
                    )
                return self._finished(state, given, scope, given)
            case "Pass":
                return self._finished(state, given, scope, given)
            case "Task":
                return self._with_retries(
                    state,
                    given,
                    scope,
                    lambda attempt: self._task(name, state, given, scope, execution, attempt),
                )
            case "Map":
                return self._with_retries(
                    state, given, scope, lambda _: self._map(state, given, scope, execution)
                )
        raise AssertionError(f"{name}: {state['Type']} is not interpreted here")

    def _finished(
        self, state: Mapping[str, Any], given: Any, scope: Scope, result: Any
    ) -> tuple[Any, str | None]:
        # Both are evaluated with the variables as they were when the state was entered.
        output = filled(state["Output"], scope, given, result=result) if "Output" in state else result
        assigned = filled(state.get("Assign", {}), scope, given, result=result)
        scope.variables.update(assigned)
        return output, state.get("Next")

    def _with_retries(
        self, state: Mapping[str, Any], given: Any, scope: Scope, attempt: Callable[[int], Any]
    ) -> tuple[Any, str | None]:
        used: dict[int, int] = {}
        while True:
            try:
                return self._finished(state, given, scope, attempt(sum(used.values())))
            except TaskError as error:
                retrier = next(
                    (n for n, one in enumerate(state.get("Retry", [])) if _matches(one, error)), None
                )
                if retrier is not None and used.get(retrier, 0) < state["Retry"][retrier].get(
                    "MaxAttempts", 3
                ):
                    used[retrier] = used.get(retrier, 0) + 1
                    continue
                caught = next((one for one in state.get("Catch", []) if _matches(one, error)), None)
                if caught is None:
                    raise
                failure = {"Error": error.error, "Cause": error.cause}
                output = (
                    filled(caught["Output"], scope, given, error=failure) if "Output" in caught else failure
                )
                scope.variables.update(filled(caught.get("Assign", {}), scope, given, error=failure))
                return output, caught["Next"]

    def _task(
        self,
        name: str,
        state: Mapping[str, Any],
        given: Any,
        scope: Scope,
        execution: Execution,
        attempt: int,
    ) -> Any:
        scope.context["State"] = {"Name": name, "RetryCount": attempt}
        arguments = filled(state["Arguments"], scope, given)
        called = arguments["FunctionName" if state["Resource"] == LAMBDA else "StateMachineArn"]
        placeholder = called.removeprefix("${").removesuffix("}")
        payload = arguments["Payload"] if state["Resource"] == LAMBDA else arguments["Input"]
        execution.calls.append((placeholder, payload))
        self._watch(Call(name, placeholder, payload, attempt, "before"))
        if state["Resource"] == LAMBDA:
            result = {"StatusCode": 200, "Payload": self._invoke(placeholder, payload)}
        elif state["Resource"] == CHILD:
            result = self._start(placeholder, arguments["Name"], payload)
        else:
            raise AssertionError(f"{name}: {state['Resource']} is not interpreted here")
        self._watch(Call(name, placeholder, payload, attempt, "after"))
        return result

    def _watch(self, call: Call) -> None:
        if self._hook is not None:
            self._hook(call)

    def _invoke(self, placeholder: str, payload: Any) -> Any:
        try:
            answer = self._functions[placeholder](json.loads(json.dumps(payload)))
        except (TaskError, KeyError):
            raise
        except Exception as error:
            # On Lambda the class's name; the emulator reports Runtime.HandlerError for every one of them.
            raise TaskError(type(error).__name__, json.dumps({"errorMessage": str(error)})) from error
        return json.loads(json.dumps(answer))

    def _start(self, placeholder: str, name: str, given: Any) -> Any:
        ended = self.children[placeholder].run(name, given)
        if ended.status == "ABORTED":
            # The service that stopped there was this execution's too.
            raise Killed
        if ended.status != "SUCCEEDED":
            raise TaskError("States.TaskFailed", json.dumps({"Name": name, "Cause": ended.cause}))
        return {
            "ExecutionArn": f"arn:aws:states:::execution:{placeholder}:{name}",
            "Name": name,
            "Status": ended.status,
            "Output": ended.output,
        }

    def _map(self, state: Mapping[str, Any], given: Any, scope: Scope, execution: Execution) -> list[Any]:
        items = filled(state["Items"], scope, given)
        if not isinstance(items, list):
            raise TaskError("States.QueryEvaluationError", f"Items is not an array: {items!r}")
        at_once = filled(state.get("MaxConcurrency", 0), scope, given)
        if not isinstance(at_once, int) or isinstance(at_once, bool):
            raise TaskError("States.QueryEvaluationError", f"MaxConcurrency is not a number: {at_once!r}")
        results = []
        for index, item in enumerate(items):
            inner = Scope(
                {**scope.context, "Map": {"Item": {"Index": index, "Value": item}}}, dict(scope.variables)
            )
            chosen = filled(state["ItemSelector"], inner, given) if "ItemSelector" in state else item
            results.append(self._machine(state["ItemProcessor"], chosen, inner, execution))
        return results


def _matches(handler: Mapping[str, Any], error: TaskError) -> bool:
    names = handler["ErrorEquals"]
    if "States.ALL" in names or error.error in names:
        return True
    return "States.TaskFailed" in names and error.error != "States.Timeout"
