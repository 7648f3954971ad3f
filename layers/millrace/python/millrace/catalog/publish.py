"""The last step of a run: the catalog, lineage, results and receipts of what it did; what it took in is no longer pending.

All of it may be repeated: items are replaced by the same items, events have ids of their own, and what was pending is
cleared last, so a publish that fails half way is repeated whole.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime

import orjson
from aws_lambda_powertools.metrics import MetricUnit

from millrace.catalog import checks, openlineage, receipts, suspects
from millrace.catalog.checks import CheckEvents, Results
from millrace.catalog.lineage import RAW, Edges, all_edges
from millrace.catalog.lineage_http import LineageServer
from millrace.catalog.openlineage import Job, Namespace, PipelineRun
from millrace.catalog.retirement_notices import RetirementNotices
from millrace.catalog.run_outcome import RunOutcome, read_run
from millrace.catalog.store import CatalogStore, DatasetChecks, DatasetLineage
from millrace.catalog.tenant_tables import TenantTables
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.objects import Objects
from millrace.core.prefixes import LINEAGE
from millrace.core.table import Table
from millrace.eventstore import failed_days, pending
from millrace.quality import results
from millrace.quality.checks import FRESHNESS
from millrace.quality.results import Status
from millrace.runs.documents import Part, Summary, TableSummary
from millrace.runs.store import RunStore
from millrace.warehouse.project import Project


class Publisher:
    """Publishes runs."""

    def __init__(
        self,
        lake: Objects,
        metadata: Table,
        namespace: Namespace,
        events: CheckEvents,
        notices: RetirementNotices,
        registry: Registry,
        project: Project,
        *,
        lineage: LineageServer,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._lake, self._metadata, self._namespace = lake, metadata, namespace
        self._events, self._notices = events, notices
        self._registry, self._project, self._now = registry, project, now
        self._runs, self._catalog, self._server = RunStore(lake), CatalogStore(metadata), lineage

    def publish(self, run: str, unpinned: str = "") -> Summary:
        """Publishes what a run did and returns it.

        Args:
            run: the run.
            unpinned: why its features have no sources, where they should have.

        Raises:
            PermanentError: there is no plan of such a run.
            RetryableError: a store did not take it; publishing again changes nothing that is published.
        """
        edges = all_edges(self._registry, self._project)
        outcome = read_run(self._runs, run, unpinned)
        outcome = replace(outcome, without_lineage=_without_lineage(outcome, edges))
        of_run = checks.results_of(outcome)
        TenantTables(self._catalog, self._registry.tables(), outcome).update()
        self._put_checks(outcome, of_run)
        suspected = self._put_suspects(outcome)
        self._put_lineage(outcome, edges, of_run)
        items = receipts.silver_receipts(outcome, self._registry.tables(), self._lake)
        self._metadata.write_all(items, doing="keep receipts")
        self._events.append(list(checks.failed_checks(outcome)))
        self._notices.append(self._now())
        summary = replace(self._summary(outcome, of_run), suspected=suspected)
        self._runs.put_summary(summary)
        self._put_failed_days(outcome)
        for day in outcome.finished:
            if day.token is not None:
                pending.clear(self._metadata, day.org, day.day, day.token)
        return summary

    def _put_failed_days(self, outcome: RunOutcome) -> None:
        """Stores which tenant-days are still pending and why, and deletes those that are committed since."""
        run = outcome.plan.run
        # In this order: a day that is stored as failed and is not pending any more was committed whole by another run.
        known = failed_days.read(self._metadata)
        waiting = {(row.org, row.day) for row in pending.read(self._metadata)}
        for (org, day), errors in outcome.not_committed.items():
            if (org, day) in waiting:
                reasons = [failed_days.Reason(*one) for one in errors]
                failed_days.record(self._metadata, org, day, reasons, run=run, at=outcome.plan.planned_at)
        done = {(day.org, day.day) for day in outcome.finished if day.token is not None}
        for one in known:
            if (one.org, one.day) in done or (one.org, one.day) not in waiting:
                failed_days.forget(self._metadata, one.org, one.day)

    def _put_checks(self, outcome: RunOutcome, of_run: Results) -> None:
        run = outcome.plan.run
        self._catalog.put_checks(
            [
                DatasetChecks(org, table, results.to_json(of_table), run, _moment(outcome, table))
                for (org, table), of_table in of_run.items()
            ]
        )

    def _put_suspects(self, outcome: RunOutcome) -> int:
        """Stores which fields look personal; how many the run found, over all tenants. A tenant without any costs a read."""
        by_tenant: dict[str, dict[str, list[Part]]] = defaultdict(lambda: defaultdict(list))
        for table, parts in outcome.parts.items():
            for part in parts:
                if part.looked:
                    by_tenant[part.org][table].append(part)
        count, at = 0, outcome.plan.planned_at
        for org, tables in sorted(by_tenant.items()):
            known = self._catalog.suspects(org)
            for table, searched in sorted(tables.items()):
                before, found = known.get(table, []), suspects.of_parts(searched)
                now = suspects.merged(before, found, at[:10])
                if now != before:
                    self._catalog.put_suspects(org, table, now, at)
                count += len(found)
        return count

    def _put_lineage(self, outcome: RunOutcome, edges: Mapping[str, Edges], of_run: Results) -> None:
        plan = outcome.plan
        jobs = [self._job(outcome, table, edges, of_run) for table in outcome.tables]
        if jobs:
            failed = outcome.status == "failed"
            pipeline = PipelineRun(
                plan.run,
                started_at=plan.planned_at,
                ended_at=max(job.ended_at for job in jobs),
                error=_error(outcome) if failed else None,
            )
            lines = list(openlineage.events(pipeline, jobs, self._namespace))
            key = f"{LINEAGE}{plan.planned_at[:10]}/{plan.run}.ndjson"
            body = b"".join(orjson.dumps(line) + b"\n" for line in lines)
            self._lake.put(key, body, content_type="application/x-ndjson", doing="keep lineage")
            self._server.send(lines)
        self._catalog.put_lineage(
            [
                DatasetLineage(job.name, job.inputs, job.edges.columns, job.run, job.ended_at)
                for job in jobs
                if job.error is None
            ]
        )
        self._catalog.drop_lineage(set(self._catalog.lineage()) - set(edges), plan.planned_at)

    def _job(self, outcome: RunOutcome, table: str, edges: Mapping[str, Edges], of_run: Results) -> Job:
        commit, prepared = outcome.commits.get(table), outcome.prepared.get(table)
        error = next((one["error"] for one in outcome.failures if one["table"] == table), "was not committed")
        if prepared is not None:
            inputs = {
                one.table: None if one.snapshot is None else str(one.snapshot) for one in prepared.inputs
            }
        else:
            inputs = {RAW: _manifests(outcome)}
        measured = [one for (_, name), checks in of_run.items() if name == table for one in checks.values()]
        parts = outcome.committed_parts(table)
        return Job(
            run=outcome.plan.run,
            table=self._registry.tables().get(table),
            name=table,
            started_at=outcome.plan.planned_at,
            ended_at=_moment(outcome, table),
            error=None if outcome.is_committed(table) else error,
            inputs=inputs,
            edges=edges.get(table, Edges((), {}, {})),
            rows=sum(part.rows for part in parts),
            size=sum(part.size for part in parts),
            snapshot=commit.snapshot if commit is not None else None,
            results=results.over_tenants(measured),
        )

    def _summary(self, outcome: RunOutcome, of_run: Results) -> Summary:
        plan, before = outcome.plan, self._runs.summary(outcome.plan.run)
        tables = [table for table in outcome.tables if table not in outcome.warehouse_tables]
        silver_parts = [part for table in tables for part in outcome.committed_parts(table)]
        # Rows that no contract in force describes are dead letters, and counted like all others.
        silver_parts += [part for batch in outcome.silver for part in batch.unread]
        return Summary(
            run=plan.run,
            status=outcome.status,
            started_at=plan.planned_at,
            # A publish that is repeated gives the same.
            ended_at=before.ended_at if before is not None else clock.utc_text(self._now()),
            tables=tuple(_line(outcome, table) for table in outcome.tables),
            checks=checks.summaries_of(of_run, self._freshness()),
            failures=outcome.failures,
            partitions=len(plan.partitions),
            rows_in=sum(part.rows_in for part in silver_parts),
            rows=sum(part.rows for part in silver_parts),
            duplicates=sum(part.duplicates for part in silver_parts),
            dead=sum(part.dead for part in silver_parts),
            remaining=plan.remaining,
            set_aside=plan.set_aside,
            mark=plan.mark,
        )

    def _freshness(self) -> dict[str, list[Status]]:
        """How late each table is, of all tenants: a source that has stopped has no part in any run."""
        tables, now = self._registry.tables(), self._now()
        statuses: dict[str, list[Status]] = {}
        for org in self._catalog.tenants():
            for name, entry in self._catalog.entries(org).items():
                status = results.freshness(tables[name], entry.newest, now) if name in tables else None
                if status is not None:
                    statuses.setdefault(name, []).append(status)
        return statuses


def _without_lineage(outcome: RunOutcome, edges: Mapping[str, Edges]) -> tuple[str, ...]:
    """Committed tables of which it is not known what they are made of."""
    lacking = []
    for table in outcome.tables:
        prepared = outcome.prepared.get(table)
        known = edges.get(table)
        nothing = known is None or known.empty or (prepared is not None and not prepared.inputs)
        if outcome.is_committed(table) and nothing:
            lacking.append(table)
    return tuple(lacking)


def _error(outcome: RunOutcome) -> str:
    """Why a run failed: each reason once."""
    reasons = dict.fromkeys(str(one["error"]) for one in outcome.failures)
    return "; ".join(reasons) or f"no lineage of {', '.join(outcome.without_lineage)}"


def _moment(outcome: RunOutcome, table: str) -> str:
    commit = outcome.commits.get(table)
    return commit.at if commit is not None else outcome.plan.planned_at


def _manifests(outcome: RunOutcome) -> str:
    """A version of what was read of raw: it changes exactly when the plan has other manifest rows."""
    return openlineage.version_of(f"{day.org}/{day.day}/{day.manifest}" for day in outcome.plan.partitions)


def _line(outcome: RunOutcome, table: str) -> TableSummary:
    commit = outcome.commits.get(table)
    if commit is None:
        return TableSummary(table, 0, None, "failed")
    return TableSummary(table, commit.total_rows, commit.snapshot, commit.status)


def metrics(summary: Summary) -> dict[str, tuple[float, MetricUnit]]:
    """A run in numbers: metric → value and unit."""
    judged = [line for line in summary.checks if line.check != FRESHNESS]
    counts = {
        "RowsIn": summary.rows_in,
        "Rows": summary.rows,
        "Duplicates": summary.duplicates,
        "DeadRows": summary.dead,
        "TenantDays": summary.partitions,
        "TenantDaysRemaining": summary.remaining,
        "TenantDaysSetAside": summary.set_aside,
        "NotLanded": len(summary.failures),
        "ChecksFailed": sum(line.status == "fail" for line in judged),
        "ChecksWarned": sum(line.status == "warn" for line in judged),
        "TablesStale": sum(line.status == "fail" for line in summary.checks if line.check == FRESHNESS),
        "RunsFailed": int(summary.status == "failed"),
    }
    # Only where there are any: a metric costs the hours in which it has a value.
    if summary.suspected:
        counts["PersonalDataFields"] = summary.suspected
    seconds = (clock.parse(summary.ended_at) - clock.parse(summary.started_at)).total_seconds()
    return {
        **{name: (float(value), MetricUnit.Count) for name, value in counts.items()},
        "RunSeconds": (max(seconds, 0.0), MetricUnit.Seconds),
    }
