"""A batch of a plan: its units one after the other, whatever any of them does to the worker, and what came of it kept."""

from dataclasses import replace

from millrace.lake.raw_to_silver import SilverTransform
from millrace.runs import portions
from millrace.runs.documents import Piece, SilverBatch
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

    def make(number: int) -> Piece:
        unit = plan.units[number]
        day = days[unit.org, unit.day]
        done = transform.unit(run, unit, day)
        parts = tuple(replace(part, manifest=day.manifest) for part in done.parts)
        return Piece(parts, tuple(done.failures), tuple(done.unread))

    pieces = portions.do(store, portions.of_batch(run, batch, plan.units), make)
    made = portions.as_batch(run, batch, pieces)
    store.put_silver(made)
    return made
