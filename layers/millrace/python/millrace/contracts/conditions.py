r"""Conditions on an event's fields: a closed list of kinds, each in Python and in SQL with the same verdict. Pure.

A list of them holds where each holds. In YAML:

    where:
      - {field: amount, above: 1000}
      - {field: payment_method, in: [card, crypto]}
      - any:
          - {field: country, equals: DE}
          - all: [{field: country, present: false}, {field: amount, above: 5000}]
      - not: [{field: merchant, startsWith: test_}]

| kind | of | holds where the field |
|---|---|---|
| `equals` | any | is this value |
| `in` | any | is one of these values |
| `above`, `atLeast`, `below`, `atMost` | numbers, moments, dates | is greater, not less, less, not greater |
| `startsWith`, `contains` | texts | has this text, in this case of letters |
| `like`, `likeCased` | texts | is this text, in any case of letters or in this one; `*` stands for any characters, `?` for one, and `\` before either for itself |
| `matches` | texts | has a part that this regular expression matches, of those that all engines read alike |
| `hour` | moments | is in one of these hours of the day, 0 to 23, UTC |
| `present` | any | is there (`true`) or is not (`false`) |

A field that is absent meets only `present: false`. Fields are columns of silver (`contracts/fields.py`), constants are as JSON
has them: a decimal `12.5`, a moment `2026-11-30T00:00:00Z`.
"""

import operator
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import jsonschema_rs

from millrace.contracts import regular_expressions, wildcards
from millrace.contracts.fields import Field, Value, decimal, typed
from millrace.core import clock
from millrace.core.sql import identifier, literal

Condition = Mapping[str, Any]
Holds = Callable[[Mapping[str, Any]], bool]
_ORDER: dict[str, tuple[Callable[[Any, Any], bool], str]] = {
    "above": (operator.gt, ">"),
    "atLeast": (operator.ge, ">="),
    "below": (operator.lt, "<"),
    "atMost": (operator.le, "<="),
}
_ORDERED = frozenset({"int", "long", "decimal", "double", "timestamptz", "date"})
_OF_TEXT = frozenset({"startsWith", "contains", "like", "likeCased", "matches"})
KINDS = ("equals", "in", *_ORDER, *sorted(_OF_TEXT), "hour", "present")
GROUPS = ("any", "all", "not")
# How deeply groups may stand in each other.
DEPTH = 8
# https://github.com/google/re2/wiki/Syntax: RE2 repeats no part more often.
_REPEATS = 1000
_HOURS = range(24)
_HOUR_MICROS = 3_600_000_000


def names(conditions: Sequence[Condition]) -> Iterator[str]:
    """The fields that they read, each as often as it stands there."""
    for one in conditions:
        if "field" in one:
            yield one["field"]
        else:
            yield from names(_inside(one))


def compared(conditions: Sequence[Condition]) -> Iterator[str]:
    """The fields whose values are looked at; of others it is asked only whether they are there."""
    for one in conditions:
        if "field" not in one:
            yield from compared(_inside(one))
        elif "present" not in one:
            yield str(one["field"])


def problems(
    conditions: Any, fields: Mapping[str, Field], pointer: str, depth: int = 0
) -> Iterator[tuple[str, str]]:
    """Where each thing is wrong, as a JSON pointer, and what, as a sentence.

    Args:
        conditions: as they stand in a document.
        fields: that there are, by name.
        pointer: of the list.
        depth: of groups around it.
    """
    if not isinstance(conditions, list) or not conditions:
        yield pointer, "conditions are a list of at least one"
        return
    for at, one in enumerate(conditions):
        here = f"{pointer}/{at}"
        group = next((word for word in GROUPS if isinstance(one, dict) and set(one) == {word}), None)
        if group and depth < DEPTH:
            yield from problems(one[group], fields, f"{here}/{group}", depth + 1)
        elif group:
            yield here, f"any, all and not stand in each other {DEPTH} deep at most"
        elif not isinstance(one, dict) or len(one) != 2 or "field" not in one or not set(one) & set(KINDS):
            yield (
                here,
                f"a condition is a field and one of {', '.join(KINDS)}; or any, all or not, with a list",
            )
        elif not isinstance(one["field"], str) or one["field"] not in fields:
            yield f"{here}/field", f"there is no field {one['field']}"
        else:
            yield from _leaf_problems(one, fields[one["field"]], here)


def holds(conditions: Sequence[Condition], fields: Mapping[str, Field]) -> Holds:
    """Whether an event meets all of them; without any every event does."""
    tests = tuple(_test(one, fields) for one in conditions)
    if len(tests) == 1:
        return tests[0]
    return lambda event: all(test(event) for test in tests)


def sql(conditions: Sequence[Condition], fields: Mapping[str, Field]) -> str:
    """The same over the columns of silver, never null."""
    return " AND ".join(_sql(one, fields) for one in conditions) or "true"


def _leaf_problems(one: Condition, field: Field, here: str) -> Iterator[tuple[str, str]]:
    (kind,) = set(one) - {"field"}
    constant = one[kind]
    if kind == "present":
        if not isinstance(constant, bool):
            yield f"{here}/present", "it has to be true or false"
        return
    if kind in _ORDER and field.type not in _ORDERED:
        yield here, f"{field.name} is a {field.type}, which has no order"
        return
    if kind in _OF_TEXT and field.type != "string":
        yield here, f"{field.name} is a {field.type}, and {kind} is of texts"
        return
    constants = constant if kind in ("in", "hour") else [constant]
    if not isinstance(constants, list) or not constants:
        yield f"{here}/{kind}", "it has to be a list of at least one value"
        return
    if kind == "hour":
        yield from _hour_problems(constants, field, f"{here}/hour")
        return
    for value in constants:
        if typed(field.type, value) is None:
            yield f"{here}/{kind}", f"{field.name} is a {field.type}, and {value!r} is none"
        elif kind == "matches" and (sentence := _pattern_problem(value)):
            yield f"{here}/{kind}", sentence


def _hour_problems(constants: Sequence[Any], field: Field, here: str) -> Iterator[tuple[str, str]]:
    if field.type != "timestamptz":
        yield here, f"{field.name} is a {field.type}, and an hour is of moments"
    elif any(type(value) is not int or value not in _HOURS for value in constants):
        yield here, "hours are whole numbers from 0 to 23, UTC"


def _pattern_problem(pattern: str) -> str | None:
    if any(int(number) > _REPEATS for number in re.findall(r"[{,]([0-9]+)", pattern)):
        return f"its pattern repeats a part more than {_REPEATS:,} times"
    return regular_expressions.problem(pattern)


def _inside(one: Condition) -> Sequence[Condition]:
    """The conditions of a group."""
    return next((one[word] for word in GROUPS if word in one), ())


def _test(one: Condition, fields: Mapping[str, Field]) -> Holds:
    if "all" in one:
        return holds(one["all"], fields)
    if "any" in one:
        tests = tuple(_test(inner, fields) for inner in one["any"])
        return lambda event: any(test(event) for test in tests)
    if "not" in one:
        inside = holds(one["not"], fields)
        return lambda event: not inside(event)
    field = fields[one["field"]]
    (kind,) = set(one) - {"field"}
    return _leaf(kind, field, one[kind])


def _leaf(kind: str, field: Field, constant: Any) -> Holds:
    read = field.read
    if kind == "present":
        return lambda event: (read(event) is not None) is constant
    if kind == "hour":
        hours = frozenset(constant)
        return lambda event: (value := read(event)) is not None and int(value) // _HOUR_MICROS % 24 in hours
    if kind == "in":
        values = frozenset(typed(field.type, value) for value in constant)
        # None is among them only where the build has not looked; an absent field meets nothing.
        return lambda event: (value := read(event)) is not None and value in values
    if kind in _TEXT_TESTS:
        fits = _TEXT_TESTS[kind](constant)
        return lambda event: (value := read(event)) is not None and fits(str(value))
    wanted: Any = typed(field.type, constant)
    if kind == "equals":
        return lambda event: (value := read(event)) is not None and value == wanted
    compare = _ORDER[kind][0]
    return lambda event: (value := read(event)) is not None and compare(value, wanted)


def _pattern(pattern: str) -> Callable[[str], bool]:
    """Whether a text has a part that a pattern matches, in time linear in the text, whatever a client sends.

    This is the engine of the contracts' patterns; RE2, which DuckDB and Trino use, reads them alike.
    """
    return jsonschema_rs.Draft202012Validator(
        {"pattern": pattern}, pattern_options=jsonschema_rs.RegexOptions()
    ).is_valid


_TEXT_TESTS: Mapping[str, Callable[[str], Callable[[str], bool]]] = {
    "startsWith": lambda wanted: lambda text: text.startswith(wanted),
    "contains": lambda wanted: lambda text: wanted in text,
    "like": wildcards.test,
    "likeCased": wildcards.test_cased,
    "matches": _pattern,
}


def _sql(one: Condition, fields: Mapping[str, Field]) -> str:
    if "all" in one:
        return f"({sql(one['all'], fields)})"
    if "any" in one:
        return f"({' OR '.join(_sql(inner, fields) for inner in one['any'])})"
    if "not" in one:
        return f"NOT ({sql(one['not'], fields)})"
    field = fields[one["field"]]
    (kind,) = set(one) - {"field"}
    column, constant = identifier(field.name), one[kind]
    if kind == "present":
        return f"({column} IS {'NOT ' if constant else ''}NULL)"
    if kind == "hour":
        # In a session whose zone is UTC, as every one of ours is.
        return f"coalesce(extract(hour FROM {column}) IN ({', '.join(map(str, constant))}), false)"
    if kind == "in":
        return f"coalesce({column} IN ({', '.join(constant_sql(field, value) for value in constant)}), false)"
    if kind in ("like", "likeCased"):
        text = column if kind == "likeCased" else f"lower({column})"
        pattern = literal(wildcards.sql_pattern(constant, cased=kind == "likeCased"))
        return f"coalesce({text} LIKE {pattern} ESCAPE '\\', false)"
    value = constant_sql(field, constant)
    if kind in _OF_TEXT:
        function = {"startsWith": "starts_with", "contains": "contains", "matches": "regexp_matches"}[kind]
        return f"coalesce({function}({column}, {value}), false)"
    sign = "=" if kind == "equals" else _ORDER[kind][1]
    return f"coalesce({column} {sign} {value}, false)"


def constant_sql(field: Field, constant: Any) -> str:
    """A constant in the type of a field's column."""
    value: Value | None = typed(field.type, constant)
    if field.type == "decimal":
        return f"CAST('{decimal(int(value or 0))}' AS DECIMAL(18, 4))"
    if field.type == "timestamptz":
        return f"CAST('{clock.utc_micros(clock.from_epoch_micros(int(value or 0)))}' AS TIMESTAMPTZ)"
    if field.type == "date":
        return f"CAST('{value}' AS DATE)"
    if field.type == "double":
        return f"CAST({value!r} AS DOUBLE)"
    return literal(value)
