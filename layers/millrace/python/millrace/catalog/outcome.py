"""What came of a run, read from its documents: which tables and tenant-days landed, and what did not, by name. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

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

LANDED = ("committed", "unchanged")
Place = tuple[str, str | None]


@dataclass(frozen=True)
class Outcome:
    """The documents of a run together. Models and commits by the table's full name."""

    plan: Plan
    silver: Sequence[SilverBatch]
    prepared: Mapping[str, Prepared]
    chunks: Mapping[str, Sequence[TableChunk]]
    commits: Mapping[str, Committed]
    # Of the tenants whose features the run was to bring online; None where it did not come to its documents.
    materialized: Mapping[str, Materialized | None] = field(default_factory=dict)
    # Why the sources of features were not pinned, if they were not.
    unpinned: str = ""
    # What is found only when the run is published: tables that landed and came from nowhere.
    without_lineage: tuple[str, ...] = field(default=())

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The models that the run was to make, in order."""
        return tuple(model for level in self.plan.levels for model in level)

    @cached_property
    def parts(self) -> Mapping[str, tuple[Part, ...]]:
        """Table → what workers wrote of it, whether it landed or not; silver first, then the models in order."""
        found: dict[str, list[Part]] = {}
        for part in sorted(self._silver_parts(), key=lambda part: (part.table, part.org, part.day or "")):
            found.setdefault(part.table, []).append(part)
        for model in self.models:
            written = [part for chunk in self.chunks.get(model, ()) for part in chunk.parts]
            if written:
                found[model] = written
        return {table: tuple(parts) for table, parts in found.items()}

    @cached_property
    def tables(self) -> tuple[str, ...]:
        """Every table that the run wrote or committed."""
        return tuple(dict.fromkeys([*self.parts, *sorted(self.commits)]))

    def has_landed(self, table: str) -> bool:
        """Whether the table's snapshot is the run's, wholly or in part, or needed no other."""
        commit = self.commits.get(table)
        return commit is not None and commit.status in LANDED

    def landed(self, table: str) -> tuple[Part, ...]:
        """The parts that are in the table's snapshot."""
        commit = self.commits.get(table)
        if commit is None or commit.status not in LANDED:
            return ()
        if commit.landed:
            return commit.landed
        left = _left_out(commit)
        return tuple(part for part in self.parts.get(table, ()) if (part.org, part.day) not in left)

    @cached_property
    def finished(self) -> tuple[TenantDay, ...]:
        """The tenant-days of which all of silver landed: what was pending of them is done."""
        lost: set[Place] = {(failure.org, failure.day) for batch in self.silver for failure in batch.failures}
        lost |= {(unit.org, unit.day) for _, unit in self._lost_units()}
        # A major is never taken away, so its contract is on its way: a deploy has brought intake before the lakehouse.
        lost |= {(part.org, part.day) for batch in self.silver for part in batch.unread}
        for table, parts in self.parts.items():
            if table in self.models:
                continue
            commit = self.commits.get(table)
            if commit is None or commit.status not in LANDED:
                lost |= {(part.org, part.day) for part in parts}
            else:
                lost |= _left_out(commit)
        return tuple(day for day in self.plan.partitions if (day.org, day.day) not in lost)

    @cached_property
    def failures(self) -> tuple[dict[str, Any], ...]:
        """What did not land: `{"step", "table", "org", "day", "error"}` each, the same one said once."""
        said = [
            *_each("plan", None, self.plan.left_out),
            *self._silver_failures(),
            *self._unread(),
            *self._model_failures(),
            *self._commit_failures(),
            *self._feature_failures(),
        ]
        said += [_said("publish", table, None, None, "has no lineage") for table in self.without_lineage]
        unique = {tuple(one.values()): one for one in said}
        return tuple(unique.values())

    @cached_property
    def not_committed(self) -> Mapping[tuple[str, str], tuple[tuple[str | None, str], ...]]:
        """Of the tenant-days that were pending and are not in all of silver: table and error of what did not land."""
        done = {(day.org, day.day) for day in self.finished}
        wanted = [(day.org, day.day) for day in self.plan.partitions if day.token is not None]
        wanted += [(one.org, one.day) for one in self.plan.left_out if one.day is not None]
        models = set(self.models)
        said = [one for one in self.failures if one["step"] != "features" and one["table"] not in models]
        return {
            (org, day): tuple(
                (one["table"], one["error"])
                for one in said
                if one["org"] == org and one["day"] in (day, None)
            )
            for org, day in wanted
            if (org, day) not in done
        }

    @property
    def status(self) -> Literal["done", "partly", "failed"]:
        """`done`; `partly`: something named did not land; `failed`: nothing did, or a table came from nowhere."""
        if self.without_lineage:
            return "failed"
        if not self.failures:
            return "done"
        landed = any(self.has_landed(table) for table in self.commits)
        return "partly" if landed or len(self.failures) == len(list(self._feature_failures())) else "failed"

    def _silver_parts(self) -> Iterator[Part]:
        for batch in self.silver:
            yield from batch.parts

    def _lost_units(self) -> Iterator[tuple[int, Any]]:
        """Units of batches that came to no end."""
        known = {batch.batch for batch in self.silver}
        for number, units in enumerate(self.plan.batches):
            if number not in known:
                yield from ((number, unit) for unit in units)

    def _silver_failures(self) -> Iterator[dict[str, Any]]:
        for batch in self.silver:
            yield from _each("transform", None, batch.failures)
        for number, unit in self._lost_units():
            yield _said("transform", None, unit.org, unit.day, f"batch {number} came to no end")

    def _unread(self) -> Iterator[dict[str, Any]]:
        for batch in self.silver:
            for part in batch.unread:
                error = f"no contract in force describes {part.table}: {part.dead} rows"
                yield _said("transform", None, part.org, part.day, error)

    def _model_failures(self) -> Iterator[dict[str, Any]]:
        for model in self.models:
            prepared = self.prepared.get(model)
            if prepared is None:
                yield _said("prepare", model, None, None, "was not prepared")
            elif prepared.status == "skipped":
                yield _said("prepare", model, None, None, prepared.reason)
            elif prepared.status == "ready":
                known = {chunk.chunk: chunk for chunk in self.chunks.get(model, ())}
                for number, work in enumerate(prepared.chunks):
                    if number in known:
                        yield from _each("model", model, known[number].failures)
                        continue
                    for one in work:
                        yield _said("model", model, one.org, one.day, f"chunk {number} came to no end")
                if model not in self.commits:
                    yield from self._each_part(model, "was not committed")

    def _commit_failures(self) -> Iterator[dict[str, Any]]:
        for table in self.parts:
            if table not in self.models and table not in self.commits:
                yield from self._each_part(table, "was not committed")
        told = [*self._silver_failures(), *self._model_failures()]
        for table, commit in sorted(self.commits.items()):
            # What a worker could not make is left out of each of its tables: its own reason says it once.
            of = table if table in self.models else None
            known = {(one["org"], one["day"]) for one in told if one["table"] == of}
            yield from _each(
                "commit", table, [one for one in commit.left_out if (one.org, one.day) not in known]
            )
            if commit.status not in LANDED and not commit.left_out:
                yield from self._each_part(table, commit.status)

    def _each_part(self, table: str, error: str) -> Iterator[dict[str, Any]]:
        """Each tenant-day that was written for a table, by name; the table alone where nothing was."""
        parts = self.parts.get(table, ())
        if not parts:
            yield _said("commit", table, None, None, error)
        for org, day in dict.fromkeys((part.org, part.day) for part in parts):
            yield _said("commit", table, org, day, error)

    def _feature_failures(self) -> Iterator[dict[str, Any]]:
        if self.unpinned:
            yield _said("features", None, None, None, f"the sources were not pinned: {self.unpinned}")
        for org, done in sorted(self.materialized.items()):
            if done is None:
                yield _said("features", None, org, None, "came to no end")
                continue
            for one in done.views:
                if one["status"] == "failed":
                    yield _said("features", one["view"], org, None, str(one["error"]))


def _left_out(commit: Committed) -> set[Place]:
    return {(failure.org, failure.day) for failure in commit.left_out}


def _each(step: str, table: str | None, failures: Iterable[Failure]) -> Iterator[dict[str, Any]]:
    return (_said(step, table, failure.org, failure.day, failure.error) for failure in failures)


def _said(step: str, table: str | None, org: str | None, day: str | None, error: str) -> dict[str, Any]:
    return {"step": step, "table": table, "org": org, "day": day, "error": error}
