"""The machines of `state_machines/` in process, each with the machines that it starts."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from stacks.asl import definition
from tests.support.state_machine import Function, Hook, StateMachine


def machine(
    name: str,
    functions: Mapping[str, Function],
    *,
    values: Mapping[str, str] | None = None,
    hook: Hook | None = None,
) -> StateMachine:
    """A machine over callables, which it shares with those that it starts.

    Args:
        name: of its file.
        functions: what each placeholder of a function calls, with the payload.
        values: what stands for the other placeholders, such as `MaxConcurrency`.
        hook: sees every call before and after, those of nested executions too.
    """
    children = {
        f"{placeholder}Machine": machine(child, functions, values=values, hook=hook)
        for placeholder, child in started_by(definition(name)).items()
    }
    return StateMachine(definition(name), functions, children=children, values=values, hook=hook)


def started_by(asl: Mapping[str, Any]) -> dict[str, str]:
    """Placeholder, without `Machine`, and name of the machines that a definition starts."""
    return {name: stem(name) for name in re.findall(r"\$\{(\w+)Machine\}", json.dumps(asl))}


def run_functions(name: str) -> dict[str, str]:
    """Placeholder and stem of every function that a machine calls, or one that it starts."""

    def called(asl: Mapping[str, Any]) -> Iterator[str]:
        yield from re.findall(r'"FunctionName": "\$\{(\w+)\}"', json.dumps(asl))
        for child in started_by(asl).values():
            yield from called(definition(child))

    return {placeholder: stem(placeholder) for placeholder in called(definition(name))}


def stem(placeholder: str) -> str:
    """The name behind a placeholder: `PlanRun` → `plan_run`."""
    return re.sub(r"(?<!^)([A-Z])", r"_\1", placeholder).lower()
