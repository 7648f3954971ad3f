"""The last step of a run: what it did is told, and what it took in is no longer pending.

Everything here may be done again: rows are replaced by the same rows, events have ids of their own, and what was
pending is cleared last, so a publish that dies half way is repeated whole.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace import __version__
from millrace.catalog import edges as lineage
from millrace.catalog import findings, openlineage
from millrace.catalog.check_events import CheckEvents
from millrace.catalog.dead import DeadRows
from millrace.catalog.edges import RAW, Edges
from millrace.catalog.landed import Landed
from millrace.catalog.openlineage import Job, Place
from millrace.catalog.outcome import Outcome
from millrace.catalog.read_run import read_run
from millrace.catalog.store import CatalogStore, Checked, Made
from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.batch import write_all
from millrace.core.errors import from_client_error
from millrace.core.prefixes import LINEAGE
from millrace.eventstore import failed_days, pending, silver
from millrace.quality import results
from millrace.quality.results import Status
from millrace.runs.documents import Summary, TableSummary
from millrace.runs.store import RunStore
from millrace.warehouse.project import Project


@dataclass(frozen=True, slots=True)
class Stores:
    """Where a publish reads and writes."""

    s3: Any
    dynamodb: Any
    metadata_table: str
    place: Place


class Publisher:
    """Publishes runs."""

    def __init__(
        self,
        stores: Stores,
        events: CheckEvents,
        registry: Registry,
        project: Project,
        now: Callable[[], datetime] = clock.now,
    ) -> None:
        self._stores, self._events, self._registry, self._project = stores, events, registry, project
        self._now = now
        self._runs = RunStore(stores.s3, stores.place.bucket)
        self._catalog = CatalogStore(stores.dynamodb, stores.metadata_table)

    def publish(self, run: str, unpinned: str = "") -> Summary:
        """Tells what a run did and returns it.

        Args:
            run: the run.
            unpinned: why its features have no sources, where they should have.

        Raises:
            PermanentError: there is no plan of such a run.
            RetryableError: a store did not take it; publishing again changes nothing that was told.
        """
        outcome, edges = read_run(self._runs, run, unpinned), lineage.of_all(self._registry, self._project)
        outcome = replace(outcome, without_lineage=_from_nowhere(outcome, edges))
        found = findings.of_run(outcome)
        landed = Landed(self._catalog, self._registry.tables(), outcome)
        landed.tell()
        self._tell_results(outcome, found)
        self._tell_lineage(outcome, edges, found)
        self._receipts(outcome)
        self._events.append(list(findings.failed(outcome)))
        summary = self._summary(outcome, found)
        self._runs.put_summary(summary)
        self._tell_failed(outcome)
        for day in outcome.finished:
            if day.token is not None:
                pending.clear(self._stores.dynamodb, self._stores.metadata_table, day.org, day.day, day.token)
        return summary

    def _tell_failed(self, outcome: Outcome) -> None:
        """Keeps which tenant-days are still pending and why, and forgets those that have landed."""
        dynamodb, table, run = self._stores.dynamodb, self._stores.metadata_table, outcome.plan.run
        # In this order: of a day that was kept as failed and is not pending any more, another run has landed all.
        known = failed_days.read(dynamodb, table)
        waiting = {(row.org, row.day) for row in pending.read(dynamodb, table)}
        for (org, day), said in outcome.not_committed.items():
            if (org, day) in waiting:
                reasons = [failed_days.Reason(*one) for one in said]
                failed_days.tell(dynamodb, table, org, day, reasons, run=run, at=outcome.plan.planned_at)
        done = {(day.org, day.day) for day in outcome.finished if day.token is not None}
        for one in known:
            if (one.org, one.day) in done or (one.org, one.day) not in waiting:
                failed_days.landed(dynamodb, table, one.org, one.day)

    def _tell_results(self, outcome: Outcome, found: findings.Findings) -> None:
        checked = [
            Checked(org, table, results.to_json(mine), outcome.plan.run, _moment(outcome, table))
            for (org, table), mine in found.items()
        ]
        self._catalog.put_checked(checked)

    def _tell_lineage(self, outcome: Outcome, edges: Mapping[str, Edges], found: findings.Findings) -> None:
        jobs = [self._job(outcome, table, edges, found) for table in outcome.tables]
        lines = [event for job in jobs for event in openlineage.events(job, self._stores.place)]
        if lines:
            self._put_lines(outcome, lines)
        self._catalog.put_made(
            [
                Made(job.name, job.inputs, job.edges.columns, job.run, job.ended_at)
                for job in jobs
                if job.error is None
            ]
        )
        self._catalog.forget_made(set(self._catalog.made()) - set(edges), outcome.plan.planned_at)

    def _job(self, outcome: Outcome, table: str, edges: Mapping[str, Edges], found: findings.Findings) -> Job:
        commit, prepared = outcome.commits.get(table), outcome.prepared.get(table)
        error = next((one["error"] for one in outcome.failures if one["table"] == table), "did not land")
        if prepared is not None:
            inputs = {
                one.table: None if one.snapshot is None else str(one.snapshot) for one in prepared.inputs
            }
        else:
            inputs = {RAW: _manifests(outcome)}
        measured = [result for (_, name), mine in found.items() if name == table for result in mine.values()]
        parts = outcome.landed(table)
        return Job(
            run=outcome.plan.run,
            table=self._registry.tables().get(table),
            name=table,
            started_at=outcome.plan.planned_at,
            ended_at=_moment(outcome, table),
            error=None if outcome.has_landed(table) else error,
            inputs=inputs,
            edges=edges.get(table, Edges((), {}, {})),
            rows=sum(part.rows for part in parts),
            size=sum(part.size for part in parts),
            snapshot=commit.snapshot if commit is not None else None,
            results=results.over_tenants(measured),
        )

    def _put_lines(self, outcome: Outcome, lines: Iterable[dict[str, Any]]) -> None:
        plan, body = outcome.plan, b"".join(orjson.dumps(line) + b"\n" for line in lines)
        key = f"{LINEAGE}{plan.planned_at[:10]}/{plan.run}.ndjson"
        try:
            self._stores.s3.put_object(
                Bucket=self._stores.place.bucket, Key=key, Body=body, ContentType="application/x-ndjson"
            )
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "keep lineage") from error

    def _receipts(self, outcome: Outcome) -> None:
        objects = {(day.org, day.day): [part.key for part in day.objects] for day in outcome.plan.partitions}
        dead = DeadRows(self._stores.s3, self._stores.place.bucket, outcome)
        tables, items = self._registry.tables(), []
        for table, commit in outcome.commits.items():
            if table in outcome.models:
                continue
            parts = outcome.landed(table)
            for org, day in sorted({(part.org, part.day or "") for part in parts}):
                receipt = silver.SilverReceipt(
                    org=org,
                    day=day,
                    table=table,
                    run=outcome.plan.run,
                    at=commit.at,
                    snapshot=commit.snapshot,
                    contract=tables[table].contract if table in tables else "",
                    version=__version__,
                    objects=objects.get((org, day), []),
                    dead=dead.ids(table, org, day, parts),
                )
                items += silver.to_items(receipt)
        write_all(self._stores.dynamodb, self._stores.metadata_table, items)

    def _summary(self, outcome: Outcome, found: findings.Findings) -> Summary:
        plan, before = outcome.plan, self._runs.summary(outcome.plan.run)
        tables = [table for table in outcome.tables if table not in outcome.models]
        silver_parts = [part for table in tables for part in outcome.landed(table)]
        # Rows that no contract in force describes: kept as dead letters, counted like all others.
        silver_parts += [part for batch in outcome.silver for part in batch.unread]
        return Summary(
            run=plan.run,
            status=outcome.status,
            started_at=plan.planned_at,
            # A publish that is repeated says the same.
            ended_at=before.ended_at if before is not None else clock.utc_text(self._now()),
            tables=tuple(_line(outcome, table) for table in outcome.tables),
            checks=findings.summed(found, self._freshness()),
            failures=outcome.failures,
            partitions=len(plan.partitions),
            rows_in=sum(part.rows_in for part in silver_parts),
            rows=sum(part.rows for part in silver_parts),
            duplicates=sum(part.duplicates for part in silver_parts),
            dead=sum(part.dead for part in silver_parts),
            remaining=plan.remaining,
            set_aside=plan.set_aside,
        )

    def _freshness(self) -> dict[str, list[Status]]:
        """How late each table is, of all tenants: a source that has stopped touches nothing in any run."""
        tables, now = self._registry.tables(), self._now()
        found: dict[str, list[Status]] = {}
        for org in self._catalog.tenants():
            for name, entry in self._catalog.entries(org).items():
                status = results.freshness(tables[name], entry.newest, now) if name in tables else None
                if status is not None:
                    found.setdefault(name, []).append(status)
        return found


def _from_nowhere(outcome: Outcome, edges: Mapping[str, Edges]) -> tuple[str, ...]:
    """Tables that landed and of which nothing says what they are made of."""
    found = []
    for table in outcome.tables:
        prepared = outcome.prepared.get(table)
        known = edges.get(table)
        nothing = known is None or known.empty or (prepared is not None and not prepared.inputs)
        if outcome.has_landed(table) and nothing:
            found.append(table)
    return tuple(found)


def _moment(outcome: Outcome, table: str) -> str:
    commit = outcome.commits.get(table)
    return commit.at if commit is not None else outcome.plan.planned_at


def _manifests(outcome: Outcome) -> str:
    """What was read of raw: changes exactly when the plan is of other manifest rows."""
    return openlineage.version_of(f"{day.org}/{day.day}/{day.manifest}" for day in outcome.plan.partitions)


def _line(outcome: Outcome, table: str) -> TableSummary:
    commit = outcome.commits.get(table)
    if commit is None:
        return TableSummary(table, 0, None, "failed")
    return TableSummary(table, commit.total_rows, commit.snapshot, commit.status)
