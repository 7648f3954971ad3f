"""Filter patterns of an event source mapping, in the rule syntax that Lambda takes from EventBridge.

Source: AWS Lambda Developer Guide, "Control which events Lambda sends to your function", "Filter rule syntax";
Amazon EventBridge User Guide, "Comparison operators for use in event patterns".
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAXIMUM_FILTERS = 5


class InvalidPatternError(ValueError):
    """A pattern that AWS would refuse when the mapping is created."""


@dataclass(frozen=True, slots=True)
class Number:
    """A JSON number as it was written.

    Source: "Filter rule syntax", "Comparison operators": for numbers Lambda compares the text, so 300, 300.0
    and 3.0e2 are not equal; the ``numeric`` operator compares values.
    """

    text: str


_MISSING = object()
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class FilterCriteria:
    """Up to five patterns; a record passes when one of them matches."""

    def __init__(self, patterns: Sequence[Mapping[str, Any] | str], keys: frozenset[str]) -> None:
        """Compile ``patterns`` (JSON text or objects) whose top-level keys must be in ``keys``.

        Source: "Control which events Lambda sends to your function", first section: five filters a mapping,
        ORed; AWS checks a pattern when it is set.

        Raises:
            InvalidPatternError: too many patterns, or one of another form.
        """
        if len(patterns) > MAXIMUM_FILTERS:
            raise InvalidPatternError(f"{len(patterns)} filters; a mapping takes {MAXIMUM_FILTERS}")
        self.patterns = [parse(p if isinstance(p, str) else json.dumps(p)) for p in patterns]
        for pattern in self.patterns:
            _check(pattern)
            for key in _top_keys(pattern):
                if key not in keys:
                    raise InvalidPatternError(
                        f"{key!r} cannot be filtered on; this source allows {sorted(keys)}"
                    )

    def pass_on(self, document: str | None) -> bool:
        """Whether a record goes to the function; ``None`` is a record that filters cannot read."""
        if not self.patterns:
            return True
        if document is None:
            return False
        value = parse(document)
        return any(_matches(pattern, value) for pattern in self.patterns)


def parse(text: str) -> Any:
    """Parse JSON and keep numbers as they were written.

    Raises:
        InvalidPatternError: not JSON.
    """
    try:
        return json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_refuse)
    except ValueError as error:
        raise InvalidPatternError(f"not JSON: {error}") from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _top_keys(pattern: dict[str, Any]) -> set[str]:
    keys = set(pattern) - {"$or"}
    return keys.union(*(_top_keys(choice) for choice in pattern.get("$or", [])))


def _check(pattern: Any) -> None:
    if not isinstance(pattern, dict) or not pattern:
        raise InvalidPatternError(f"a pattern is an object with keys, not {pattern!r}")
    for key, rule in pattern.items():
        if key == "$or":
            if not isinstance(rule, list) or len(rule) < 2:
                raise InvalidPatternError("$or takes a list of two patterns or more")
            for choice in rule:
                _check(choice)
        elif isinstance(rule, dict):
            _check(rule)
        elif isinstance(rule, list) and rule:
            for one in rule:
                _check_rule(one)
        else:
            raise InvalidPatternError(f"{key!r} takes a list of values or rules, not {rule!r}")


def _check_rule(rule: Any) -> None:
    if not isinstance(rule, dict):
        if isinstance(rule, list):
            raise InvalidPatternError("a list inside a list of rules")
        return
    if len(rule) != 1:
        raise InvalidPatternError(f"a rule has one operator: {rule!r}")
    ((name, value),) = rule.items()
    if name in ("prefix", "suffix", "equals-ignore-case"):
        good = isinstance(value, str)
    elif name == "exists":
        good = isinstance(value, bool)
    elif name == "numeric":
        good = isinstance(value, list) and len(value) in (2, 4)
        good = good and all(op in _COMPARE for op in value[::2])
        good = good and all(isinstance(number, Number) for number in value[1::2])
    elif name == "anything-but":
        good = value != []
    else:
        raise InvalidPatternError(f"unknown operator {name!r}")
    if not good:
        raise InvalidPatternError(f"{name!r} does not take {value!r}")


def _matches(pattern: dict[str, Any], document: Any) -> bool:
    fields = document if isinstance(document, dict) else {}
    for key, rule in pattern.items():
        if key == "$or":
            matched = any(_matches(choice, fields) for choice in rule)
        elif isinstance(rule, dict):
            value = fields.get(key)
            inner = value if isinstance(value, list) else [value]
            matched = any(_matches(rule, one) for one in inner)
        else:
            leaf = fields.get(key, _MISSING)
            # EventBridge User Guide, "Event patterns", "Matching arrays": one common element is enough.
            values = leaf if isinstance(leaf, list) else [leaf]
            matched = any(_rule_matches(one, value) for one in rule for value in values)
        if not matched:
            return False
    return True


def _rule_matches(rule: Any, value: Any) -> bool:
    """Whether one rule matches one leaf value, or ``_MISSING``.

    Source: "Filter rule syntax", "Comparison operators"; ``exists`` works on leaf nodes only (EventBridge User
    Guide, "Exists matching"), and every other operator needs the field to be there.
    """
    # An object is an intermediate node: for ``exists`` it is as if there was no field.
    if value is _MISSING or isinstance(value, dict):
        return isinstance(rule, dict) and rule.get("exists") is False
    if not isinstance(rule, dict):
        return bool(rule == value)
    ((name, wanted),) = rule.items()
    return _OPERATORS[name](wanted, value)


def _numeric(wanted: list[Any], value: Any) -> bool:
    return isinstance(value, Number) and all(
        _COMPARE[op](float(value.text), float(number.text))
        for op, number in zip(wanted[::2], wanted[1::2], strict=True)
    )


def _anything_but(wanted: Any, value: Any) -> bool:
    refused = wanted if isinstance(wanted, list) else [wanted]
    return not any(_rule_matches(one, value) for one in refused)


def _text_rule(holds: Callable[[str, str], bool]) -> Callable[[Any, Any], bool]:
    return lambda wanted, value: isinstance(value, str) and holds(value, wanted)


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "exists": lambda wanted, _: bool(wanted),
    "numeric": _numeric,
    "anything-but": _anything_but,
    "equals-ignore-case": _text_rule(lambda value, wanted: value.casefold() == wanted.casefold()),
    "prefix": _text_rule(str.startswith),
    "suffix": _text_rule(str.endswith),
}
