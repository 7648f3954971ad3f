"""The most that executions of a state machine hold: bytes of every state, and events of the history.

Every path through a definition is walked with the largest values: a task ends with each of its answers, after all of its
retries, or fails with the longest cause that Step Functions takes. Of a Map one item is walked, the largest, and counted as
often as there are items. Nothing here knows a state by its name; a nested execution is walked like its parent.

Events of a history: https://docs.aws.amazon.com/step-functions/latest/apireference/API_HistoryEvent.html
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from stacks.asl import definition
from tests.support.machines import stem
from tests.support.state_machine import LAMBDA
from tests.support.state_values import Scope, filled

# https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
MAX_BYTES, MAX_EVENTS = 256 * 1024, 25_000
# https://docs.aws.amazon.com/step-functions/latest/apireference/API_TaskFailedEventDetails.html
LONGEST_ERROR, LONGEST_CAUSE = 256, 32_768
# A character of the most bytes that UTF-8 has.
WIDE = "\N{GOTHIC LETTER AHSA}"
# What Lambda, or Step Functions of a nested execution, answers beside payload and output: headers, ARNs, times.
METADATA = {"metadata": "x" * 4096}

# Payload → everything that a function may answer to it, at its largest.
Answers = Callable[[Any], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Held:
    """The most bytes of one state's `what`: input, arguments, items, result, output or variables."""

    machine: str
    state: str
    what: str
    size: int


@dataclass(frozen=True, slots=True)
class _End:
    """How a state, or a path of states, ends. `next` is None where the execution or the item does; `output` too if it failed."""

    events: int
    output: Any
    variables: dict[str, Any] = field(default_factory=dict)
    next: str | None = None
    failed: bool = False


class Bounds:
    """Walks machines.

    `held` returns the bytes; `events`, by machine, `names` of executions, and the lengths of `causes`, by machine and
    state, are filled on the way.

    Args:
        answers: by the placeholder of a function; that of SageMaker's job is `TrainingJob`.
        values: what stands for the other placeholders.
    """

    def __init__(self, answers: Mapping[str, Answers], values: Mapping[str, str]) -> None:
        self._answers, self._values = answers, values
        self._sizes: dict[tuple[str, str, str], int] = {}
        self.events: dict[str, int] = {}
        self.names: set[str] = set()
        self.causes: dict[tuple[str, str], int] = {}
        self._children: dict[str, list[_End]] = {}

    def held(self) -> list[Held]:
        """The most of every state that was reached."""
        return [Held(*place, size) for place, size in self._sizes.items()]

    def walk(self, machine: str, name: str, given: Any) -> list[_End]:
        """An execution of a machine, by its name and input; how it may end."""
        text = json.dumps(definition(machine))
        for placeholder, value in self._values.items():
            text = text.replace(f"${{{placeholder}}}", value)
        about = {"Name": name, "Input": given, "StartTime": "2026-11-21T10:05:00.000Z"}
        scope = Scope({"Execution": about}, {})
        self.names.add(name)
        ends = self._level(machine, json.loads(text), given, scope)
        # ExecutionStarted, and how it ended.
        self.events[machine] = max(self.events.get(machine, 0), 2 + max(end.events for end in ends))
        return ends

    def _level(self, machine: str, level: Mapping[str, Any], given: Any, scope: Scope) -> list[_End]:
        """The ends of a machine, or of a Map's item: each output once, with the most events that lead to it."""
        ends: dict[bytes, _End] = {}
        ahead = [_End(0, given, dict(scope.variables), level["StartAt"])]
        while ahead:
            at = ahead.pop()
            assert at.next is not None
            inner = Scope(dict(scope.context), at.variables)
            inner.context["State"] = {"Name": at.next, "RetryCount": 9}
            self._note(machine, at.next, "input", at.output)
            after: dict[bytes, _End] = {}
            for end in self._state(machine, at.next, level["States"][at.next], at.output, inner):
                self._note(machine, at.next, "output", end.output)
                self._note(machine, at.next, "variables", end.variables)
                reached = _End(at.events + end.events, end.output, end.variables, end.next, end.failed)
                _keep(after if end.next else ends, reached)
            ahead += after.values()
        return list(ends.values())

    def _state(
        self, machine: str, name: str, state: Mapping[str, Any], given: Any, scope: Scope
    ) -> Iterator[_End]:
        match state["Type"]:
            case "Succeed":
                yield _End(2, filled(state.get("Output", given), scope, given))
            case "Fail":
                cause = filled(state["Cause"], scope, given)
                place = (machine, name)
                self.causes[place] = max(self.causes.get(place, 0), len(cause))
                yield _End(1, None, failed=True)
            case "Choice":
                taken = (
                    one["Next"] for one in state["Choices"] if filled(one["Condition"], scope, given) is True
                )
                yield _End(2, given, scope.variables, next(taken, state["Default"]))
            case "Wait" | "Pass":
                yield self._finished(2, state, given, scope, given)
            case "Task":
                yield from self._task(machine, name, state, given, scope)
            case "Map":
                yield from self._map(machine, name, state, given, scope)
            case other:
                raise AssertionError(f"{name}: {other} is not walked here")

    def _finished(self, events: int, state: Mapping[str, Any], given: Any, scope: Scope, result: Any) -> _End:
        output = filled(state["Output"], scope, given, result=result) if "Output" in state else result
        assigned = filled(state.get("Assign", {}), scope, given, result=result)
        return _End(events, output, {**scope.variables, **assigned}, state.get("Next"))

    def _caught(self, events: int, state: Mapping[str, Any], given: Any, scope: Scope) -> _End:
        error = {"Error": "E" * LONGEST_ERROR, "Cause": WIDE * LONGEST_CAUSE}
        for caught in state.get("Catch", []):
            assigned = filled(caught.get("Assign", {}), scope, given, error=error)
            output = filled(caught["Output"], scope, given, error=error)
            return _End(events, output, {**scope.variables, **assigned}, caught["Next"])
        return _End(events, None, failed=True)

    def _task(
        self, machine: str, name: str, state: Mapping[str, Any], given: Any, scope: Scope
    ) -> Iterator[_End]:
        arguments = filled(state["Arguments"], scope, given)
        self._note(machine, name, "arguments", arguments)
        attempts = 1 + sum(retry["MaxAttempts"] for retry in state.get("Retry", []))
        # Entered and exited; an attempt is scheduled, started and ended, and one that is waited for submitted as well.
        events = 2 + attempts * (3 if state["Resource"] == LAMBDA else 4)
        for result in self._results(arguments, state["Resource"]):
            self._note(machine, name, "result", result)
            yield self._finished(events, state, given, scope, result)
        yield self._caught(events, state, given, scope)

    def _results(self, arguments: Mapping[str, Any], resource: str) -> Iterator[Any]:
        if resource == LAMBDA:
            for answer in self._answer(arguments["FunctionName"], arguments["Payload"]):
                yield {**METADATA, "Payload": answer}
        elif "StateMachineArn" in arguments:
            child = stem(arguments["StateMachineArn"].removeprefix("${").removesuffix("Machine}"))
            arn = f"arn:aws:states:us-gov-west-1:123456789012:execution:{'m' * 80}:{arguments['Name']}"
            for end in self._nested(child, arguments["Name"], arguments["Input"]):
                if not end.failed:
                    yield {
                        **METADATA,
                        "ExecutionArn": arn,
                        "Input": arguments["Input"],
                        "Output": end.output,
                    }
        else:
            yield from ({**METADATA, **answer} for answer in self._answer("TrainingJob", arguments))

    def _answer(self, placeholder: str, payload: Any) -> list[Any]:
        function = placeholder.removeprefix("${").removesuffix("}")
        assert function in self._answers, f"add what {function} answers at most"
        return [orjson.loads(orjson.dumps(answer)) for answer in self._answers[function](payload)]

    def _nested(self, machine: str, name: str, given: Any) -> list[_End]:
        """Every nested execution with an input like this one ends like it."""
        self.names.add(name)
        alike = f"{machine} {sorted(given)}"
        if alike not in self._children:
            self._children[alike] = self.walk(machine, name, given)
        return self._children[alike]

    def _map(
        self, machine: str, name: str, state: Mapping[str, Any], given: Any, scope: Scope
    ) -> Iterator[_End]:
        items = filled(state["Items"], scope, given)
        assert isinstance(items, list), f"{machine} {name}: Items is not an array"
        self._note(machine, name, "items", items)
        # Entered, started, ended, exited.
        around = 4
        if not items:
            yield self._finished(around, state, given, scope, [])
            return
        item = max(reversed(items), key=_size)
        scope.context["Map"] = {"Item": {"Index": len(items) - 1, "Value": item}}
        chosen = filled(state["ItemSelector"], scope, given) if "ItemSelector" in state else item
        ends = self._level(machine, state["ItemProcessor"], chosen, scope)
        # Each iteration is started and ended.
        events = around + len(items) * (2 + max(end.events for end in ends))
        for end in ends:
            if not end.failed:
                results = [end.output] * len(items)
                self._note(machine, name, "result", results)
                yield self._finished(events, state, given, scope, results)
        yield self._caught(events, state, given, scope)

    def _note(self, machine: str, state: str, what: str, value: Any) -> None:
        place = (machine, state, what)
        self._sizes[place] = max(self._sizes.get(place, 0), _size(value))


def _keep(ends: dict[bytes, _End], end: _End) -> None:
    alike = orjson.dumps([end.next, end.failed, end.output, end.variables])
    if alike not in ends or ends[alike].events < end.events:
        ends[alike] = end


def _size(value: Any) -> int:
    return len(orjson.dumps(value))
