"""From `schemas/aggregates/*.yaml` to the aggregates of the bundle (`aggregates/definition.py`). Build only.

`schemas/aggregates/SHA256SUMS` pins what each version of each aggregate counts (`compiler/pins.py`).
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from millrace.compiler import aggregate_definition, aggregate_derived, pins, publications, satisfiable
from millrace.compiler.aggregate_definition import KEY_TYPES, TYPES, AggregateDefinition
from millrace.compiler.definitions import Definitions, check_pins
from millrace.compiler.sentences import USERS, meant
from millrace.contracts import columns, conditions
from millrace.contracts.column_types import Column, snake
from millrace.contracts.contract import PROTECTED, Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.fields import Field, fields
from millrace.contracts.schema import leaves

FOLDER = "aggregates"
DEFINITIONS = Definitions(FOLDER, "aggregate", AggregateDefinition, aggregate_definition.MEANINGS)
# Of no use as a key: a row of its own for each event, or the same for all of a tenant's.
_NO_KEYS = {
    "event_id": "every event has its own",
    "org_id": "an answer is of one tenant anyway",
    "contract": "it changes with every version of a contract",
}
_DAY = 86_400


@dataclass(frozen=True)
class _Type:
    """What an event type offers: its contracts by major, newest last."""

    contracts: Sequence[Contract]

    @property
    def newest(self) -> Contract:
        return self.contracts[-1]

    @cached_property
    def fields(self) -> dict[str, Field]:
        return fields(self.newest)

    @cached_property
    def columns(self) -> dict[str, Column]:
        return {one.name: one for one in columns.columns(self.newest)}

    @cached_property
    def users(self) -> frozenset[str]:
        return columns.users(self.newest)

    def other_types(self, name: str) -> Iterator[tuple[str, str]]:
        """The older majors in which a column is of another type, and which."""
        for contract in self.contracts[:-1]:
            older = fields(contract).get(name)
            if older is not None and older.type != self.fields[name].type:
                yield contract.version, older.type


def compile_aggregates(schemas_dir: Path, contracts: Iterable[Contract]) -> list[dict[str, Any]]:
    """Every aggregate by name, as `Aggregate.from_json` takes it.

    Args:
        schemas_dir: the folder with `aggregates/`.
        contracts: of the event types.

    Raises:
        ContractError: with every problem of every file; or with each that its version has pinned as another.
    """
    found = _compile(schemas_dir, contracts)
    check_pins({file: _pinned(*one) for file, one in found.items()}, schemas_dir / FOLDER)
    return sorted((document for _, document in found.values()), key=lambda one: str(one["name"]))


def pin(schemas_dir: Path, contracts: Iterable[Contract], kept: Container[str] | None = None) -> list[str]:
    """Pins the versions that are new or still being written, and returns their names.

    Args:
        schemas_dir: the folder with `aggregates/`.
        contracts: of the event types.
        kept: versions whose pins stay, such as `aggregates/orders@1.0.0`; by default all that are pinned.

    Raises:
        ContractError: an aggregate is wrong, or has changed under a version whose pin stays.
    """
    listed = [*contracts]
    found = _compile(schemas_dir, listed)
    added = pins.pin([_pinned(*one) for one in found.values()], schemas_dir / FOLDER, kept)
    compile_aggregates(schemas_dir, listed)
    return added


def _compile(
    schemas_dir: Path, contracts: Iterable[Contract]
) -> dict[str, tuple[AggregateDefinition, dict[str, Any]]]:
    """File → what stands in it, and its form in the bundle."""
    read, problems = DEFINITIONS.read(schemas_dir)
    types = _types(contracts)
    compiled: dict[str, dict[str, Any]] = {}
    for file, one in read.items():
        found = [*aggregate_definition.problems(one), *_Lint(one, types, schemas_dir).problems()]
        problems += [ContractProblem(file, *problem) for problem in dict.fromkeys(found)]
        if not found:
            compiled[file] = _compiled(one, types)
    if problems:
        raise ContractError(problems)
    return {file: (read[file], document) for file, document in compiled.items()}


def _types(contracts: Iterable[Contract]) -> dict[str, _Type]:
    found: dict[str, list[Contract]] = {}
    for one in sorted(contracts, key=lambda one: one.major):
        found.setdefault(one.event_type, []).append(one)
    return {name: _Type(several) for name, several in found.items()}


def _events(one: AggregateDefinition, types: Mapping[str, _Type]) -> list[str]:
    if one.events == aggregate_definition.ALL:
        return sorted(name for name, of in types.items() if of.newest.store == "table")
    return one.events


def _pinned(one: AggregateDefinition, document: Mapping[str, Any]) -> pins.Pinned:
    """Types and lateness count, too: they come from the contracts, and change what the same file means."""
    from_contracts = {
        "lateness": document["lateness_seconds"],
        "types": [part["type"] for part in (*document["keys"], *document["measures"])],
    }
    digest = pins.digest([aggregate_definition.meaning(one), from_contracts])
    return one.name, one.version, digest


def _compiled(one: AggregateDefinition, types: Mapping[str, _Type]) -> dict[str, Any]:
    events = _events(one, types)

    def of(named: aggregate_definition.Columns | None, types_of: Sequence[str] = events) -> dict[str, Any]:
        mapping = aggregate_definition.of_types(named, types_of)
        event_type, column = next(iter(mapping.items()), ("", ""))
        return {
            "of": mapping,
            "type": types[event_type].fields[column].type if column else "",
            "of_user": any(name in types[of_type].users for of_type, name in mapping.items()),
        }

    lateness = aggregate_definition.seconds(one.lateness) if one.lateness else _least_lateness(one, types)
    return {
        "name": one.name,
        "version": one.version,
        "description": one.description,
        "owner": one.owner,
        "events": events,
        "of_log": one.source == "log",
        "where": list(one.where),
        "keys": [{"name": name, **of(named)} for name, named in one.keys.items()],
        "measures": [
            {
                "name": measure.name,
                "kind": measure.measure,
                **of(measure.of, measure.steps or events),
                "where": list(measure.where),
                "most": measure.most or 0,
                "edges": list(measure.edges),
                "steps": list(measure.steps),
                "half_life_seconds": aggregate_definition.seconds(measure.decay.halfLife)
                if measure.decay
                else 0,
            }
            for measure in one.measures
        ],
        "derived": [{"name": part.name, "kind": part.derive, "of": part.roles()} for part in one.derived],
        "most_keys": one.mostKeys,
        "ranked_by": aggregate_definition.ranked_by(one),
        "lateness_seconds": lateness,
        "retention_days": aggregate_definition.seconds(one.retention) // _DAY,
        "window_seconds": aggregate_definition.seconds(one.window),
    }


def _least_lateness(one: AggregateDefinition, types: Mapping[str, _Type]) -> int:
    return min(
        contract.lateness_seconds for name in _events(one, types) for contract in types[name].contracts
    )


class _Lint:
    """What is wrong with an aggregate of these events."""

    def __init__(self, one: AggregateDefinition, types: Mapping[str, _Type], schemas_dir: Path) -> None:
        self._one, self._all, self._schemas = one, types, schemas_dir
        self._events = _events(one, types)
        self._types = {name: types[name] for name in self._events if name in types}

    def problems(self) -> Iterator[tuple[str, str]]:
        """A pointer and a sentence each."""
        one = self._one
        for at, name in enumerate(self._events):
            if name not in self._all:
                yield f"/events/{at}", f"no contract describes {name}{meant(name, self._all)}"
        if len(self._types) < len(set(self._events)):
            return
        yield from self._stores()
        yield from self._spans()
        for name, named in one.keys.items():
            yield from self._of(named, f"/keys/{name}", KEY_TYPES, "a key", self._events)
        for at, measure in enumerate(one.measures):
            if measure.of is not None and measure.measure in TYPES:
                here = f"/measures/{at}/of"
                events = measure.steps or self._events
                yield from self._of(measure.of, here, TYPES[measure.measure], measure.measure, events)
            for number, name in enumerate(measure.steps):
                if name not in self._events:
                    sentence = f"{name} is none of its events{meant(name, self._events, listed=True)}"
                    yield f"/measures/{at}/steps/{number}", sentence
        yield from self._conditions()
        yield from aggregate_derived.problems(one, self._types_of)

    def _types_of(self, measure: aggregate_definition.MeasureDefinition) -> set[str]:
        """The types of the columns that a measure is of."""
        events = measure.steps or self._events
        named = aggregate_definition.of_types(measure.of, events).items()
        known = {name: of.fields for name, of in self._types.items()}
        return {known[name][column].type for name, column in named if column in known.get(name, {})}

    def _stores(self) -> Iterator[tuple[str, str]]:
        one = self._one
        logged = [name for name, of in self._types.items() if of.newest.store == "none"]
        kept = [name for name in self._types if name not in logged]
        if logged and kept:
            yield (
                f"/events/{self._events.index(logged[0])}",
                f"{logged[0]} goes straight to the log (store: none) and {kept[0]} does not: make an aggregate of each",
            )
        elif logged and one.source != "log":
            yield (
                "/events",
                f"{logged[0]} goes straight to the log (store: none), so it is counted at least once until a day is sealed: "
                "say so by source: log",
            )
        elif kept and one.source == "log":
            yield (
                "/source",
                f"{kept[0]} is stored in the table, and its events are counted once: leave source out",
            )

    def _spans(self) -> Iterator[tuple[str, str]]:
        if self._one.lateness is None:
            return
        for name, of in self._types.items():
            for contract in of.contracts:
                if aggregate_definition.seconds(self._one.lateness) > contract.retention_days * _DAY:
                    yield (
                        "/lateness",
                        f"{name} is refused once it is {contract.retention_days} days old: at most {contract.retention_days}d",
                    )

    def _of(
        self,
        named: aggregate_definition.Columns,
        pointer: str,
        allowed: Sequence[str],
        what: str,
        events: Sequence[str],
    ) -> Iterator[tuple[str, str]]:
        """What is wrong with the columns of a key or measure."""
        found: dict[str, str] = {}
        for event_type, column in aggregate_definition.of_types(named, events).items():
            here = pointer if isinstance(named, str) else f"{pointer}/{event_type}"
            of = self._types.get(event_type)
            if of is None:
                yield here, f"{event_type} is none of its events{meant(event_type, self._types, listed=True)}"
            elif column not in of.fields:
                yield here, self._missing(event_type, column)
            else:
                kind = of.fields[column].type
                found[event_type] = kind
                yield from ((here, one) for one in _unfit(of, event_type, column, allowed, what))
        if len(set(found.values())) > 1:
            listed = ", ".join(f"{kind} in {name}" for name, kind in found.items())
            yield pointer, f"its columns are of one type, and these are {listed}"

    def _missing(self, event_type: str, column: str) -> str:
        """Why there is no such field, and since when if there was one."""
        of = self._types[event_type]
        had = [one.version for one in of.contracts[:-1] if column in fields(one)]
        if not had:
            had = [*self._published_with(event_type, column)]
        if had:
            return (
                f"{event_type} {of.newest.version} has no field {column}, which {had[-1]} had: take another, "
                "or end the aggregate with it"
            )
        if column in of.columns:
            return f"{column} of {event_type} is a list or an object, and an aggregate reads single values"
        return f"{event_type} has no field {column}{meant(column, of.fields, listed=True)}"

    def _published_with(self, event_type: str, column: str) -> Iterator[str]:
        """Versions that were published with such a field, and are gone."""
        for one in publications.published(self._schemas):
            if one.event_type == event_type:
                names = {
                    "_".join(snake(part) for part in pointer.strip("/").split("/"))
                    for pointer, _ in _leaves(orjson.loads(one.texts["jsonschema"]))
                }
                if column in names or column.removeprefix("meta_") in names:
                    yield one.version

    def _conditions(self) -> Iterator[tuple[str, str]]:
        one = self._one
        groups = [("/where", one.where, one.where)] if one.where else []
        groups += [
            (f"/measures/{at}/where", measure.where, [*one.where, *measure.where])
            for at, measure in enumerate(one.measures)
            if measure.where
        ]
        for pointer, listed, together in groups:
            found = [
                problem
                for event_type, of in self._types.items()
                for problem in self._of_conditions(listed, pointer, event_type, of)
            ]
            yield from dict.fromkeys(found)
            if found:
                return
            yield from self._never(together, pointer)

    def _of_conditions(
        self, listed: list[dict[str, Any]], pointer: str, event_type: str, of: _Type
    ) -> Iterator[tuple[str, str]]:
        for here, sentence in conditions.problems(listed, of.fields, pointer):
            missing = sentence.startswith("there is no field ")
            name = sentence.rpartition(" ")[2]
            yield here, self._missing(event_type, name) if missing else sentence
        for name, kind in _leaf_kinds(listed):
            column = of.columns.get(name)
            if column is not None and column.classification in PROTECTED and kind != "present":
                yield (
                    pointer,
                    f"{name} of {event_type} is {column.classification}: a token or `sealed` is stored in its place, so all that can be asked is whether it is there",
                )
        for name in conditions.compared(listed):
            if name in of.users:
                yield pointer, f"{name} of {event_type} {USERS}"

    def _never(self, listed: Sequence[Mapping[str, Any]], pointer: str) -> Iterator[tuple[str, str]]:
        """Conditions that no event meets; of the aggregate's own, also what is met by no event of one type."""
        dead = {
            event_type: reason
            for event_type, of in self._types.items()
            if (reason := satisfiable.why_never(listed, event_type, of.fields, of.columns))
        }
        every = len(dead) == len(self._types)
        if every or (dead and pointer == "/where"):
            event_type, reason = next(iter(dead.items()))
            way_out = "" if every else f", or leave {event_type} out of its events"
            yield pointer, f"no {event_type} ever meets this: {reason}; change the condition{way_out}"


def _unfit(of: _Type, event_type: str, column: str, allowed: Sequence[str], what: str) -> Iterator[str]:
    kind = of.fields[column].type
    if kind not in allowed:
        reason = ""
        if kind == "double" and what in ("sum", "mean"):
            reason = (
                ": added in another order, floats have another sum; declare it as a decimal or an integer"
            )
        yield f"{column} of {event_type} is a {kind}, and {what} takes {', '.join(allowed)}{reason}"
    described = of.columns.get(column)
    if described is not None and described.classification in PROTECTED:
        yield f"{column} of {event_type} is {described.classification}, and answers show keys and measures to all who may read them"
    if what == "a key" and column in _NO_KEYS:
        yield f"{column} is of no use as a key: {_NO_KEYS[column]}"
    for version, older in of.other_types(column):
        yield f"{column} is a {older} in {event_type} {version} and a {kind} in {of.newest.version}: an aggregate reads it in one type"


def _leaf_kinds(listed: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for one in listed:
        if "field" in one:
            yield str(one["field"]), next(iter(set(one) - {"field"}), "")
        else:
            yield from _leaf_kinds(next((one[group] for group in conditions.GROUPS if group in one), ()))


def _leaves(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    data = schema.get("properties", {}).get("data", {}).get("properties", {})
    for part in ("payload", "metadata"):
        yield from leaves(data.get(part, {}), "")
