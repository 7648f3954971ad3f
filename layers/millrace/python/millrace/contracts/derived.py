"""Columns of silver that follow from one field: a closed list of kinds, each in Python and in SQL, proven equal by a test.

A contract lists them in its custom property `silver`, as `{column, kind, of}` and the parameters of the kind:

| kind | of | parameters | is |
|---|---|---|---|
| `city`, `country` | a text "City, Country" | – | what stands before and behind its last comma; without one all is the city |
| `band` | a decimal or integer | `edges`, `labels` | the label of the band: the first below the first edge, the last from the last |
| `above` | a decimal or integer | `than` | whether it is greater |
| `hour` | a timestamp | – | 0 to 23, by the offset that it carries |
| `weekday` | a timestamp | – | 1 (Monday) to 7, by the offset that it carries |
| `weekend` | a timestamp | – | whether that is a Saturday or Sunday |

A derived value is null exactly where its field is, except that a place may have an empty part.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from millrace.contracts.column_types import Column, Scalar, type_of
from millrace.contracts.contract import PROTECTED
from millrace.core.sql import literal

Rule = Mapping[str, Any]
# What Python's `strip` takes away; SQL's `trim` removes only spaces unless it is given more.
_SPACE = "".join(
    chr(code)
    for code in (
        *(*range(0x09, 0x0E), *range(0x1C, 0x21), 0x85, 0xA0, 0x1680),
        *(*range(0x2000, 0x200B), 0x2028, 0x2029, 0x202F, 0x205F, 0x3000),
    )
)
_PLACE, _NUMBER, _MOMENT = (
    frozenset({"string"}),
    frozenset({"decimal", "int", "long"}),
    frozenset({"timestamptz"}),
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """A kind: types of its field, names of its parameters, and its forms.

    `schema`: of the column. `value`: from what JSON holds. `sql`: from SQL of the field's text and of its typed value.
    """

    types: frozenset[str]
    parameters: frozenset[str]
    schema: Callable[[Rule], dict[str, Any]]
    value: Callable[[Rule, Any], Any]
    sql: Callable[[Rule, str, str], str]
    nullable: bool = False


def columns(rules: Iterable[Rule], declared: Sequence[Column]) -> tuple[Column, ...]:
    """The columns of the rules.

    Args:
        rules: a contract's `silver`.
        declared: the columns that its fields make.
    """
    sources = {column.pointer: column for column in declared if column.pointer is not None}
    return tuple(_column(rule, sources[rule["of"]]) for rule in rules)


def value(rule: Rule, field: Any) -> Any:
    """A derived value, from the field's value as JSON holds it."""
    return None if field is None else _KINDS[rule["kind"]].value(rule, field)


def sql(rule: Rule, text: str, typed: str) -> str:
    """The same in DuckDB's SQL.

    Args:
        rule: of a contract's `silver`.
        text: SQL of the field as the text that JSON holds.
        typed: SQL of its column.
    """
    return _KINDS[rule["kind"]].sql(rule, text, typed)


def problems(rules: Sequence[Any], declared: Sequence[Column]) -> Iterator[str]:
    """What is wrong with a contract's `silver`; the names of its columns are judged with all others."""
    sources = {column.pointer: column for column in declared if column.pointer is not None}
    for index, rule in enumerate(rules):
        here = f"silver {index + 1}"
        kind = _KINDS.get(str(rule.get("kind")))
        if kind is None:
            yield f"{here}: a kind is one of {', '.join(_KINDS)}, not {rule.get('kind')}"
            continue
        expected = {"column", "kind", "of", *kind.parameters}
        if set(rule) - {"description"} != expected:
            yield f"{here}: {rule['kind']} has {', '.join(sorted(expected - {'kind'}))} and, if any, a description"
            continue
        source = sources.get(rule["of"])
        if source is None or not str(rule["of"]).startswith("/data/"):
            yield f"{here}: no column is of {rule['of']}"
        elif not isinstance(source.type, Scalar) or source.type.name not in kind.types:
            yield f"{here}: {rule['of']} is none of {', '.join(sorted(kind.types))}"
        elif source.classification in PROTECTED:
            yield f"{here}: {rule['of']} is {source.classification}, so nothing can be read from it"
        yield from (f"{here}: {sentence}" for sentence in _parameters(rule))


def _column(rule: Rule, source: Column) -> Column:
    kind = _KINDS[rule["kind"]]
    schema = kind.schema(rule)
    return Column(
        name=rule["column"],
        pointer=None,
        type=type_of(schema),
        required=source.required and not kind.nullable,
        description=rule.get("description", ""),
        schema=schema,
        classification=source.classification,
    )


def _parameters(rule: Rule) -> Iterator[str]:
    if not isinstance(rule["column"], str):
        yield "column is a name"
    if rule["kind"] == "above" and not _is_number(rule["than"]):
        yield "than is a number"
    if rule["kind"] == "band":
        edges, labels = rule["edges"], rule["labels"]
        if not isinstance(edges, list) or not edges or not all(map(_is_number, edges)):
            yield "edges is a list of numbers"
        elif sorted(set(edges)) != edges:
            yield "edges ascend"
        elif not isinstance(labels, list) or len(labels) != len(edges) + 1:
            yield "there is one label more than edges"
        elif len(set(labels)) != len(labels) or not all(isinstance(label, str) for label in labels):
            yield "labels are different texts"


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _place(field: str) -> tuple[str | None, str | None]:
    city, comma, country = field.rpartition(",")
    return (city if comma else country).strip() or None, country.strip() or None if comma else None


def _place_sql(part: str) -> str:
    # To look for every kind of space takes longer than all the rest of a row, and hardly a place has one that is not
    # plain: so only where the plain trim leaves something other than ASCII at an end.
    plain = f"trim({part})"
    ends = " AND ".join(f"unicode({end}) BETWEEN 33 AND 127" for end in (plain, f"right({plain}, 1)"))
    return f"nullif(CASE WHEN {ends} THEN {plain} ELSE trim({part}, '{_SPACE}') END, '')"


def _city_sql(_: Rule, text: str, __: str) -> str:
    before = f"left({text}, length({text}) - length(string_split({text}, ',')[-1]) - 1)"
    return _place_sql(f"CASE WHEN contains({text}, ',') THEN {before} ELSE {text} END")


def _country_sql(_: Rule, text: str, __: str) -> str:
    return _place_sql(f"CASE WHEN contains({text}, ',') THEN string_split({text}, ',')[-1] END")


def _number(field: float) -> Decimal:
    # By its text: 0.1 is meant as 0.1, not as the nearest float.
    return Decimal(repr(field))


def _band(rule: Rule, field: float) -> str:
    edges = [_number(edge) for edge in rule["edges"]]
    label: str = rule["labels"][sum(_number(field) >= edge for edge in edges)]
    return label


def _band_sql(rule: Rule, _: str, typed: str) -> str:
    *labels, last = (literal(label) for label in rule["labels"])
    cases = " ".join(
        f"WHEN {typed} < {edge!r} THEN {label}" for edge, label in zip(rule["edges"], labels, strict=True)
    )
    return f"CASE {cases} WHEN {typed} IS NOT NULL THEN {last} END"


def _weekday_sql(text: str) -> str:
    # By the text's own date: as a moment it is in UTC.
    return f"CAST(isodow(TRY_CAST(left({text}, 10) AS DATE)) AS INTEGER)"


_KINDS: dict[str, _Kind] = {
    "city": _Kind(
        _PLACE,
        frozenset(),
        lambda _: {"type": "string"},
        lambda _, field: _place(field)[0],
        _city_sql,
        nullable=True,
    ),
    "country": _Kind(
        _PLACE,
        frozenset(),
        lambda _: {"type": "string"},
        lambda _, field: _place(field)[1],
        _country_sql,
        nullable=True,
    ),
    "band": _Kind(
        _NUMBER,
        frozenset({"edges", "labels"}),
        lambda rule: {"type": "string", "enum": list(rule["labels"])},
        _band,
        _band_sql,
    ),
    "above": _Kind(
        _NUMBER,
        frozenset({"than"}),
        lambda _: {"type": "boolean"},
        lambda rule, field: _number(field) > _number(rule["than"]),
        lambda rule, _, typed: f"({typed} > {rule['than']!r})",
    ),
    "hour": _Kind(
        _MOMENT,
        frozenset(),
        lambda _: {"type": "integer", "minimum": 0, "maximum": 23},
        lambda _, field: datetime.fromisoformat(field).hour,
        lambda _, text, __: f"TRY_CAST(substr({text}, 12, 2) AS INTEGER)",
    ),
    "weekday": _Kind(
        _MOMENT,
        frozenset(),
        lambda _: {"type": "integer", "minimum": 1, "maximum": 7},
        lambda _, field: datetime.fromisoformat(field).isoweekday(),
        lambda _, text, __: _weekday_sql(text),
    ),
    "weekend": _Kind(
        _MOMENT,
        frozenset(),
        lambda _: {"type": "boolean"},
        lambda _, field: datetime.fromisoformat(field).isoweekday() >= 6,
        lambda _, text, __: f"({_weekday_sql(text)} >= 6)",
    ),
}
