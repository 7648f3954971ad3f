"""What a run found of its rows: results for each tenant's table, and what did not pass, day by day. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from millrace.catalog.check_events import Failed
from millrace.catalog.outcome import Outcome
from millrace.quality import results
from millrace.quality.checks import BALANCE, FRESHNESS
from millrace.quality.result import CheckResult
from millrace.quality.results import Result, Status
from millrace.runs.documents import CheckSummary, Part

# Tenant and table → results by check.
Findings = dict[tuple[str, str], dict[str, Result]]


def of_run(outcome: Outcome) -> Findings:
    """Results of every table and tenant that the run wrote rows of, landed or not."""
    found: Findings = {}
    for table, parts in outcome.parts.items():
        for org, mine in _by_tenant(parts).items():
            measured = [check for part in mine for check in part.checks]
            if table not in outcome.models:
                measured.append(_balance(mine))
            found[org, table] = results.summed(measured)
    return found


def failed(outcome: Outcome) -> Iterator[Failed]:
    """Each check that rows of a tenant's day did not pass; a table without days has the run's."""
    at = outcome.plan.planned_at
    for table, parts in outcome.parts.items():
        days: dict[tuple[str, str], list[CheckResult]] = defaultdict(list)
        for part in parts:
            days[part.org, part.day or at[:10]].extend(part.checks)
        for (org, day), measured in sorted(days.items()):
            for result in results.summed(measured).values():
                if result.status != "pass" and result.failed > 0:
                    yield Failed(
                        org=org,
                        table=table,
                        check=result.check,
                        severity=result.severity,
                        failed=result.failed,
                        rows=result.rows,
                        day=day,
                        run=outcome.plan.run,
                        at=at,
                    )


def summed(findings: Findings, freshness: Mapping[str, Iterable[Status]]) -> tuple[CheckSummary, ...]:
    """One line a table and check over all tenants.

    Args:
        findings: of the run.
        freshness: table → how late it is, tenant by tenant.
    """
    lines: dict[tuple[str, str], list[Result]] = defaultdict(list)
    for (_, table), found in findings.items():
        for check, result in found.items():
            lines[table, check].append(result)
    told = [
        CheckSummary(
            table=table,
            check=check,
            status=results.worst(result.status for result in mine),
            failed=sum(result.failed for result in mine),
            rows=sum(result.rows for result in mine),
        )
        for (table, check), mine in lines.items()
    ]
    for table, given in freshness.items():
        statuses = list(given)
        late = sum(status != "pass" for status in statuses)
        told.append(CheckSummary(table, FRESHNESS, results.worst(statuses), late, len(statuses)))
    return tuple(sorted(told, key=lambda line: (line.table, line.check)))


def _by_tenant(parts: Iterable[Part]) -> dict[str, list[Part]]:
    found: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        found[part.org].append(part)
    return found


def _balance(parts: Iterable[Part]) -> CheckResult:
    off, rows = 0, 0
    for part in parts:
        off += abs(part.rows_in - part.rows - part.duplicates - part.dead)
        rows += part.rows_in
    return CheckResult(BALANCE, "blocking", off, rows)
