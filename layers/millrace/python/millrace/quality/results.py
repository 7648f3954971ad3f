"""What a run found of its tables: the checks of all its parts summed up, tenant by tenant. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from millrace.contracts.tables import LakeTable
from millrace.core import clock
from millrace.quality.checks import FRESHNESS
from millrace.quality.result import CheckResult

Status = Literal["pass", "warn", "fail"]
_WORST: tuple[Status, ...] = ("pass", "warn", "fail")
_HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class TenantCheck:
    """A check over all rows of one tenant that a run looked at. `failed` of `rows` did not pass."""

    check: str
    severity: Literal["blocking", "warning"]
    status: Status
    failed: int
    rows: int

    def to_json(self) -> dict[str, Any]:
        """As the catalog shows it."""
        return {
            "check": self.check,
            "severity": self.severity,
            "status": self.status,
            "failed": self.failed,
            "rows": self.rows,
        }


def worst(statuses: Iterable[str]) -> Status:
    """The worst of some statuses; `pass` of none."""
    given = set(statuses)
    return next((status for status in reversed(_WORST) if status in given), "pass")


def summed(measured: Iterable[CheckResult]) -> dict[str, TenantCheck]:
    """Check → result over several parts of a table. What is only measured, `freshness`, is left out."""
    sums: dict[str, TenantCheck] = {}
    for one in measured:
        if one.check == FRESHNESS:
            continue
        before = sums.get(one.check)
        failed, rows = (before.failed, before.rows) if before else (0, 0)
        status = worst([one.status, before.status if before else "pass"])
        sums[one.check] = TenantCheck(one.check, one.severity, status, failed + one.failed, rows + one.rows)
    return sums


def over_tenants(checks: Iterable[TenantCheck]) -> list[TenantCheck]:
    """One result a check, by name, where several tenants have one each."""
    total: dict[str, TenantCheck] = {}
    for one in checks:
        before = total.get(one.check, replace(one, failed=0, rows=0))
        status = worst([one.status, before.status])
        total[one.check] = replace(
            one, status=status, failed=one.failed + before.failed, rows=one.rows + before.rows
        )
    return [total[name] for name in sorted(total)]


def newest(measured: Iterable[CheckResult]) -> int | None:
    """The newest row of several parts, in milliseconds since 1970."""
    values = [one.value for one in measured if one.check == FRESHNESS and one.value is not None]
    return max(values, default=None)


def freshness(table: LakeTable, newest_ms: int | None, now: datetime) -> Status | None:
    """How late a table is; None where its contract sets no limit, or where the tenant has no rows.

    `fail` means that its source has stopped. It blocks nothing: the data that is there stays as readable as it was.
    """
    if table.freshness_hours is None or newest_ms is None:
        return None
    warn, error = table.freshness_hours
    age = (clock.epoch_millis(now) - newest_ms) / _HOUR_MS
    return "fail" if age > error else "warn" if age > warn else "pass"


def to_json(results: Mapping[str, TenantCheck]) -> list[dict[str, Any]]:
    """All results of a table, by name."""
    return [results[name].to_json() for name in sorted(results)]
