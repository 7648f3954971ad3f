"""Sigma's correlation rules as patterns (`compiler/patterns.py`). Build only.

| Sigma | pattern |
|---|---|
| `event_count` with `gte` or `gt` | `count` |
| `value_count` with `gte` or `gt` | `count` of events that differ in a field |
| `temporal` | `all` |
| `temporal_ordered` | `sequence` |

A rule that a correlation refers to raises no alerts of its own, unless the correlation says `generate: true`.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

from pydantic import ValidationError
from sigma.correlations import (
    SigmaCorrelationCondition,
    SigmaCorrelationConditionOperator,
    SigmaCorrelationRule,
    SigmaCorrelationType,
)

from millrace.compiler.pattern_definition import PatternDefinition
from millrace.compiler.patterns import Types, compile_definition
from millrace.compiler.sentences import meant, sentences
from millrace.compiler.sigma.sources import Source
from millrace.sigma.rules import SEVERITIES

_KINDS = {
    SigmaCorrelationType.EVENT_COUNT: "count",
    SigmaCorrelationType.VALUE_COUNT: "count",
    SigmaCorrelationType.TEMPORAL: "all",
    SigmaCorrelationType.TEMPORAL_ORDERED: "sequence",
}
_AT_LEAST = {SigmaCorrelationConditionOperator.GTE: 0, SigmaCorrelationConditionOperator.GT: 1}
_HOUR = timedelta(hours=1)
_JOINED = {"user_key": "user", "session_id": "session", "correlation_id": "correlation"}
Report = Callable[[str, str], None]
"""Takes a JSON pointer and a sentence."""
Base = tuple[dict[str, Any], Source]
"""A rule as it is compiled, and its source."""


def pattern(
    rule: SigmaCorrelationRule,
    head: Mapping[str, Any],
    known: Mapping[str, Base],
    types: Types,
    report: Report,
) -> dict[str, Any] | None:
    """The pattern of a correlation, as the bundle has it.

    Args:
        rule: as pySigma parses it.
        head: name, version, title, description, level and owner.
        known: the rules that it may refer to, by name, id and file.
        types: of events.
        report: takes what cannot be said as a pattern; the answer is then None.
    """
    found = list[str]()

    def refuse(part: str, sentence: str) -> None:
        found.append(sentence)
        report(f"/correlation{part}", sentence)

    bases = [*_bases(rule, known, refuse)]
    logs = {source.lines for _, source in bases}
    if len(logs) > 1:
        both = " and ".join(sorted("events" if one is None else f"lines of {one.called}" for one in logs))
        refuse("/rules", f"{both} are in different places, and are not joined")
    longest = next((one.longest for one in logs if one is not None), None)
    if longest is not None and timedelta(seconds=rule.timespan.seconds) > longest:
        refuse("/timespan", f"lines of this log are joined within {longest // _HOUR} hours at most")
    steps = [step for base, _ in bases if (step := _step(base, refuse)) is not None]
    by, kind = _by(rule, bases, refuse), _KINDS.get(rule.type)
    if kind is None:
        refuse(
            "/type",
            f"{rule.type.name.lower()} makes a number of values, which is the work of an aggregate: there are event_count, "
            "value_count, temporal and temporal_ordered",
        )
    elif kind == "count" and steps:
        steps = [{**steps[0], "count": _least(rule, steps, refuse), **_distinct(rule, bases, refuse)}]
    elif rule.condition != _all_of(rule):
        refuse("/condition", "of a temporal correlation all of the rules have to match")
    if rule.timespan.seconds % 60:
        refuse("/timespan", "a span is of whole minutes")
    if found:
        return None
    document = {
        **{name: head[name] for name in ("name", "version", "title", "description", "owner")},
        "severity": SEVERITIES[head["level"]],
        "pattern": kind,
        "by": by,
        "within": f"{rule.timespan.seconds // 60}m",
        "steps": steps,
    }
    try:
        one = PatternDefinition.model_validate(document)
    except ValidationError as error:
        for _, sentence in sentences(error, document, PatternDefinition):
            refuse("", sentence)
        return None
    compiled, problems = compile_definition(one, types)
    for sentence in dict.fromkeys(sentence for _, sentence in problems):
        refuse("", sentence)
    return compiled


def _bases(rule: SigmaCorrelationRule, known: Mapping[str, Base], refuse: Report) -> Iterable[Base]:
    for at, reference in enumerate(rule.rules or ()):
        if reference.reference in known:
            yield known[reference.reference]
        else:
            refuse(
                f"/rules/{at}", f"there is no rule {reference.reference}{meant(reference.reference, known)}"
            )
    if not rule.rules:
        refuse("/rules", "it lists the rules that it is about")


def _step(base: Mapping[str, Any], refuse: Report) -> dict[str, Any] | None:
    types = {name.rpartition(".v")[0] for name in base["where"]}
    conditions = [*base["where"].values()]
    if len(types) > 1 or any(one != conditions[0] for one in conditions):
        refuse("/rules", f"{base['name']} is about several types, and a step of a pattern is of one")
        return None
    return {"name": base["name"], "event": types.pop(), "where": conditions[0]}


def _by(rule: SigmaCorrelationRule, bases: Iterable[Base], refuse: Report) -> Any:
    if rule.group_by is None or len(rule.group_by) != 1:
        refuse("/group-by", "a pattern joins events by one field, such as userId")
        return None
    name = rule.group_by[0]
    alias = {one.alias: one.mapping for one in rule.aliases}.get(name, {})
    named = {reference.reference: field for reference, field in alias.items()}
    columns = set()
    for base, source in bases:
        field = next(
            (named[one] for one in (base["name"], base["id"], base["sigma_name"]) if one in named), name
        )
        column = source.column(field)
        if column is None:
            refuse("/group-by", source.problem(field))
        columns.add(column)
    if len(columns) > 1:
        refuse(
            "/group-by",
            f"{name} is {' and '.join(sorted(map(str, columns)))}, and a pattern joins by one field",
        )
    column = next(iter(columns), None)
    return _JOINED.get(str(column), {"field": column})


def _least(rule: SigmaCorrelationRule, steps: Iterable[Any], refuse: Report) -> int:
    condition = rule.condition
    if len([*steps]) > 1:
        refuse("/rules", "a count is of one rule")
    if not isinstance(condition, SigmaCorrelationCondition) or condition.op not in _AT_LEAST:
        refuse("/condition", "a count tells when there are so many, with gte or gt")
        return 2
    return int(condition.count) + _AT_LEAST[condition.op]


def _distinct(rule: SigmaCorrelationRule, bases: Iterable[Base], refuse: Report) -> dict[str, str]:
    """The field whose values are counted, of `value_count`."""
    if rule.type is not SigmaCorrelationType.VALUE_COUNT:
        return {}
    name = rule.condition.fieldref if isinstance(rule.condition, SigmaCorrelationCondition) else None
    if not isinstance(name, str):
        refuse("/condition", "a count of values is of those of one field: field: NAME")
        return {}
    _, source = next(iter(bases))
    column = source.column(name)
    if column is None:
        refuse("/condition/field", source.problem(name))
        return {}
    return {"distinct": column}


def _all_of(rule: SigmaCorrelationRule) -> SigmaCorrelationCondition:
    return SigmaCorrelationCondition(SigmaCorrelationConditionOperator.GTE, len(rule.rules or ()))
