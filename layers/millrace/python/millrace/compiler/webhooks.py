"""From `schemas/webhooks/*.yaml` to what becomes of webhooks (`webhooks/mapping.py`). Build only.

Beside each file lies `samples/<provider>.json`: messages as the provider documents them, with the events that they become,
`[{"message": {…}, "event": {…}}]`. They are made again at every build, and their contracts must take them.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field

from millrace.compiler.definitions import Definitions
from millrace.compiler.sentences import meant
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.pointers import write
from millrace.contracts.validator import Validator
from millrace.webhooks.mapping import UNKNOWN_TYPE, Provider, value

FOLDER = "webhooks"
BINDING = "sample"
# What intake gives an event besides what a mapping makes of it.
_ID = "00000000-0000-4000-8000-000000000000"
_MEANINGS = {
    "name": "a provider is called in small letters, digits and -, such as stripe",
    "paths": "a path is names with full stops between them, such as data.object.id",
}
Path_ = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$", max_length=200)]
Paths = Path_ | list[Path_]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class _Expression(_Strict):
    path: Paths | None = None
    as_: (
        Literal["text", "lower", "upper", "decimal", "seconds", "milliseconds", "withoutQuery", "lastSegment"]
        | None
    ) = Field(None, alias="as")
    const: str | int | bool | None = None
    minor_units_of: Path_ | None = Field(None, alias="minorUnitsOf")


class _Rule(_Strict):
    type: str
    when: dict[Path_, str | int | bool] = {}
    correlation_id: Paths = Field([], alias="correlationId")
    user_id: Paths = Field([], alias="userId")
    payload: dict[str, Paths | _Expression] = Field(min_length=1)


class ProviderDefinition(_Strict):
    """A file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
    description: str = Field(min_length=1, max_length=500)
    id: Paths
    kind: Path_
    timestamp: Paths | _Expression
    keep: list[Path_] = Field(min_length=1)
    currency_exponents: dict[
        Annotated[str, Field(pattern=r"^[A-Z]{3}$")], Annotated[int, Field(ge=0, le=4)]
    ] = Field({}, alias="currencyExponents")
    events: dict[str, list[_Rule]] = Field(min_length=1)


DEFINITIONS = Definitions(FOLDER, "provider", ProviderDefinition, _MEANINGS)


def compile_webhooks(schemas_dir: Path, contracts: Iterable[Contract]) -> list[dict[str, Any]]:
    """Every provider by name, as `Provider.from_json` takes it.

    Raises:
        ContractError: with every problem of every file, and every sample that becomes something else.
    """
    newest = {one.event_type: one for one in contracts}
    read, problems = DEFINITIONS.read(schemas_dir)
    found = []
    for file, one in read.items():
        wrong = [ContractProblem(file, *problem) for problem in _problems(one, newest)]
        if not wrong:
            found.append(_compiled(one))
            samples = schemas_dir / FOLDER / "samples" / f"{one.name}.json"
            wrong = [
                ContractProblem(f"{FOLDER}/samples/{samples.name}", *problem)
                for problem in _sample_problems(Provider.from_json(found[-1]), samples, newest)
            ]
        problems += wrong
    if problems:
        raise ContractError(problems)
    return found


def _problems(one: ProviderDefinition, known: Mapping[str, Contract]) -> Iterator[tuple[str, str]]:
    sent = sorted(name for name, contract in known.items() if not contract.derived)
    if isinstance(one.timestamp, _Expression):
        yield from _expression_problems(one.timestamp, "/timestamp")
    for kind, rules in one.events.items():
        for number, rule in enumerate(rules):
            place = ["events", kind, str(number)]
            if rule.type not in sent:
                yield (
                    write([*place, "type"]),
                    f"{rule.type} is not a type that a client may send{meant(rule.type, sent)}",
                )
                continue
            if number < len(rules) - 1 and not rule.when:
                yield (
                    write(place),
                    "a rule without `when` takes every message, so those behind it never apply",
                )
            yield from _payload_problems(rule, known[rule.type], [*place, "payload"])


def _payload_problems(rule: _Rule, contract: Contract, place: list[str]) -> Iterator[tuple[str, str]]:
    schema = contract.data_schema["properties"]["payload"]
    fields = schema["properties"]
    for name, made in rule.payload.items():
        if name not in fields:
            yield write([*place, name]), f"{contract.event_type} has no field {name}{meant(name, fields)}"
        elif isinstance(made, _Expression):
            yield from _expression_problems(made, write([*place, name]))
    if missing := [name for name in schema.get("required", ()) if name not in rule.payload]:
        yield write(place), f"{contract.event_type} needs {', '.join(missing)}, which nothing is mapped to"


def _expression_problems(made: _Expression, place: str) -> Iterator[tuple[str, str]]:
    if (made.path is None) == (made.const is None):
        yield place, "a value has a path or is a const, one of the two"
    elif made.const is not None and (made.as_ or made.minor_units_of):
        yield place, "a const is not converted: write what it is to be"
    elif made.as_ and made.minor_units_of:
        yield place, "minor units become a decimal, and are not converted besides"


def _sample_problems(
    provider: Provider, path: Path, known: Mapping[str, Contract]
) -> Iterator[tuple[str, str]]:
    try:
        samples = orjson.loads(path.read_bytes())
    except OSError:
        yield "", "is missing: a mapping has samples of what becomes of messages"
        return
    except orjson.JSONDecodeError as error:
        yield "", f"is not JSON: {error.msg}"
        return
    reached = set()
    for number, sample in enumerate(samples):
        message = sample["message"]
        made = provider.event(message, BINDING)
        if provider.identity(message) is None:
            yield f"/{number}/message", f"has no {', '.join(provider.ids)}"
        if made != sample["event"]:
            yield f"/{number}/event", f"it becomes {orjson.dumps(made).decode()}"
            continue
        reached.add((made["eventType"], value(message, provider.kind)))
        errors = Validator(known[made["eventType"]]).errors({"eventId": _ID, **made})
        if errors:
            yield f"/{number}/event", f"its contract refuses {errors[0].pointer}: {errors[0].message}"
    for kind, rules in provider.rules.items():
        for rule in rules:
            if (rule.event_type, kind) not in reached:
                yield "", f"no sample is a {kind} that becomes {rule.event_type}"
    if not any(event_type == UNKNOWN_TYPE for event_type, _ in reached):
        yield "", f"no sample is of a kind without a rule, which becomes {UNKNOWN_TYPE}"


def _compiled(one: ProviderDefinition) -> dict[str, Any]:
    return {
        "name": one.name,
        "ids": _paths(one.id),
        "kind": one.kind,
        "moment": _made(one.timestamp),
        "keep": one.keep,
        "exponents": one.currency_exponents,
        "rules": {kind: [_rule(rule) for rule in rules] for kind, rules in one.events.items()},
    }


def _rule(rule: _Rule) -> dict[str, Any]:
    return {
        "event_type": rule.type,
        "when": rule.when,
        "correlation": _paths(rule.correlation_id),
        "user": _paths(rule.user_id),
        "payload": {name: _made(made) for name, made in rule.payload.items()},
    }


def _made(made: str | list[str] | _Expression) -> dict[str, Any]:
    if not isinstance(made, _Expression):
        return {"paths": _paths(made), "convert": "", "const": None, "currency": ""}
    return {
        "paths": _paths(made.path or []),
        "convert": made.as_ or "",
        "const": made.const,
        "currency": made.minor_units_of or "",
    }


def _paths(given: str | list[str]) -> list[str]:
    return [given] if isinstance(given, str) else given
