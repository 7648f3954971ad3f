"""A rule's detection, as pySigma parses it, as conditions on the events of a source. Build only.

Where Sigma leaves open what is meant, and where it says so:

- Texts are compared in any case of letters, unless `cased` is said.
- A field that is absent equals nothing; `null` and `exists: false` say that it is absent.
- A field that only some types of the source have is absent in the others.
"""

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sigma.conditions import (
    ConditionAND,
    ConditionFieldEqualsValueExpression,
    ConditionNOT,
    ConditionOR,
    ConditionValueExpression,
)
from sigma.types import (
    CompareOperators,
    SigmaBool,
    SigmaCasedString,
    SigmaCIDRExpression,
    SigmaCompareExpression,
    SigmaExists,
    SigmaExpansion,
    SigmaFieldReference,
    SigmaNull,
    SigmaNumber,
    SigmaRegularExpression,
    SigmaString,
    SigmaTimestampPart,
    SigmaType,
    SpecialChars,
    TimestampPart,
)

from millrace.compiler import satisfiable
from millrace.compiler.sentences import USERS, meant
from millrace.compiler.sigma.groups import Compiled, all_of, any_of, negated
from millrace.compiler.sigma.sources import Kind, Source
from millrace.contracts import columns as silver
from millrace.contracts import conditions, wildcards
from millrace.contracts.conditions import Condition
from millrace.contracts.fields import Field

Report = Callable[[str, str], None]
"""Takes the field that something is wrong with, as the rule calls it (or nothing), and the sentence."""
_KINDS: Mapping[CompareOperators, tuple[str, Callable[[float, float], bool]]] = {
    CompareOperators.LT: ("below", operator.lt),
    CompareOperators.LTE: ("atMost", operator.le),
    CompareOperators.GT: ("above", operator.gt),
    CompareOperators.GTE: ("atLeast", operator.ge),
}
_NUMBERS = frozenset({"int", "long", "decimal", "double"})
_HOURS = range(24)
_UNSUPPORTED = {
    SigmaFieldReference: "a condition compares a field with a constant, not with another field (fieldref)",
    SigmaRegularExpression: "flags of regular expressions: engines fold letters differently; write both, such as [Aa]",
    SigmaCIDRExpression: "a network is of IPv4: an address of IPv6 has several texts",
    SigmaTimestampPart: "of a moment only the hour can be asked, as a whole number from 0 to 23, UTC",
}


class Unsupported(Exception):  # noqa: N818  it carries a sentence, and is caught where it is raised
    """What a rule asks cannot be said in our conditions."""


def compile_detection(tree: Any, source: Source, report: Report) -> dict[str, list[Condition]]:
    """Conditions by contract (`order.created.v1`), for the types of the source that the rule can match at all.

    Args:
        tree: of the rule's condition, as pySigma parses it.
        source: of its events.
        report: takes what cannot be compiled; the answer is then of no use.
    """
    found: dict[str, list[Condition]] = {}
    reported = set[tuple[str, str]]()

    def once(field: str, sentence: str) -> None:
        if (field, sentence) not in reported:
            reported.add((field, sentence))
            report(field, sentence)

    for kind in source.kinds:
        compiled = _Compiler(kind, source, once).of(tree)
        if compiled is True and not reported:
            once("", f"it matches every event of {kind.contract.name}")
        elif not isinstance(compiled, bool):
            found[kind.contract.name] = [*compiled.get("all", [compiled])]
            for _, sentence in conditions.problems(found[kind.contract.name], kind.fields, ""):
                once("", sentence)
    if not reported:
        possible, reason = _possible(found, source)
        if not possible:
            once("", f"no event can match it{reason}")
        for sentence in _of_older_majors(possible, source):
            once("", sentence)
        return possible
    return found


def _possible(found: Mapping[str, list[Condition]], source: Source) -> tuple[dict[str, list[Condition]], str]:
    """What can hold for an event that its contract accepts, and why the rest cannot."""
    possible, reason = {}, ""
    for kind in source.kinds:
        if (name := kind.contract.name) in found:
            columns = {column.name: column for column in silver.columns(kind.contract)}
            why = satisfiable.why_never(found[name], kind.contract.event_type, kind.fields, columns)
            if why:
                reason = f": {why}"
            else:
                possible[name] = found[name]
    return possible, reason


def _of_older_majors(found: Mapping[str, list[Condition]], source: Source) -> Iterator[str]:
    """Types of which the rule would match old events only: what it reads is gone."""
    by_type: dict[str, list[Kind]] = {}
    for kind in sorted(source.kinds, key=lambda one: one.contract.major):
        by_type.setdefault(kind.contract.event_type, []).append(kind)
    for *older, newest in by_type.values():
        matching = [one.contract.name for one in older if one.contract.name in found]
        if matching and newest.contract.name not in found:
            read = {*conditions.names(found[matching[-1]])} - newest.fields.keys()
            lacks = f", which has no {', '.join(sorted(read))}" if read else ""
            yield f"it matches events of {matching[-1]} and none of {newest.contract.name}{lacks}: name what that has instead"


class _Compiler:
    def __init__(self, kind: Kind, source: Source, report: Report) -> None:
        self._kind, self._source, self._report = kind, source, report

    def of(self, node: Any) -> Compiled:
        match node:
            case ConditionAND():
                return all_of(map(self.of, node.args))
            case ConditionOR():
                return any_of(map(self.of, node.args))
            case ConditionNOT():
                return negated(self.of(node.args[0]))
            case ConditionFieldEqualsValueExpression():
                return self._leaf(node.field, node.value)
            case ConditionValueExpression():
                self._report(
                    "", f"{node.value} stands without a field, and no index of ours has all texts of an event"
                )
            case _:
                self._report("", "its condition cannot be read")
        return False

    def _leaf(self, name: str, value: SigmaType) -> Compiled:
        column = self._source.column(name)
        if column is None:
            self._report(name, self._source.problem(name))
            return False
        field = self._kind.fields.get(column)
        if field is None:
            return isinstance(value, SigmaNull) or (isinstance(value, SigmaExists) and not value.exists)
        kind = self._kind.protected.get(column)
        if kind is not None and not isinstance(value, SigmaNull | SigmaExists):
            self._report(
                name, f"{column} is {kind}: what is stored in its place says only whether it was there"
            )
            return False
        if column in self._kind.users and not isinstance(value, SigmaNull | SigmaExists):
            self._report(name, f"{column} {USERS}")
            return False
        try:
            compiled = _condition(field, value)
            self._check_values(field, compiled)
        except Unsupported as error:
            self._report(name, str(error))
            return False
        return compiled

    def _check_values(self, field: Field, compiled: Compiled) -> None:
        """Refuses a text that none of the values is that the contract allows."""
        values = self._kind.values.get(field.name)
        pattern = compiled.get("like") if isinstance(compiled, Mapping) else None
        if values and pattern is not None and not any(map(wildcards.test(pattern), values)):
            raise Unsupported(
                f"{field.name} is one of {', '.join(values)}, never {pattern}{meant(pattern, values)}"
            )


def _condition(field: Field, value: SigmaType) -> Compiled:
    match value:
        case SigmaNull():
            return {"field": field.name, "present": False}
        case SigmaExists():
            return {"field": field.name, "present": value.exists}
        case SigmaExpansion():
            return any_of(_condition(field, one) for one in value.values)
        case SigmaTimestampPart():
            return _hour(field, value, [value.number])
        case SigmaCompareExpression():
            return _comparison(field, value)
        case SigmaNumber() | SigmaBool():
            return _constant(field, value)
        case SigmaCIDRExpression() if value.network.version == 4:
            return any_of(_like(field, one, cased=False) for one in value.expand())
        case SigmaRegularExpression() if not value.flags:
            return _checked(field, {"field": field.name, "matches": "".join(map(str, value.regexp.s))})
        case SigmaString():
            return _text(field, value)
    raise Unsupported(_UNSUPPORTED.get(type(value), f"{type(value).__name__} has no condition of ours"))


def _constant(field: Field, value: SigmaNumber | SigmaBool) -> Compiled:
    if field.type == "string" and isinstance(value, SigmaNumber):
        return {"field": field.name, "equals": str(value.number)}
    constant = value.number if isinstance(value, SigmaNumber) else value.boolean
    return _checked(field, {"field": field.name, "equals": constant})


def _text(field: Field, value: SigmaString) -> Compiled:
    said = ""
    for part in value.s:
        if isinstance(part, str):
            said += wildcards.escaped(part)
        elif part is SpecialChars.WILDCARD_MULTI:
            said += "*"
        elif part is SpecialChars.WILDCARD_SINGLE:
            said += "?"
        else:
            raise Unsupported("a placeholder stands for a list that is kept elsewhere (expand)")
    if field.type == "string":
        return _like(field, said, cased=isinstance(value, SigmaCasedString))
    if value.contains_special():
        raise Unsupported(f"{field.name} is a {field.type}, and wildcards are of texts")
    return _checked(field, {"field": field.name, "equals": str(value)})


def _like(field: Field, pattern: str, *, cased: bool) -> Compiled:
    return _checked(field, {"field": field.name, "likeCased" if cased else "like": pattern})


def _comparison(field: Field, value: SigmaCompareExpression) -> Compiled:
    if value.op is CompareOperators.NEQ:
        return negated(_condition(field, value.number))
    kind, holds = _KINDS[value.op]
    if isinstance(value.number, SigmaTimestampPart):
        return _hour(field, value.number, [hour for hour in _HOURS if holds(hour, value.number.number)])
    if field.type not in _NUMBERS:
        raise Unsupported(f"{field.name} is a {field.type}, and {value.op.name.lower()} compares numbers")
    return _checked(field, {"field": field.name, kind: value.number.number})


def _hour(field: Field, part: SigmaTimestampPart, hours: Sequence[float]) -> Compiled:
    if part.timestamp_part is not TimestampPart.HOUR:
        raise Unsupported(_UNSUPPORTED[SigmaTimestampPart])
    # No hour fulfils some comparisons, such as `hour|lt: 0`.
    return _checked(field, {"field": field.name, "hour": [*hours]}) if hours else False


def _checked(field: Field, condition: Condition) -> Condition:
    for _, sentence in conditions.problems([condition], {field.name: field}, ""):
        raise Unsupported(sentence)
    return condition
