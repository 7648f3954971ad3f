"""Fields of events that aggregates, patterns, Sigma rules and watches read, and changes that take one from them. Build only.

A compiler of definitions refuses what is not there. The gate says it of the contract that is changed: who reads the field, and where.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from millrace.compiler import aggregate_definition, aggregates, anomalies, patterns
from millrace.compiler.aggregate_definition import AggregateDefinition
from millrace.compiler.diff import Breaking
from millrace.compiler.documents import yaml_file
from millrace.compiler.pattern_definition import PatternDefinition, StepDefinition
from millrace.compiler.places import at_line
from millrace.compiler.sigma import sources
from millrace.contracts import columns, conditions
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError, ContractProblem
from millrace.contracts.fields import fields
from millrace.patterns.definition import FIELD

# Kind of a reason that this module finds.
READ = "read"
# Whole numbers are read alike, however wide they are.
_WHOLE = frozenset({"int", "long"})


@dataclass(frozen=True, slots=True)
class Read:
    """A field that a definition reads.

    Attributes:
        file: of the definition, below `schemas/`.
        pointer: where the field is named in it.
        event_type: whose field.
        field: the column of silver.
        everywhere: whether each major of the type has to have it.
    """

    file: str
    pointer: str
    event_type: str
    field: str
    everywhere: bool = True


def gate_reads(
    before: Mapping[str, Contract], after: Iterable[Contract], schemas_dir: Path
) -> Iterator[Breaking]:
    """Each field that a changed or further contract takes from a definition, with the place where it is read.

    Args:
        before: the contracts of the base, by name.
        after: those of the folder that are not the same there.
        schemas_dir: the folder; its definitions are those that read.
    """
    changed = [*after]
    if not changed:
        return
    listed: dict[str, dict[Read, None]] = {}
    for one in reads(schemas_dir, before.values()):
        listed.setdefault(one.event_type, {})[one] = None
    newest = {one.event_type: one for one in sorted(before.values(), key=lambda one: one.major)}
    for contract in changed:
        base = before.get(contract.name, newest.get(contract.event_type))
        if base is None:
            continue
        had, has = ({name: one.type for name, one in fields(of).items()} for of in (base, contract))
        pointers = {one.name: one.pointer for one in columns.columns(base)}
        for read in listed.get(contract.event_type, ()):
            old, new = had.get(read.field), has.get(read.field)
            if (
                old in (None, new)
                or {old, new} <= _WHOLE
                or (base.major != contract.major and not read.everywhere)
            ):
                continue
            pointer = pointers.get(read.field) or f"/{read.field}"
            fate = "is not there" if new is None else f"was a {old} and is a {new}"
            yield Breaking(
                contract.name, pointer, READ, f"{_place(read, schemas_dir)} reads {read.field}, which {fate}"
            )


def _place(read: Read, schemas_dir: Path) -> str:
    """`schemas/patterns/card_testing.yaml:17 /steps/0/where`."""
    problem = ContractProblem(f"schemas/{read.file}", read.pointer, "")
    return at_line(problem, schemas_dir / read.file).removesuffix(": ")


def reads(schemas_dir: Path, contracts: Iterable[Contract]) -> Iterator[Read]:
    """What the definitions of a folder read of these contracts; a file that holds none is passed over."""
    known = [*contracts]
    counted = aggregates.DEFINITIONS.read(schemas_dir)[0]
    by_name = {one.name: [*_of_aggregate(file, one, known)] for file, one in counted.items()}
    for of_aggregate in by_name.values():
        yield from of_aggregate
    for file, watch in anomalies.DEFINITIONS.read(schemas_dir)[0].items():
        yield from (replace(one, file=file, pointer="/aggregate") for one in by_name.get(watch.aggregate, ()))
    for file, pattern in patterns.DEFINITIONS.read(schemas_dir)[0].items():
        yield from _of_pattern(file, pattern)
    yield from _of_sigma(schemas_dir, known)


def _of_aggregate(file: str, one: AggregateDefinition, contracts: Iterable[Contract]) -> Iterator[Read]:
    events = one.events
    if events == aggregate_definition.ALL:
        events = sorted({contract.event_type for contract in contracts})
    named = [(f"/keys/{name}", of) for name, of in one.keys.items()]
    named += [(f"/measures/{at}/of", measure.of) for at, measure in enumerate(one.measures) if measure.of]
    for pointer, of in named:
        for event_type, column in aggregate_definition.of_types(of, events).items():
            yield Read(file, pointer, event_type, column)
    tested = [
        ("/where", one.where),
        *((f"/measures/{at}/where", each.where) for at, each in enumerate(one.measures)),
    ]
    for pointer, where in tested:
        for name in conditions.names(where):
            yield from (Read(file, pointer, event_type, name) for event_type in events)


def _of_pattern(file: str, one: PatternDefinition) -> Iterator[Read]:
    steps: list[tuple[str, patterns.Step]] = [(f"/steps/{at}", step) for at, step in enumerate(one.steps)]
    if one.missing is not None:
        steps.append(("/missing", one.missing))
    events = {step.name: step.event for step in one.steps}
    for pointer, step in steps:
        for name in conditions.names(step.where):
            yield Read(file, f"{pointer}/where", step.event, name)
        if isinstance(step, StepDefinition) and step.distinct:
            yield Read(file, f"{pointer}/distinct", step.event, step.distinct)
        if isinstance(one.by, dict) and FIELD in one.by:
            yield Read(file, "/by/field", step.event, one.by[FIELD])
    for at, step in enumerate(one.steps):
        for word in ("same", "different"):
            for field, of in getattr(step, word).items():
                name, _, column = of.partition(".")
                here = f"/steps/{at}/{word}/{field}"
                yield Read(file, here, step.event, field)
                yield Read(file, here, events.get(name, ""), column)


def _of_sigma(schemas_dir: Path, contracts: list[Contract]) -> Iterator[Read]:
    """A rule may name a field of each major, so that only a change of one takes it away."""
    files = sorted((schemas_dir / sources.FOLDER).glob("*.yml"))
    if not files:
        return
    try:
        known = sources.Sources(yaml_file(schemas_dir / sources.FILE, sources.FILE), contracts)
    except ContractError:
        return
    rules = {f"{sources.FOLDER}/{path.name}": _document(path) for path in files}
    beside = _of_correlations(rules)
    for file, rule in rules.items():
        source = known.of(rule["logsource"]) if isinstance(rule.get("logsource"), dict) else ""
        if isinstance(source, str):
            continue
        named = [
            (file, here, key.partition("|")[0]) for here, key in _keys(rule.get("detection"), "/detection")
        ]
        named += [(file, "/subject", str(rule["subject"]))] if "subject" in rule else []
        for called in (Path(file).stem, rule.get("name"), rule.get("id")):
            named += beside.get(str(called), ())
        for where, pointer, name in named:
            column = source.column(name)
            for kind in source.kinds:
                if column is not None and column in kind.fields:
                    yield Read(where, pointer, kind.contract.event_type, column, everywhere=False)


def _of_correlations(rules: Mapping[str, Mapping[str, Any]]) -> dict[str, list[tuple[str, str, str]]]:
    """The fields that correlations name of each rule that they are about: file, pointer and name."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    for file, rule in rules.items():
        about = rule.get("correlation")
        if isinstance(about, dict):
            named = [(file, "/correlation/group-by", str(name)) for name in about.get("group-by") or ()]
            condition = about.get("condition")
            if isinstance(condition, dict) and "field" in condition:
                named.append((file, "/correlation/condition/field", str(condition["field"])))
            for reference in about.get("rules") or ():
                found.setdefault(str(reference), []).extend(named)
    return found


def _document(path: Path) -> Mapping[str, Any]:
    try:
        document = yaml_file(path, path.name)
    except ContractError:
        return {}
    return document if isinstance(document, dict) else {}


def _keys(part: Any, pointer: str) -> Iterator[tuple[str, str]]:
    """Each key inside, with its pointer."""
    pairs = part.items() if isinstance(part, dict) else enumerate(part) if isinstance(part, list) else ()
    for key, value in pairs:
        here = f"{pointer}/{key}"
        if isinstance(key, str):
            yield here, key
        yield from _keys(value, here)
