"""Which checks a table's rows are held to: those that follow from its columns, its rules, and those its author wrote.

A check is a SQL aggregate that counts what breaks it, so that all of a table's checks are one pass.

| check | of | severity |
|---|---|---|
| `not_null(column)` | required columns, and required fields of the structs in a list | blocking |
| `unique(column)` | the event id; a table contract's `unique` columns | blocking |
| `range(column)` | minimum, maximum, either exclusive, multiples of a whole number | blocking |
| `accepted(column)` | enumerations | blocking |
| `equalsSum(…)`, `notBefore(…)`, `requiredIf(…)` | the rules of an event's contract | blocking |
| `length(column)`, `pattern(column)` | texts, and how many items a list has | warning |
| as its author named it | `quality` of a table contract | as it is written; else `warning` |

Of silver, the few rows that break a blocking check are dead letters and their tenant-day is committed.

Pure. Two more are no row's fault and judged elsewhere: `freshness` only has the newest row measured here, its age is judged
when a run is published; `balance` (rows in = rows + duplicates + dead) is the commit's.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from millrace.contracts.columns import Column, Scalar
from millrace.contracts.contract import PROTECTED
from millrace.contracts.tables import LakeTable
from millrace.core.sql import identifier
from millrace.quality import written
from millrace.quality.conditions import broken

Severity = Literal["blocking", "warning"]
BALANCE, FRESHNESS = "balance", "freshness"
_WARNINGS = frozenset({"length", "pattern"})


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    Attributes:
        name: such as `range(total_amount)`; unique in its table.
        severity: whether rows that break it keep their tenant-day out of the table.
        failed: a SQL aggregate over the rows, the number of those that break it; `${object}` stands for the relation.
        value: a SQL aggregate of what is to be known besides: for `freshness` the newest row, in milliseconds since
            1970.
        condition: what is true of each row that breaks it; empty where no single row does.
    """

    name: str
    severity: Severity
    failed: str
    value: str = "NULL"
    condition: str = ""


def checks_of(table: LakeTable) -> tuple[Check, ...]:
    """Every check of a table that rows can break, in the order of its columns."""
    checks: dict[str, Check] = {}
    for check in _all(table):
        # Two rules may be about the same column.
        name, number = check.name, 2
        while name in checks:
            name, number = f"{check.name}#{number}", number + 1
        checks[name] = replace(check, name=name)
    return tuple(checks.values())


def _all(table: LakeTable) -> Iterator[Check]:
    for column in table.columns:
        yield from _of_column(column)
    for name, condition in table.rules:
        yield _of_rows(name, "blocking", condition)
    for rule in table.quality:
        yield from (Check(name, severity, failed) for name, severity, failed in written.rule(rule))
    newest = newest_column(table)
    if table.freshness_hours is not None and newest is not None:
        kind = next((column.type for column in table.columns if column.name == newest), None)
        # A row of a day is as new as the day's end.
        end = " + INTERVAL 1 DAY" if kind == Scalar("date") else ""
        moment = f"CAST(max({identifier(newest)}){end} AS TIMESTAMPTZ)"
        yield Check(FRESHNESS, "warning", "0", f"epoch_ms({moment})")


def unique_columns(table: LakeTable) -> Iterator[tuple[str, ...]]:
    """Columns that no two rows share among those that are checked at once: a tenant's or, for grain `day`, its day's."""
    yield from ((column.name,) for column in table.columns if column.unique)
    yield from filter(None, map(written.unique, table.quality))


def newest_column(table: LakeTable) -> str | None:
    """The column of how new a row is: its arrival, else the table's own time; None where it has neither."""
    names = {column.name for column in table.columns}
    return "received_at" if "received_at" in names else table.time_column


def _of_column(column: Column) -> Iterator[Check]:
    name = identifier(column.name)
    if column.required:
        yield _of_rows(f"not_null({column.name})", "blocking", f"{name} IS NULL")
    if column.unique:
        yield Check(f"unique({column.name})", "blocking", written.duplicates([column.name]))
    # A protected value is kept as a token or encrypted, so it has no length or pattern of its contract.
    if column.classification in PROTECTED:
        return
    kinds: dict[str, list[str]] = {}
    for kind, field, condition in broken(name, column.name, column.schema, column.type):
        kinds.setdefault(f"{kind}({field})", []).append(condition)
    for check, conditions in kinds.items():
        severity: Severity = "warning" if check.partition("(")[0] in _WARNINGS else "blocking"
        yield _of_rows(check, severity, " OR ".join(conditions))


def _of_rows(name: str, severity: Severity, condition: str) -> Check:
    # A condition that is unknown, because a value is absent, breaks nothing.
    return Check(name, severity, f"count(*) FILTER (WHERE {condition})", condition=condition)
