"""Cross-field rules: a closed list of kinds, so that each has a form in SQL as well.

| kind | parameters | an event breaks it when |
|---|---|---|
| `equalsSum` | `total`, `items`, `factors`, `tolerance` | the total is further than the tolerance from Σ of the factors' products |
| `notBefore` | `later`, `earlier` | the moment or day `later` lies before `earlier` |
| `requiredIf` | `field`, `when`, `equals` | `when` has one of the values of `equals` and `field` is absent |
| `reference` | `field`, `type`, `key` | never; `rules_sql.unknown_references` finds the ids that no event of the type has introduced |

A rule is judged only when the schema found nothing wrong with what it reads; where that is absent, the rule holds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

from millrace.contracts.decimals import is_decimal
from millrace.contracts.errors import FieldError
from millrace.contracts.pointers import parse, read
from millrace.contracts.schema import types

Check = Callable[[Any], FieldError | None]
_PARAMETERS: dict[str, frozenset[str]] = {
    "equalsSum": frozenset({"kind", "total", "items", "factors", "tolerance"}),
    "notBefore": frozenset({"kind", "later", "earlier"}),
    "requiredIf": frozenset({"kind", "field", "when", "equals"}),
    "reference": frozenset({"kind", "field", "type", "key"}),
}
_POINTERS = {
    "equalsSum": ("total", "items"),
    "notBefore": ("later", "earlier"),
    "requiredIf": ("field", "when"),
}
# Up to this size of all terms, float errors stay below a tenth of the step of a decimal.
_EXACT_ENOUGH = 1e9


@dataclass(frozen=True, slots=True)
class Rule:
    """The Python form of a rule: what it reads, and how it judges a whole event."""

    reads: tuple[str, ...]
    check: Check


def compile_rule(rule: dict[str, Any]) -> Rule | None:
    """The Python form of a rule; None for a rule that never refuses."""
    makers = {"equalsSum": _equals_sum, "notBefore": _not_before, "requiredIf": _required_if}
    make = makers.get(rule["kind"])
    return Rule(tuple(rule[name] for name in _POINTERS[rule["kind"]]), make(rule)) if make else None


def problems(
    rules: Sequence[dict[str, Any]],
    fields: dict[str, dict[str, Any]],
    protected: frozenset[str] = frozenset(),
) -> Iterator[tuple[int, str]]:
    """What is wrong with the rules of a contract: index and sentence.

    Args:
        rules: as the contract has them.
        fields: JSON Schema of every field that a rule may read, by its pointer.
        protected: pointers of fields whose values are not kept as they came.
    """
    for index, rule in enumerate(rules):
        kind = rule.get("kind")
        if kind not in _PARAMETERS:
            yield index, f"a kind is one of {', '.join(_PARAMETERS)}, not {kind}"
        elif set(rule) != _PARAMETERS[kind]:
            yield index, f"{kind} has the parameters {', '.join(sorted(_PARAMETERS[kind] - {'kind'}))}"
        else:
            for name in _POINTERS.get(kind, ("field",)):
                if rule[name] not in fields or "*" in rule[name]:
                    yield index, f"{name}: no field that a rule may read is {rule[name]}"
                elif rule[name] in protected and not (kind == "requiredIf" and name == "field"):
                    yield index, f"{name}: {rule[name]} is protected, so its value cannot be compared"
            yield from ((index, sentence) for sentence in _KIND_PROBLEMS[kind](rule, fields))


def _equals_sum(rule: dict[str, Any]) -> Check:
    pointer, total_at, items_at = rule["total"], parse(rule["total"]), parse(rule["items"])
    factors: tuple[str, ...] = tuple(rule["factors"])
    first, second = factors[0], factors[-1] if len(factors) > 1 else None
    tolerance = Decimal(str(rule["tolerance"]))
    near = float(tolerance)

    def check(event: Any) -> FieldError | None:
        total, items = read(event, total_at), read(event, items_at)
        if total is None or items is None:
            return None
        value, size = 0.0, abs(total)
        try:
            for item in items:
                product = item[first] if second is None else item[first] * item[second]
                value += product
                size += product if product > 0 else -product
        except (KeyError, TypeError):
            # A factor is absent or null, as its contract allows: then there is no sum to equal.
            return None
        # Floats settle all but totals at the very edge of the tolerance, at a tenth of the time.
        off = abs(total - value)
        if size < _EXACT_ENOUGH and abs(off - near) > 1e-6:
            if off <= near:
                return None
        elif _is_near(total, items, factors, tolerance):
            return None
        message = (
            f"must be the sum of its parts within {rule['tolerance']}: {_exact(items, factors).normalize():f}"
        )
        return FieldError(pointer, "rule", message[:80])

    return check


def _is_near(total: float, items: list[dict[str, Any]], factors: tuple[str, ...], tolerance: Decimal) -> bool:
    # Two factors have up to 36 digits; the usual 28 would round them before large ones cancel out.
    with localcontext(prec=80):
        return abs(_decimal(total) - _exact(items, factors)) <= tolerance


def _exact(items: list[dict[str, Any]], factors: tuple[str, ...]) -> Decimal:
    total = Decimal(0)
    for item in items:
        product = Decimal(1)
        for factor in factors:
            product *= _decimal(item[factor])
        total += product
    return total


def _decimal(value: float) -> Decimal:
    # By its text: 0.1 is meant as 0.1, not as the nearest float.
    return Decimal(repr(value))


def _not_before(rule: dict[str, Any]) -> Check:
    pointer, later_at, earlier_at = rule["later"], parse(rule["later"]), parse(rule["earlier"])

    def check(event: Any) -> FieldError | None:
        later, earlier = _moment(read(event, later_at)), _moment(read(event, earlier_at))
        if later is None or earlier is None or later >= earlier:
            return None
        return FieldError(pointer, "rule", f"must not be before {rule['earlier']}"[:80])

    return check


def _moment(value: Any) -> datetime | None:
    """A moment, or a day as its beginning in UTC: the compiler lets a rule compare only two of a kind."""
    try:
        moment = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _required_if(rule: dict[str, Any]) -> Check:
    pointer, field_at, when_at = rule["field"], parse(rule["field"]), parse(rule["when"])
    values: list[Any] = rule["equals"]

    def check(event: Any) -> FieldError | None:
        if read(event, field_at) is not None:
            return None
        actual = read(event, when_at)
        # By type as well: in Python True == 1, in JSON it is not.
        if not any(
            actual == value and isinstance(actual, bool) == isinstance(value, bool) for value in values
        ):
            return None
        return FieldError(pointer, "rule", f"is required when {rule['when']} is {actual}"[:80])

    return check


def _is_exact(schema: dict[str, Any]) -> bool:
    return is_decimal(schema) or types(schema) == {"integer"}


def _equals_sum_problems(rule: dict[str, Any], fields: dict[str, dict[str, Any]]) -> Iterator[str]:
    if not _is_exact(fields.get(rule["total"], {})):
        yield f"total: {rule['total']} is neither a decimal nor an integer"
    # Two factors of 18 digits fit SQL's 38; a third would not.
    if not isinstance(rule["factors"], list) or not 1 <= len(rule["factors"]) <= 2:
        yield "factors is a list of one or two fields of the items"
        return
    for factor in rule["factors"]:
        if not _is_exact(fields.get(f"{rule['items']}/*/{factor}", {})):
            yield f"factors: the items have no decimal or integer {factor}"
    if (
        isinstance(rule["tolerance"], bool)
        or not isinstance(rule["tolerance"], (int, float))
        or rule["tolerance"] < 0
    ):
        yield "tolerance is a number from 0"


def _not_before_problems(rule: dict[str, Any], fields: dict[str, dict[str, Any]]) -> Iterator[str]:
    formats = [fields.get(rule[name], {}).get("format") for name in ("later", "earlier")]
    if formats not in (["date-time", "date-time"], ["date", "date"]):
        yield f"{rule['later']} and {rule['earlier']} are not two timestamps or two dates"


def _required_if_problems(rule: dict[str, Any], fields: dict[str, dict[str, Any]]) -> Iterator[str]:
    if not isinstance(rule["equals"], list) or not rule["equals"]:
        yield "equals is a list of values"
        return
    when = fields.get(rule["when"], {})
    kind = {"string": str, "integer": int, "boolean": bool}.get("".join(types(when)))
    if kind is None or when.get("format") in ("date-time", "date"):
        yield f"when: {rule['when']} is not text, integer or boolean"
    elif not all(type(value) is kind for value in rule["equals"]):
        yield f"equals: {rule['when']} never has these values"
    elif strangers := [value for value in rule["equals"] if value not in when.get("enum", rule["equals"])]:
        values = ", ".join(str(value) for value in when["enum"] if value is not None)
        yield f"equals: {rule['when']} is never {strangers[0]}; it is one of {values}"


def _reference_problems(rule: dict[str, Any], _: dict[str, dict[str, Any]]) -> Iterator[str]:
    if not all(isinstance(rule[name], str) for name in ("field", "type", "key")):
        yield "field, type and key are texts"


_KIND_PROBLEMS: dict[str, Callable[[dict[str, Any], dict[str, dict[str, Any]]], Iterator[str]]] = {
    "equalsSum": _equals_sum_problems,
    "notBefore": _not_before_problems,
    "requiredIf": _required_if_problems,
    "reference": _reference_problems,
}
