"""What the checks of a run found: results for each tenant's table, and an event for each check that rows did not pass.

`quality.check.failed` is appended as any other event, once: its id follows from the table, the check, the day and how many
rows failed. It must not follow from what was planned: the event itself comes to lie in its day, and a check that warns
would then derive a new event from each run for ever.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from millrace.catalog.run_outcome import RunOutcome
from millrace.contracts.columns import table as silver_name
from millrace.contracts.registry import Registry
from millrace.eventstore.emit import Emitter, PlatformEvent, stated
from millrace.quality import results
from millrace.quality.checks import BALANCE, FRESHNESS
from millrace.quality.result import CheckResult
from millrace.quality.results import Status, TenantCheck
from millrace.runs.documents import CheckSummary, Part

EVENT_TYPE = "quality.check.failed"
SOURCE = "millrace.quality"
# A broken source can fail every day of a backfill; the results say all of them, the events the first of them.
MOST_PER_TENANT = 200
# Tenant and table → results by check.
Results = dict[tuple[str, str], dict[str, TenantCheck]]


@dataclass(frozen=True, slots=True)
class FailedCheck:
    """Rows of a tenant's day that did not pass a check. `at`: of the run, UTC text."""

    org: str
    table: str
    check: str
    severity: str
    failed: int
    rows: int
    day: str
    run: str
    at: str


def results_of(outcome: RunOutcome) -> Results:
    """Results of every table and tenant that the run wrote rows of, committed or not."""
    summed: Results = {}
    for table, parts in outcome.parts.items():
        for org, mine in _by_tenant(parts).items():
            measured = [check for part in mine for check in part.checks]
            if table not in outcome.warehouse_tables:
                measured.append(_balance(mine))
            summed[org, table] = results.summed(measured)
    return summed


def failed_checks(outcome: RunOutcome) -> Iterator[FailedCheck]:
    """Each check that rows of a tenant's day did not pass; a table without days has the run's."""
    at = outcome.plan.planned_at
    for table, parts in outcome.parts.items():
        days: dict[tuple[str, str], list[CheckResult]] = defaultdict(list)
        for part in parts:
            days[part.org, part.day or at[:10]].extend(part.checks)
        for (org, day), measured in sorted(days.items()):
            for result in results.summed(measured).values():
                if result.status != "pass" and result.failed > 0:
                    yield FailedCheck(
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


def summaries_of(of_run: Results, freshness: Mapping[str, Iterable[Status]]) -> tuple[CheckSummary, ...]:
    """One line a table and check over all tenants.

    Args:
        of_run: the results.
        freshness: table → how late it is, tenant by tenant.
    """
    lines: dict[tuple[str, str], list[TenantCheck]] = defaultdict(list)
    for (_, table), checks in of_run.items():
        for check, result in checks.items():
            lines[table, check].append(result)
    summaries = [
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
        summaries.append(CheckSummary(table, FRESHNESS, results.worst(statuses), late, len(statuses)))
    return tuple(sorted(summaries, key=lambda line: (line.table, line.check)))


def _by_tenant(parts: Iterable[Part]) -> dict[str, list[Part]]:
    grouped: dict[str, list[Part]] = defaultdict(list)
    for part in parts:
        grouped[part.org].append(part)
    return grouped


def _balance(parts: Iterable[Part]) -> CheckResult:
    off, rows = 0, 0
    for part in parts:
        off += abs(part.rows_in - part.rows - part.duplicates - part.dead)
        rows += part.rows_in
    return CheckResult(BALANCE, "blocking", off, rows)


class CheckEvents:
    """Emits the events."""

    def __init__(self, registry: Registry, emitter: Emitter, log: Callable[[str], None]) -> None:
        self._registry, self._emitter, self._log = registry, emitter, log

    def append(self, failed: Sequence[FailedCheck]) -> int:
        """Stores an event for each that has none yet, and returns how many there are.

        Raises:
            RetryableError: not all are stored; storing all of them again changes nothing.
        """
        # What fails in the table of these very events would have no end.
        own = f"silver.{silver_name(self._registry.find(EVENT_TYPE))}"
        wanted = self._bounded([one for one in failed if one.table != own])
        self._emitter.emit([_event(one) for one in wanted])
        return len(wanted)

    def _bounded(self, failed: Sequence[FailedCheck]) -> list[FailedCheck]:
        by_tenant: dict[str, list[FailedCheck]] = defaultdict(list)
        for one in sorted(failed, key=lambda one: (one.severity, one.table, one.check, one.day)):
            by_tenant[one.org].append(one)
        for org, of_tenant in by_tenant.items():
            if len(of_tenant) > MOST_PER_TENANT:
                self._log(f"{org}: {len(of_tenant)} checks failed, events of {MOST_PER_TENANT}")
        return [one for of_tenant in by_tenant.values() for one in of_tenant[:MOST_PER_TENANT]]


def _event(one: FailedCheck) -> PlatformEvent:
    return stated(
        EVENT_TYPE,
        org=one.org,
        source=SOURCE,
        at=one.at,
        payload={
            "table": one.table,
            "check": one.check[:256],
            "severity": one.severity,
            "failed": one.failed,
            "rows": one.rows,
            "day": one.day,
            "runId": one.run,
        },
        parts=(SOURCE, one.org, one.table, one.check, one.day, str(one.failed)),
    )
