"""A batch of a plan: its units one after the other, whatever any of them does to the worker, and what came of it kept."""

from collections.abc import Iterator

from millrace.core.errors import PermanentError
from millrace.lake.raw_to_silver import Transform
from millrace.runs import portions
from millrace.runs.documents import Piece, SilverBatch
from millrace.runs.store import RunStore


def run_batch(store: RunStore, transform: Transform, run: str, batch: int) -> SilverBatch:
    """Makes a batch of the plan and keeps what came of it; asked again, the same.

    Raises:
        PermanentError: the run has no plan, or the plan no such batch.
        RetryableError: the lake did not answer.
    """
    ended = store.silver_batch(run, batch)
    if ended is not None:
        return ended
    plan = store.plan(run)
    if not 0 <= batch < len(plan.batches):
        raise PermanentError(f"the run {run} has no batch {batch}")
    units = plan.batches[batch]
    days = {(day.org, day.day): day for day in plan.partitions}

    def make(number: int) -> Piece:
        unit = units[number]
        done = transform.unit(run, unit, days[(unit.org, unit.day)])
        return Piece(tuple(done.parts), tuple(done.failures), tuple(done.unread))

    places = [(unit.org, unit.day) for unit in units]
    made = portions.as_batch(
        run, batch, portions.do(store, portions.Portion(run, f"silver/{batch}", places), make)
    )
    store.put_silver(made)
    return made


def tables(made: SilverBatch) -> Iterator[str]:
    """The tables that have something to commit of a batch, each once."""
    yield from sorted({part.table for part in made.parts})
