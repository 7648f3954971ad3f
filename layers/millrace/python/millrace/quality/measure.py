"""Counts on a relation what breaks each of a table's checks, in one pass."""

from collections.abc import Sequence
from typing import Any

from millrace.quality.checks import Check
from millrace.quality.result import CheckResult
from millrace.quality.written import OBJECT


def measure(connection: Any, relation: str, checks: Sequence[Check]) -> list[CheckResult]:
    """One result a check, in order.

    Args:
        connection: of DuckDB.
        relation: what stands behind FROM: a view's name, or `read_parquet('…')`.
        checks: of the table whose rows these are.

    Raises:
        duckdb.Error: the relation has not the columns that the checks ask for.
    """
    if not checks:
        return []
    expressions = [part for check in checks for part in (check.failed, check.value)]
    counts = ",\n  ".join(part.replace(OBJECT, relation) for part in expressions)
    rows, *found = connection.execute(f"SELECT count(*),\n  {counts}\nFROM {relation}").fetchone()
    return [
        CheckResult(check.name, check.severity, int(failed or 0), rows, value)
        for check, failed, value in zip(checks, found[::2], found[1::2], strict=True)
    ]
