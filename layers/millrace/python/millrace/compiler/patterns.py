"""From `schemas/patterns/*.yaml` to the patterns of the bundle (`patterns/definition.py`). Build only.

`schemas/patterns/SHA256SUMS` pins what each version of each pattern finds (`compiler/pins.py`).
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from millrace.alerts.alert import ENDED, RAISED, STORM
from millrace.compiler import pattern_definition, pins, satisfiable
from millrace.compiler.aggregate_definition import seconds
from millrace.compiler.definitions import Definitions, check_pins
from millrace.compiler.pattern_definition import ANY, MissingDefinition, PatternDefinition, StepDefinition
from millrace.compiler.sentences import USERS, meant
from millrace.contracts import columns, conditions
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.fields import Field, fields
from millrace.patterns.definition import ENTITY, FIELD, KIND

FOLDER = "patterns"
DEFINITIONS = Definitions(FOLDER, "pattern", PatternDefinition, pattern_definition.MEANINGS)
# What a field may be by which events are joined: each value is written in one way only.
KEY_TYPES = ("string", "int", "long")
Step = StepDefinition | MissingDefinition


class Types:
    """The event types and what each offers; of several majors the newest, whose fields the older ones have to have."""

    def __init__(self, contracts: Iterable[Contract]) -> None:
        self._by_type: dict[str, list[Contract]] = {}
        for one in sorted(contracts, key=lambda one: one.major):
            self._by_type.setdefault(one.event_type, []).append(one)
        self._fields: dict[str, dict[str, Field]] = {}

    def __contains__(self, event_type: str) -> bool:
        return event_type in self._by_type

    @cached_property
    def names(self) -> list[str]:
        """Every type."""
        return sorted(self._by_type)

    def majors(self, event_type: str) -> Sequence[Contract]:
        """Its contracts, the newest last."""
        return self._by_type[event_type]

    def fields(self, event_type: str) -> dict[str, Field]:
        """The fields of the newest."""
        if event_type not in self._fields:
            self._fields[event_type] = fields(self._by_type[event_type][-1])
        return self._fields[event_type]

    def protected(self, event_type: str, name: str) -> str:
        """How a field is protected; empty where it is not."""
        for one in columns.columns(self._by_type[event_type][-1]):
            if one.name == name and one.classification in PROTECTED:
                return str(one.classification)
        return ""


def compile_patterns(schemas_dir: Path, contracts: Iterable[Contract]) -> list[dict[str, Any]]:
    """Every pattern by name, as `Pattern.from_json` takes it.

    Args:
        schemas_dir: the folder with `patterns/`.
        contracts: of the event types.

    Raises:
        ContractError: with every problem of every file; or with each that its version has pinned as another.
    """
    found = _compile(schemas_dir, contracts)
    check_pins({file: _pinned(one) for file, (one, _) in found.items()}, schemas_dir / FOLDER)
    return sorted((document for _, document in found.values()), key=lambda one: str(one["name"]))


def pin(schemas_dir: Path, contracts: Iterable[Contract], kept: Container[str] | None = None) -> list[str]:
    """Pins the versions that are new or still being written, and returns their names; the arguments are as for aggregates.

    Raises:
        ContractError: a pattern is wrong, or has changed under a version whose pin stays.
    """
    listed = [*contracts]
    found = _compile(schemas_dir, listed)
    added = pins.pin([_pinned(one) for one, _ in found.values()], schemas_dir / FOLDER, kept)
    compile_patterns(schemas_dir, listed)
    return added


def compile_file(path: Path, contracts: Iterable[Contract]) -> dict[str, Any]:
    """One pattern, wherever its file lies and whatever is pinned.

    Raises:
        ContractError: with every problem of the file.
    """
    one = DEFINITIONS.of_file(path, path.name)
    if found := [ContractProblem(path.name, *problem) for problem in _problems(one, Types(contracts))]:
        raise ContractError(found)
    return _compiled(one)


def compile_definition(one: PatternDefinition, types: Types) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    """A pattern that stands in no file of its own, as the bundle has it, and what is wrong with it, with pointers."""
    problems = list(dict.fromkeys(_problems(one, types)))
    return ({} if problems else _compiled(one)), problems


def _compile(
    schemas_dir: Path, contracts: Iterable[Contract]
) -> dict[str, tuple[PatternDefinition, dict[str, Any]]]:
    """File → what stands in it, and its form in the bundle."""
    types = Types(contracts)
    read, problems = DEFINITIONS.read(schemas_dir)
    compiled: dict[str, tuple[PatternDefinition, dict[str, Any]]] = {}
    for file, one in read.items():
        found = dict.fromkeys(_problems(one, types))
        problems += [ContractProblem(file, *problem) for problem in found]
        if not found:
            compiled[file] = one, _compiled(one)
    problems += _circles({file: one for file, (one, _) in compiled.items()})
    if problems:
        raise ContractError(problems)
    return compiled


def _pinned(one: PatternDefinition) -> pins.Pinned:
    return one.name, one.version, pins.digest(pattern_definition.meaning(one))


def _compiled(one: PatternDefinition) -> dict[str, Any]:
    kind, name_of_key = _key(one)
    names = [step.name for step in one.steps]
    steps = []
    for step in one.steps:
        compared = [
            {
                "field": field,
                "step": names.index(of.partition(".")[0]),
                "of": of.partition(".")[2],
                "same": same,
            }
            for listed, same in ((step.same, True), (step.different, False))
            for field, of in listed.items()
        ]
        referred = {
            of.partition(".")[2]
            for other in one.steps
            for of in (*other.same.values(), *other.different.values())
            if of.partition(".")[0] == step.name
        }
        steps.append(
            {
                "name": step.name,
                "events": [step.event],
                "where": list(step.where),
                "count": step.count,
                "comparisons": compared,
                "kept": sorted(
                    {*referred, *step.same, *step.different, *([step.distinct] if step.distinct else [])}
                ),
                "distinct": step.distinct or "",
            }
        )
    missing = None
    if one.missing is not None:
        missing = {
            "name": "missing",
            "events": [] if one.missing.event == ANY else [one.missing.event],
            "where": list(one.missing.where),
            "count": 1,
            "comparisons": [],
            "kept": [],
            "distinct": "",
        }
    within = seconds(one.within)
    return {
        "name": one.name,
        "version": one.version,
        "kind": one.pattern,
        "title": one.title,
        "description": one.description,
        "owner": one.owner,
        "severity": one.severity,
        "by": kind,
        "name_of_key": name_of_key,
        "within_seconds": within,
        "quiet_seconds": within if one.quiet is None else seconds(one.quiet),
        "steps": steps,
        "missing": missing,
    }


def _key(one: PatternDefinition) -> tuple[str, str]:
    if isinstance(one.by, str):
        return one.by, one.by
    ((kind, name),) = one.by.items()
    return kind, name


def _problems(one: PatternDefinition, types: Types) -> Iterator[tuple[str, str]]:
    found = [*pattern_definition.problems(one)]
    steps: list[tuple[str, Step]] = [(f"/steps/{at}", step) for at, step in enumerate(one.steps)]
    if one.missing is not None:
        steps.append(("/missing", one.missing))
    for pointer, step in steps:
        if step.event == ANY:
            found += _of_any(one, step, pointer)
        elif step.event not in types:
            found.append(
                (f"{pointer}/event", f"no contract describes {step.event}{meant(step.event, types.names)}")
            )
        else:
            found += _of_step(one, step, pointer, types)
    yield from found
    if not found:
        yield from _compared(one, types)


def _of_any(one: PatternDefinition, step: Step, pointer: str) -> Iterator[tuple[str, str]]:
    if one.by == "correlation" or not isinstance(one.by, str):
        yield (
            f"{pointer}/event",
            "any event can be asked for by user and session only; name the type of the event that does not come",
        )
    if step.where:
        yield (
            f"{pointer}/where",
            "fields of any event are not known; name its type, or leave the conditions out",
        )


def _of_step(one: PatternDefinition, step: Step, pointer: str, types: Types) -> Iterator[tuple[str, str]]:
    newest = types.majors(step.event)[-1]
    if newest.store == "none":
        yield (
            f"{pointer}/event",
            f"{step.event} goes straight to the log (store: none), and patterns read what is stored in the table",
        )
    for contract in types.majors(step.event):
        if step.where:
            known = fields(contract)
            for here, sentence in conditions.problems(step.where, known, f"{pointer}/where"):
                name = sentence.rpartition(" ")[2]
                missing = sentence.startswith("there is no field ")
                more = f" in {contract.ref}{meant(name, known, listed=True)}" if missing else ""
                yield here, f"{sentence}{more}"
        yield from _of_key(one, contract, pointer)
        if isinstance(step, StepDefinition) and step.distinct:
            yield from _text_or_number(step.distinct, contract, f"{pointer}/distinct", "what is counted")
    if not [*conditions.problems(step.where, types.fields(step.event), "")]:
        yield from _of_where(step, f"{pointer}/where", newest, types)
    if isinstance(step, MissingDefinition):
        yield from _asked(one, newest, pointer)
    distinct = step.distinct if isinstance(step, StepDefinition) else None
    for name in dict.fromkeys([*conditions.names(step.where), *([distinct] if distinct else [])]):
        if protection := types.protected(step.event, name):
            yield (
                f"{pointer}/{'distinct' if name == distinct else 'where'}",
                f"{name} of {step.event} is {protection}, and patterns compare no such fields",
            )


def _of_where(step: Step, pointer: str, newest: Contract, types: Types) -> Iterator[tuple[str, str]]:
    """What is wrong with conditions that can be read."""
    described = {column.name: column for column in columns.columns(newest)}
    if reason := satisfiable.why_never(step.where, step.event, types.fields(step.event), described):
        yield pointer, f"no {step.event} ever meets this: {reason}; change the condition"
    for name in conditions.compared(step.where):
        if name in columns.users(newest):
            yield pointer, f"{name} of {step.event} {USERS}"


def _of_key(one: PatternDefinition, contract: Contract, pointer: str) -> Iterator[tuple[str, str]]:
    """Whether an event has the key that joins it with others."""
    kind, name = _key(one)
    if kind == ENTITY and name not in contract.entity:
        listed = meant(name, contract.entity, listed=True) or "; it has none"
        yield f"{pointer}/event", f"{contract.ref} has no entity {name}{listed}"
    if kind == FIELD:
        yield from _text_or_number(name, contract, "/by/field", "a key", absent=f"{pointer}/event")


def _text_or_number(
    name: str, contract: Contract, pointer: str, what: str, absent: str = ""
) -> Iterator[tuple[str, str]]:
    known = fields(contract)
    if name not in known:
        yield absent or pointer, f"{contract.ref} has no field {name}{meant(name, known, listed=True)}"
    elif known[name].type not in KEY_TYPES:
        yield (
            pointer,
            f"{name} is a {known[name].type} in {contract.ref}, and {what} is a text or a whole number",
        )


def _asked(one: PatternDefinition, contract: Contract, pointer: str) -> Iterator[tuple[str, str]]:
    """Whether it can be asked, before an alert, if the missing event has come."""
    kind, name = _key(one)
    if kind == FIELD:
        yield (
            "/by",
            "before an absence is told, the events of its key are looked through, and there is no index of fields: take "
            f"{{entity: …}}, user, session or correlation; {contract.ref} has "
            f"the entities {', '.join(contract.entity) or 'none'}",
        )
    elif kind not in contract.indexes:
        yield (
            f"{pointer}/event",
            f"before an absence is told, the events of its key are looked through, and {contract.ref} has no index {kind}: "
            f"add it to its indexes, or join by one of {', '.join(sorted(contract.indexes - {'type', 'userType'}))}",
        )
    elif kind == ENTITY and next(iter(contract.entity), None) != name:
        yield (
            f"{pointer}/event",
            f"the index of {contract.ref} is by its first entity, {next(iter(contract.entity))}, and not by {name}",
        )


def _compared(one: PatternDefinition, types: Types) -> Iterator[tuple[str, str]]:
    """What is wrong with comparisons between steps."""
    events = {step.name: step.event for step in one.steps}
    for at, step in enumerate(one.steps):
        for word in ("same", "different"):
            for field, of in getattr(step, word).items():
                here = f"/steps/{at}/{word}/{field}"
                other, _, name = of.partition(".")
                kinds = []
                for event_type, column in ((step.event, field), (events[other], name)):
                    known = types.fields(event_type)
                    if column not in known:
                        yield here, f"{event_type} has no field {column}{meant(column, known, listed=True)}"
                    elif protection := types.protected(event_type, column):
                        yield (
                            here,
                            f"{column} of {event_type} is {protection}, and patterns compare no such fields",
                        )
                    else:
                        kinds.append(known[column].type)
                if len(set(kinds)) > 1:
                    yield here, f"{field} is a {kinds[0]} and {of} a {kinds[1]}: they are never the same"


def _circles(patterns: Mapping[str, PatternDefinition]) -> Iterator[ContractProblem]:
    """Patterns that would meet their own alerts, each by itself or by way of others, and so never come to rest."""
    meets = {
        file: {
            other: pointer
            for other, raiser in patterns.items()
            for pointer, step in _alert_steps(one)
            if _may_meet(step, raiser)
        }
        for file, one in patterns.items()
    }
    for file, met in meets.items():
        seen, left = set(met), list(met)
        while left:
            for other in meets[left.pop()]:
                if other not in seen:
                    seen.add(other)
                    left.append(other)
        if file in seen:
            yield ContractProblem(
                file,
                next(iter(met.values())),
                "it would meet the alerts that it raises itself, and never come to rest: add a condition such as "
                "{field: kind, in: [pacing]}, which alerts of patterns do not meet",
            )


def _alert_steps(one: PatternDefinition) -> Iterator[tuple[str, Step]]:
    """Its steps that begin something: an alert that is missing, or that ends one, raises none."""
    for at, step in enumerate(one.steps):
        if step.event in (RAISED, ENDED):
            yield f"/steps/{at}", step


def _may_meet(step: Step, raiser: PatternDefinition) -> bool:
    """Whether a step's conditions may hold for an alert of a pattern, or of its storm; what is not known of one may be anything."""
    known = {
        "rule_id": raiser.name,
        "severity": raiser.severity,
        "owner": raiser.owner,
        "event_type": step.event,
    }
    alerts = [{"kind": kind, **known} for kind in (KIND, STORM)]
    readers = {name: Field(name, "string", lambda of, name=name: of[name]) for name in alerts[0]}  # type: ignore[misc]
    sure = [one for one in step.where if set(conditions.names([one])) <= readers.keys()]
    return any(map(conditions.holds(sure, readers), alerts))
