"""What came of a run, read from its documents: which tables and tenant-days are committed, and what is not, by name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from millrace.core.errors import PermanentError
from millrace.lake.sources import tenants
from millrace.runs import portions
from millrace.runs.documents import (
    Committed,
    Failure,
    Materialized,
    Part,
    Plan,
    Prepared,
    SilverBatch,
    TableChunk,
    TenantDay,
)
from millrace.runs.mark import sentences
from millrace.runs.store import RunStore

COMMITTED = ("committed", "unchanged")
TenantAndDay = tuple[str, str | None]


@dataclass(frozen=True)
class RunOutcome:
    """The documents of a run together; what it prepared, wrote and committed by the table's full name."""

    plan: Plan
    silver: Sequence[SilverBatch]
    prepared: Mapping[str, Prepared]
    chunks: Mapping[str, Sequence[TableChunk]]
    commits: Mapping[str, Committed]
    # Of the tenants whose features the run was to bring online; None where it did not come to its documents.
    materialized: Mapping[str, Materialized | None] = field(default_factory=dict)
    # Why the sources of features were not pinned, if they were not.
    unpinned: str = ""
    # Known only when the run is published: committed tables of which no lineage is known.
    without_lineage: tuple[str, ...] = field(default=())

    @cached_property
    def warehouse_tables(self) -> tuple[str, ...]:
        """The tables of the warehouse that the run was to build, in order."""
        return tuple(table for level in self.plan.levels for table in level)

    @cached_property
    def parts(self) -> Mapping[str, tuple[Part, ...]]:
        """Table → what workers wrote of it, whether it is committed or not; silver first, then the warehouse in order."""
        by_table: dict[str, list[Part]] = {}
        for part in sorted(self._silver_parts(), key=lambda part: (part.table, part.org, part.day or "")):
            by_table.setdefault(part.table, []).append(part)
        for table in self.warehouse_tables:
            written = [part for chunk in self.chunks.get(table, ()) for part in chunk.parts]
            if written:
                by_table[table] = written
        return {table: tuple(parts) for table, parts in by_table.items()}

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Every table that the run wrote or committed."""
        return tuple(dict.fromkeys([*self.parts, *sorted(self.commits)]))

    def is_committed(self, table: str) -> bool:
        """Whether the table's snapshot is the run's, wholly or in part, or needed no new one."""
        commit = self.commits.get(table)
        return commit is not None and commit.status in COMMITTED

    def committed_parts(self, table: str) -> tuple[Part, ...]:
        """The parts that are in the table's snapshot."""
        commit = self.commits.get(table)
        if commit is None or commit.status not in COMMITTED:
            return ()
        if commit.landed:
            return commit.landed
        left = _left_out(commit)
        return tuple(part for part in self.parts.get(table, ()) if (part.org, part.day) not in left)

    @cached_property
    def finished(self) -> tuple[TenantDay, ...]:
        """The tenant-days of which all of silver is committed: they are no longer pending."""
        lost: set[TenantAndDay] = {
            (failure.org, failure.day) for batch in self.silver for failure in batch.failures
        }
        lost |= {(unit.org, unit.day) for _, unit in self._lost_units()}
        # A major is never taken away, so its contract is on its way: a deploy has brought intake before the lakehouse.
        lost |= {(part.org, part.day) for batch in self.silver for part in batch.unread}
        for table, parts in self.parts.items():
            if table in self.warehouse_tables:
                continue
            commit = self.commits.get(table)
            if commit is None or commit.status not in COMMITTED:
                lost |= {(part.org, part.day) for part in parts}
            else:
                lost |= _left_out(commit)
        return tuple(day for day in self.plan.partitions if (day.org, day.day) not in lost)

    @cached_property
    def failures(self) -> tuple[dict[str, Any], ...]:
        """What is not committed: `{"step", "table", "org", "day", "error"}` each, every one once."""
        failures = [
            *self._archive_failures(),
            *_each("plan", None, self.plan.left_out),
            *self._silver_failures(),
            *self._unread(),
            *self._warehouse_failures(),
            *self._commit_failures(),
            *self._feature_failures(),
        ]
        failures += [
            _failure("publish", table, None, None, "has no lineage") for table in self.without_lineage
        ]
        unique = {tuple(one.values()): one for one in failures}
        return tuple(unique.values())

    @cached_property
    def not_committed(self) -> Mapping[tuple[str, str], tuple[tuple[str | None, str], ...]]:
        """Tenant-days that were pending and are not in all of silver → table and error of what is not committed."""
        done = {(day.org, day.day) for day in self.finished}
        wanted = [(day.org, day.day) for day in self.plan.partitions if day.token is not None]
        wanted += [(one.org, one.day) for one in self.plan.left_out if one.day is not None]
        warehouse = set(self.warehouse_tables)
        failures = [
            one for one in self.failures if one["step"] != "features" and one["table"] not in warehouse
        ]
        return {
            (org, day): tuple(
                (one["table"], one["error"])
                for one in failures
                if one["org"] == org and one["day"] in (day, None)
            )
            for org, day in wanted
            if (org, day) not in done
        }

    @property
    def status(self) -> Literal["done", "partly", "failed"]:
        """`done`; `partly`: some of it failed; `failed`: all of it did, or a table has no lineage."""
        if self.without_lineage:
            return "failed"
        if not self.failures:
            return "done"
        committed = any(self.is_committed(table) for table in self.commits)
        # Whatever was to be committed is, where only the archive or the features are behind.
        beside = all(one["step"] in ("archive", "features") for one in self.failures)
        return "partly" if committed or beside else "failed"

    def _archive_failures(self) -> Iterator[dict[str, Any]]:
        if self.plan.mark is not None:
            for sentence in sentences(self.plan.mark):
                yield _failure("archive", None, None, None, sentence)

    def _silver_parts(self) -> Iterator[Part]:
        for batch in self.silver:
            yield from batch.parts

    def _lost_units(self) -> Iterator[tuple[int, Any]]:
        """Units of batches that wrote no result."""
        known = {batch.batch for batch in self.silver}
        for number, units in enumerate(self.plan.batches):
            if number not in known:
                yield from ((number, unit) for unit in units)

    def _silver_failures(self) -> Iterator[dict[str, Any]]:
        for batch in self.silver:
            yield from _each("transform", None, batch.failures)
        for number, unit in self._lost_units():
            yield _failure("transform", None, unit.org, unit.day, f"batch {number} came to no end")

    def _unread(self) -> Iterator[dict[str, Any]]:
        for batch in self.silver:
            for part in batch.unread:
                error = f"no contract in force describes {part.table}: {part.dead} rows"
                yield _failure("transform", None, part.org, part.day, error)

    def _warehouse_failures(self) -> Iterator[dict[str, Any]]:
        for table in self.warehouse_tables:
            prepared = self.prepared.get(table)
            if prepared is None:
                yield _failure("prepare", table, None, None, "was not prepared")
            elif prepared.status == "skipped":
                yield _failure("prepare", table, None, None, prepared.reason)
            elif prepared.status == "ready":
                known = {chunk.chunk: chunk for chunk in self.chunks.get(table, ())}
                for number, work in enumerate(prepared.chunks):
                    if number in known:
                        yield from _each("model", table, known[number].failures)
                        continue
                    for one in work:
                        yield _failure("model", table, one.org, one.day, f"chunk {number} came to no end")
                if table not in self.commits:
                    yield from self._each_part(table, "was not committed")

    def _commit_failures(self) -> Iterator[dict[str, Any]]:
        for table in self.parts:
            if table not in self.warehouse_tables and table not in self.commits:
                yield from self._each_part(table, "was not committed")
        reported = [*self._silver_failures(), *self._warehouse_failures()]
        for table, commit in sorted(self.commits.items()):
            # What a worker could not make is left out of each of its tables: its own reason says it once.
            of = table if table in self.warehouse_tables else None
            known = {(one["org"], one["day"]) for one in reported if one["table"] == of}
            yield from _each(
                "commit", table, [one for one in commit.left_out if (one.org, one.day) not in known]
            )
            if commit.status not in COMMITTED and not commit.left_out:
                yield from self._each_part(table, commit.status)

    def _each_part(self, table: str, error: str) -> Iterator[dict[str, Any]]:
        """Each tenant-day that was written for a table, by name; the table alone where nothing was."""
        parts = self.parts.get(table, ())
        if not parts:
            yield _failure("commit", table, None, None, error)
        for org, day in dict.fromkeys((part.org, part.day) for part in parts):
            yield _failure("commit", table, org, day, error)

    def _feature_failures(self) -> Iterator[dict[str, Any]]:
        if self.unpinned:
            yield _failure("features", None, None, None, f"the sources were not pinned: {self.unpinned}")
        for org, done in sorted(self.materialized.items()):
            if done is None:
                yield _failure("features", None, org, None, "came to no end")
                continue
            for one in done.entities:
                if one["status"] == "failed":
                    yield _failure("features", one["entity"], org, None, str(one["error"]))


def _left_out(commit: Committed) -> set[TenantAndDay]:
    return {(failure.org, failure.day) for failure in commit.left_out}


def _each(step: str, table: str | None, failures: Iterable[Failure]) -> Iterator[dict[str, Any]]:
    return (_failure(step, table, failure.org, failure.day, failure.error) for failure in failures)


def _failure(step: str, table: str | None, org: str | None, day: str | None, error: str) -> dict[str, Any]:
    return {"step": step, "table": table, "org": org, "day": day, "error": error}


def read_run(runs: RunStore, run: str, unpinned: str = "") -> RunOutcome:
    """The outcome of a run, as far as it went.

    Args:
        runs: the documents.
        run: the run.
        unpinned: why there are no sources of features, where there should be.

    Raises:
        PermanentError: there is no plan of such a run.
        RetryableError: the lake did not answer.
    """
    plan = runs.plan(run)
    prepared: dict[str, Prepared] = {}
    for table in (table for level in plan.levels for table in level):
        try:
            prepared[table] = runs.prepared(run, table)
        except PermanentError:
            # The run did not reach it: `failures` names it.
            continue
    sources = runs.sources(run)
    online = {done.org: done for done in runs.materialized(run)} if sources is not None else {}
    return RunOutcome(
        plan=plan,
        silver=portions.silver(runs, run, len(plan.batches)),
        prepared=prepared,
        chunks={table: portions.chunks(runs, document) for table, document in prepared.items()},
        commits={commit.table: commit for commit in runs.commits(run)},
        materialized={org: online.get(org) for org in (tenants(sources) if sources is not None else ())},
        unpinned=unpinned,
    )
