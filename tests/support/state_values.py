"""Values in a state machine's file: templates with JSONata between `{%` and `%}`, and what they are evaluated in."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jsonata
import orjson
from jsonata.utils import Utils


class TaskError(Exception):
    """What a task fails with; `error` is the name that Retry and Catch match."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause = error, cause


@dataclass(slots=True)
class Scope:
    """What expressions see. A Map's item sees the variables around it and keeps its own to itself."""

    context: dict[str, Any]
    variables: dict[str, Any]


def filled(template: Any, scope: Scope, given: Any, *, result: Any = None, error: Any = None) -> Any:
    """A template with every `{% … %}` in it evaluated."""
    if isinstance(template, Mapping):
        return {
            key: filled(value, scope, given, result=result, error=error) for key, value in template.items()
        }
    if isinstance(template, list):
        return [filled(value, scope, given, result=result, error=error) for value in template]
    if not (isinstance(template, str) and template.startswith("{%") and template.endswith("%}")):
        return template
    states = {"input": given, "result": result, "errorOutput": error, "context": scope.context}
    return evaluate(template[2:-2].strip(), {**scope.variables, "states": states})


class _Expressions(threading.local):
    """Compiled expressions of a thread: the engine keeps some of its state by thread."""

    def __init__(self) -> None:
        self.compiled: dict[str, jsonata.Jsonata] = {}


_EXPRESSIONS = _Expressions()


def _compiled(expression: str) -> jsonata.Jsonata:
    known = _EXPRESSIONS.compiled
    if expression not in known:
        known[expression] = jsonata.Jsonata.jsonata(expression)
    # What its functions take their state from.
    jsonata.Jsonata.CURRENT.jsonata = known[expression]
    return known[expression]


def evaluate(expression: str, variables: Mapping[str, Any]) -> Any:
    """What a JSONata expression gives; an undefined result is an error, as in Step Functions.

    Raises:
        TaskError: `States.QueryEvaluationError`.
    """
    # A binding of None would be undefined to the engine.
    bound = {name: Utils.NULL_VALUE if value is None else value for name, value in variables.items()}
    try:
        value = _compiled(expression).evaluate(None, dict(bound))
        if value is None and not _compiled(f"$exists(({expression}))").evaluate(None, dict(bound)):
            raise TaskError("States.QueryEvaluationError", f"{expression} gives nothing")
    except jsonata.JException as error:
        raise TaskError("States.QueryEvaluationError", f"{expression}: {error}") from error
    return orjson.loads(orjson.dumps(value))
