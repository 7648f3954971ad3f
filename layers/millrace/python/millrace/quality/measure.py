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

    Returns:
        One result a check. A check that cannot be computed is `uncomputable(<name>)`, a warning on every row: it must not
        keep the rows of its table out, nor those of other tables.

    Raises:
        duckdb.Error: the relation cannot be read.
    """
    import duckdb  # noqa: PLC0415  only the workers have it

    if not checks:
        return []
    try:
        return _measured(connection, relation, checks)
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.ConnectionException):
        raise
    except duckdb.Error:
        # Raises where it is the relation that is to blame.
        (rows,) = connection.execute(f"SELECT count(*) FROM {relation}").fetchone()  # noqa: S608  a relation of ours
        return [_alone(connection, relation, check, rows) for check in checks]


def _alone(connection: Any, relation: str, check: Check, rows: int) -> CheckResult:
    import duckdb  # noqa: PLC0415

    try:
        (result,) = _measured(connection, relation, [check])
    except (duckdb.IOException, duckdb.OutOfMemoryException, duckdb.ConnectionException):
        raise
    except duckdb.Error:
        return CheckResult(f"uncomputable({check.name})", "warning", rows, rows)
    return result


def _measured(connection: Any, relation: str, checks: Sequence[Check]) -> list[CheckResult]:
    expressions = [part for check in checks for part in (check.failed, check.value)]
    counts = ",\n  ".join(part.replace(OBJECT, relation) for part in expressions)
    rows, *values = connection.execute(f"SELECT count(*),\n  {counts}\nFROM {relation}").fetchone()
    return [
        CheckResult(check.name, check.severity, int(failed or 0), rows, value)
        for check, failed, value in zip(checks, values[::2], values[1::2], strict=True)
    ]
