"""A batch of a plan: its units one after the other, whatever any of them does to the worker, and what came of it kept."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from millrace.core.errors import PermanentError
from millrace.lake.raw_to_silver import SilverTransform
from millrace.runs import portions
from millrace.runs.documents import Piece, SilverBatch, Sources, TenantDay
from millrace.runs.store import RunStore


def run_batch(store: RunStore, transform: SilverTransform, run: str, batch: int) -> SilverBatch:
    """Makes a batch of the plan and keeps what came of it; a repeated call returns the same.

    Raises:
        PermanentError: the run has no plan, or the plan no such batch.
        RetryableError: the lake did not answer.
    """
    ended = store.silver_batch(run, batch)
    if ended is not None:
        return ended
    plan = store.plan_batch(run, batch)
    days = {(day.org, day.day): day for day in plan.days}
    merged = store.silver_sources(run) if any(day.merges for day in plan.days) else None

    def make(number: int) -> Piece:
        unit = plan.units[number]
        day = days[unit.org, unit.day]
        kept = _kept(run, day, merged) if day.merges else {}
        done = transform.unit(run, unit, day, kept)
        parts = tuple(replace(part, manifest=day.manifest) for part in done.parts)
        return Piece(parts, tuple(done.failures), tuple(done.unread))

    pieces = portions.do(store, portions.of_batch(run, batch, plan.units), make)
    made = portions.as_batch(run, batch, pieces)
    store.put_silver(made)
    return made


def _kept(run: str, day: TenantDay, merged: Sources | None) -> Mapping[str, Sequence[str]]:
    """The files that silver has of a day, by table.

    Raises:
        PermanentError: they were not pinned, and to replace the day might lose rows.
    """
    if merged is None:
        raise PermanentError(
            f"the run {run} has not pinned what silver has of days that raw has no longer whole"
        )
    files = {
        one.table: [file.path for file in one.files if (file.org, file.day) == (day.org, day.day)]
        for one in merged.inputs
    }
    return {table: paths for table, paths in files.items() if paths}
