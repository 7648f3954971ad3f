"""Checks that the author of a table contract wrote: `quality` of the Open Data Contract Standard, v3.2. Pure.

Understood are `type: library` with the metrics `nullValues`, `missingValues`, `invalidValues`, `duplicateValues` and
`rowCount`, and `type: sql` with a `query` of one number, in which `${object}` (also `{object}`, `${table}`, `{table}`)
is the table and `${property}` (`{property}`, `${column}`, `{column}`) the column. `type: text` is prose. `severity`
is `blocking`, `error` or `critical` for a check that keeps rows out; anything else warns.
"""

import re
from collections.abc import Iterator
from typing import Any, Literal

from millrace.core.sql import identifier, literal

OBJECT = "${object}"
METRICS = ("nullValues", "missingValues", "invalidValues", "duplicateValues", "rowCount")
_BLOCKING = frozenset({"blocking", "error", "critical"})
_OPERATORS = {
    "mustBe": "=",
    "mustNotBe": "<>",
    "mustBeGreaterThan": ">",
    "mustBeGreaterOrEqualTo": ">=",
    "mustBeLessThan": "<",
    "mustBeLessOrEqualTo": "<=",
}
_TABLE = re.compile(r"\$?\{(?:object|table|model)\}")
_COLUMN = re.compile(r"\$?\{(?:property|column|field)\}")
Written = tuple[str, Literal["blocking", "warning"], str]


def rule(rule: dict[str, Any]) -> Iterator[Written]:
    """Name, severity and failed count of a written check; nothing for prose.

    Args:
        rule: as the contract has it; `column` is added where the check stands at a property.

    Raises:
        ValueError: it is of no kind that is understood here; contracts are compiled, so a build finds it.
    """
    kind = rule.get("type", "library")
    if kind == "text":
        return
    severity = _severity(rule)
    column = rule.get("column")
    if kind == "sql":
        query = _TABLE.sub(lambda _: OBJECT, rule["query"]).strip().rstrip(";")
        if column is not None:
            query = _COLUMN.sub(lambda _: identifier(column), query)
        yield _name(rule, "sql"), severity, _judged(f"({query})", rule)
    elif kind == "library":
        metric = rule.get("metric", rule.get("rule"))
        yield _name(rule, str(metric)), severity, _judged(_metric(str(metric), rule), rule)
    else:
        raise ValueError(f"no check is of type {kind}")


def unique(rule: dict[str, Any]) -> tuple[str, ...]:
    """The columns that no two of the checked rows share, by a written check that is blocking; none by any other check."""
    if rule.get("metric", rule.get("rule")) != "duplicateValues" or _severity(rule) != "blocking":
        return ()
    return tuple(_columns(rule)) if rule.get("mustBe") == 0 else ()


def duplicates(columns: list[str]) -> str:
    """How many rows repeat another row in these columns; a null equals nothing."""
    names = [identifier(name) for name in columns]
    value = names[0] if len(names) == 1 else f"({', '.join(names)})"
    present = " AND ".join(f"{name} IS NOT NULL" for name in names)
    return f"count(*) FILTER (WHERE {present}) - count(DISTINCT {value}) FILTER (WHERE {present})"


def _metric(metric: str, rule: dict[str, Any]) -> str:
    arguments = rule.get("arguments") or {}
    if metric == "rowCount":
        return "count(*)"
    columns = _columns(rule)
    if metric not in METRICS or not columns:
        raise ValueError(f"no check has the metric {metric} of {columns or 'no column'}")
    name = identifier(columns[0])
    if metric == "duplicateValues":
        return duplicates(columns)
    if metric == "nullValues":
        return f"count(*) FILTER (WHERE {name} IS NULL)"
    if metric == "missingValues":
        missing = arguments.get("missingValues", [None, ""])
        texts = ", ".join(literal(value) for value in missing if value is not None)
        alike = f" OR CAST({name} AS VARCHAR) IN ({texts})" if texts else ""
        return f"count(*) FILTER (WHERE {name} IS NULL{alike})"
    conditions = []
    if "validValues" in arguments:
        conditions.append(
            f"{name} NOT IN ({', '.join(literal(value) for value in arguments['validValues'])})"
        )
    if "pattern" in arguments:
        conditions.append(f"NOT regexp_matches({name}, {literal(arguments['pattern'])})")
    if not conditions:
        raise ValueError(f"invalidValues of {columns[0]} needs validValues or a pattern")
    return f"count(*) FILTER (WHERE {' OR '.join(conditions)})"


def _columns(rule: dict[str, Any]) -> list[str]:
    arguments = rule.get("arguments") or {}
    return [rule["column"]] if rule.get("column") else list(arguments.get("properties", ()))


def _severity(rule: dict[str, Any]) -> Literal["blocking", "warning"]:
    return "blocking" if str(rule.get("severity", "")).lower() in _BLOCKING else "warning"


def _judged(value: str, rule: dict[str, Any]) -> str:
    """The failed count of a number: itself where it should be 0, else 1 where it is not as it must be."""
    measured = f"(100.0 * {value} / nullif(count(*), 0))" if rule.get("unit") == "percent" else value
    wanted = [f"{measured} {sign} {literal(rule[name])}" for name, sign in _OPERATORS.items() if name in rule]
    for name, negated in (("mustBeBetween", ""), ("mustNotBeBetween", "NOT ")):
        if name in rule:
            low, high = rule[name]
            wanted.append(f"{measured} {negated}BETWEEN {literal(low)} AND {literal(high)}")
    if not wanted or (list(_OPERATORS) and wanted == [f"{measured} = 0"]):
        return f"coalesce({value}, 0)"
    return f"(CASE WHEN {' AND '.join(wanted)} THEN 0 ELSE 1 END)"


def _name(rule: dict[str, Any], kind: str) -> str:
    if rule.get("name") or rule.get("id"):
        return str(rule.get("name") or rule["id"])
    about = rule.get("column") or ",".join((rule.get("arguments") or {}).get("properties", ()))
    return f"{kind}({about})"
