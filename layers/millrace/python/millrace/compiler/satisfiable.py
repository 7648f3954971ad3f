"""Whether conditions can hold for an event that its contract accepts, as far as fields and constants tell. Build only, pure.

What is found here never holds; what is not found may.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from millrace.contracts.column_types import Column
from millrace.contracts.conditions import Condition, holds
from millrace.contracts.fields import EVENT_TYPE, Field, Value, typed

_ORDER = {"above": (True, False), "atLeast": (True, True), "below": (False, False), "atMost": (False, True)}
_WORDS = {
    "minimum": "at least",
    "exclusiveMinimum": "above",
    "maximum": "at most",
    "exclusiveMaximum": "below",
}
_BOUNDS = {
    "minimum": "atLeast",
    "maximum": "atMost",
    "exclusiveMinimum": "above",
    "exclusiveMaximum": "below",
}


@dataclass(frozen=True, slots=True)
class _Domain:
    """What a field may be.

    Attributes:
        absent: whether it may be absent.
        values: that it may have; None: any.
        low: its least value, and whether that is within; None: any.
        high: its greatest value, likewise.
    """

    absent: bool
    present: bool = True
    values: frozenset[Value] | None = None
    low: tuple[Any, bool] | None = None
    high: tuple[Any, bool] | None = None

    def is_empty(self) -> bool:
        return not self.absent and not self.has_value()

    def has_value(self) -> bool:
        if not self.present:
            return False
        if self.values is not None:
            return any(self._holds(value) for value in self.values)
        if self.low is None or self.high is None:
            return True
        (low, has_low), (high, has_high) = self.low, self.high
        return bool(low < high or (low == high and has_low and has_high))

    def _holds(self, value: Any) -> bool:
        above = self.low is None or value > self.low[0] or (value == self.low[0] and self.low[1])
        below = self.high is None or value < self.high[0] or (value == self.high[0] and self.high[1])
        return above and below


# What any field may be.
ANY = _Domain(absent=True)


def domain(field: Field, column: Column | None) -> _Domain:
    """What a field may be by its contract. `column`: of silver; None for the event's type."""
    if column is None:
        return _Domain(absent=False)
    schema: Mapping[str, Any] = column.schema or {}
    found = _Domain(absent=not column.required)
    allowed = [schema["const"]] if "const" in schema else schema.get("enum")
    if allowed is not None:
        known = {typed(field.type, value) for value in allowed if value is not None}
        found = replace(found, values=frozenset(value for value in known if value is not None))
    for name, kind in _BOUNDS.items():
        bound = typed(field.type, schema[name]) if name in schema else None
        if bound is not None:
            found = _narrowed(found, kind, bound)
    return found


def only(value: Value) -> _Domain:
    """Of a field that is this value."""
    return _Domain(absent=False, values=frozenset({value}))


def why_never(
    conditions: Sequence[Condition],
    event_type: str,
    fields: Mapping[str, Field],
    columns: Mapping[str, Column],
) -> str:
    """Why no event of a type meets conditions, in words; empty where one may.

    Args:
        conditions: on its fields.
        event_type: the type.
        fields: of its events, by name.
        columns: of silver, by name.
    """
    domains = {name: domain(one, columns.get(name)) for name, one in fields.items()}
    domains[EVENT_TYPE] = only(event_type)
    name = never(conditions, domains, fields)
    if not name:
        return ""
    if never(conditions, dict.fromkeys(domains, ANY), fields):
        return f"the conditions on {name} exclude each other"
    return f"{name} is {event_type}" if name == EVENT_TYPE else _may_be(name, columns.get(name))


def _may_be(name: str, column: Column | None) -> str:
    """What a field may be by its contract, in words."""
    schema: Mapping[str, Any] = (column.schema or {}) if column is not None else {}
    if "enum" in schema:
        return f"{name} is one of {', '.join(str(value) for value in schema['enum'] if value is not None)}"
    bounds = [f"{word} {schema[key]}" for key, word in _WORDS.items() if key in schema]
    if bounds:
        return f"{name} is {' and '.join(bounds)}"
    return f"{name} is always there"


def never(
    conditions: Sequence[Condition], domains: Mapping[str, _Domain], fields: Mapping[str, Field]
) -> str:
    """The field because of which the conditions never hold together; empty where none is found."""
    return next(_contradictions(conditions, dict(domains), fields), "")


def _contradictions(
    conditions: Sequence[Condition], domains: dict[str, _Domain], fields: Mapping[str, Field]
) -> Iterator[str]:
    conditions = [*_flat(conditions)]
    for one in conditions:
        if "field" not in one:
            continue
        field = fields[one["field"]]
        domains[field.name] = _met(domains[field.name], field, one)
        if domains[field.name].is_empty():
            yield field.name
    for one in conditions:
        if "any" in one:
            inside = [next(_contradictions([part], dict(domains), fields), "") for part in one["any"]]
            if all(inside):
                yield inside[0]
        elif "not" in one:
            # Of a list only one condition has to fail; of one, it itself does.
            parts = one["not"]
            if len(parts) == 1 and "field" in parts[0] and (name := _always(parts[0], domains, fields)):
                yield name


def _flat(conditions: Sequence[Condition]) -> Iterator[Condition]:
    for one in conditions:
        if "all" in one:
            yield from _flat(one["all"])
        else:
            yield one


def _met(of: _Domain, field: Field, one: Condition) -> _Domain:
    """What is left of a field where a condition on it holds."""
    (kind,) = set(one) - {"field"}
    constant = one[kind]
    if kind == "present":
        return replace(of, absent=False) if constant else replace(of, present=False)
    found = replace(of, absent=False)
    if kind in ("equals", "in"):
        wanted = {typed(field.type, value) for value in (constant if kind == "in" else [constant])}
        named = frozenset(value for value in wanted if value is not None)
        return replace(found, values=named if found.values is None else found.values & named)
    if kind in _ORDER:
        return _narrowed(found, kind, typed(field.type, constant))
    if found.values is not None:
        itself = {field.name: Field(field.name, field.type, lambda event: event["value"])}
        test = holds([one], itself)
        return replace(found, values=frozenset(value for value in found.values if test({"value": value})))
    return found


def _always(one: Condition, domains: Mapping[str, _Domain], fields: Mapping[str, Field]) -> str:
    """The field of a condition that always holds; empty where one may not."""
    (kind,) = set(one) - {"field"}
    of = domains[fields[one["field"]].name]
    if kind == "present":
        certain = not of.absent if one[kind] else not of.has_value()
        return str(one["field"]) if certain else ""
    return ""


def _narrowed(of: _Domain, kind: str, bound: Any) -> _Domain:
    is_low, within = _ORDER[kind]
    old = of.low if is_low else of.high
    new = (bound, within)
    if old is not None and (old[0] == bound):
        new = (bound, old[1] and within)
    elif old is not None and (old[0] > bound) == is_low:
        new = old
    return replace(of, low=new) if is_low else replace(of, high=new)
