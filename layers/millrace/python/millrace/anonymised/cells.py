"""What each person has in each of the finest groups, made in DuckDB from rows: all that grouping and its checks read."""

from itertools import pairwise
from typing import TYPE_CHECKING

from millrace.anonymised.definition import OTHER, UNKNOWN, Anonymised, Dimension
from millrace.anonymised.period import Period
from millrace.core.sql import identifier, literal

if TYPE_CHECKING:
    import duckdb

CELLS = "cells"
_ROWS = "generalised"


def make(
    connection: "duckdb.DuckDBPyConnection", definition: Anonymised, relation: str, period: Period
) -> None:
    """Makes the table `cells`: a person, the value of each dimension (`d1`, …), and each measure (`m1`, …).

    Rows of nobody are left out: they cannot be counted as anybody's.

    Args:
        connection: where the rows are.
        definition: how they are grouped.
        relation: SQL of the source, of one tenant.
        period: whose rows.
    """
    values = [f"{_value(one)} AS d{at}" for at, one in enumerate(definition.dimensions, 1)]
    measures = [
        f"{f'COALESCE({identifier(one.column)}, 0)' if one.column else '1'} AS m{at}"
        for at, one in enumerate(definition.measures, 1)
    ]
    subject, time = identifier(definition.subject), identifier(definition.time)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {_ROWS} AS SELECT {', '.join([f'CAST({subject} AS VARCHAR) AS person', *values, *measures])} "  # noqa: S608
        f"FROM {relation} WHERE {subject} IS NOT NULL "
        f"AND {time} >= {literal(period.begins.isoformat())}::TIMESTAMPTZ "
        f"AND {time} < {literal(period.ends.isoformat())}::TIMESTAMPTZ"
    )
    for at, one in enumerate(definition.dimensions, 1):
        if one.kind == "text":
            connection.execute(_cut(f"d{at}", one.keep))
    names = [f"d{at}" for at in range(1, len(values) + 1)]
    sums = [f"SUM(m{at}) AS m{at}" for at in range(1, len(measures) + 1)]
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {CELLS} AS SELECT {', '.join(['person', *names, *sums])} FROM {_ROWS} GROUP BY ALL"  # noqa: S608
    )
    connection.execute(f"DROP TABLE {_ROWS}")


def _value(one: Dimension) -> str:
    column = identifier(one.column)
    match one.kind:
        case "month":
            made = f"strftime({column}, '%Y-%m')"
        case "quarter":
            made = f"strftime({column}, '%Y') || '-Q' || quarter({column})"
        case "year":
            made = f"strftime({column}, '%Y')"
        case "buckets":
            made = _bucket(column, one.buckets)
        case "text":
            made = f"NULLIF(CAST({column} AS VARCHAR), '')"
    return f"COALESCE({made}, {literal(UNKNOWN)})"


def _bucket(column: str, begins: tuple[int, ...]) -> str:
    """`under 5`, `5 to 9`, `10 and more`; of whole numbers the last of an interval is in its name, of others in none."""
    cases = [f"WHEN {column} < {begins[0]} THEN {literal(f'under {begins[0]}')}"]
    for low, after in pairwise(begins):
        name = str(low) if after == low + 1 else f"{low} to {after - 1}"
        cases.append(f"WHEN {column} < {after} THEN {literal(name)}")
    cases.append(f"WHEN {column} IS NOT NULL THEN {literal(f'{begins[-1]} and more')}")
    return f"CASE {' '.join(cases)} END"


def _cut(name: str, keep: int) -> str:
    """Names the values that most people have, and no other."""
    kept = f"SELECT {name} FROM {_ROWS} GROUP BY {name} ORDER BY COUNT(DISTINCT person) DESC, {name} LIMIT {keep}"  # noqa: S608
    return f"UPDATE {_ROWS} SET {name} = {literal(OTHER)} WHERE {name} NOT IN ({kept})"  # noqa: S608
