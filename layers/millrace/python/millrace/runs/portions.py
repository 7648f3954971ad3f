"""A portion of a run's work, one piece of which may end its worker, out of memory or out of time, without a trace.

A portion that is done at the first attempt costs one more document, which records that it was begun. An attempt that finds
that document, and no result, follows a worker that did not come to an end. It records each piece before it begins it, and the
piece's result. So the next attempt takes over what is done, leaves out the piece over which a worker ended, and does other
tenants' pieces first. Of a portion that no attempt completes, the pieces that are done are still committed.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace.runs.documents import Failure, Piece, Prepared, Progress, SilverBatch, TableChunk, Unit
from millrace.runs.store import RunStore

UNENDED = "its worker did not come to an end"
ENDED_ITS_WORKER = "its worker did not come to an end over it: out of memory or out of time"

# What came of a piece, by its number.
Make = Callable[[int], Piece]


@dataclass(frozen=True, slots=True)
class Portion:
    """`name`: `silver/3`, `tables/<table>/chunks/0`. `places`: tenant (and day) of each piece."""

    run: str
    name: str
    places: Sequence[tuple[str, str | None]]


def do(store: RunStore, portion: Portion, make: Make) -> list[Piece]:
    """What came of each piece, in order.

    Args:
        store: of the run's documents.
        portion: whose pieces.
        make: makes one; what it raises ends this attempt.
    """
    progress = store.progress(portion.run, portion.name)
    if progress is None:
        store.put_progress(Progress(portion.run, portion.name, ()))
        return [make(number) for number in range(len(portion.places))]
    done = _done(store, portion, progress)
    for number in progress.pieces:
        if number not in done:
            done[number] = Piece(failures=(Failure(*portion.places[number], ENDED_ITS_WORKER),))
            store.put_piece(portion.run, portion.name, number, done[number])
    suspected = {
        org for org, _ in (portion.places[number] for number in progress.pieces if _ended(done[number]))
    }
    for number in sorted(
        set(range(len(portion.places))) - set(done), key=lambda n: (portion.places[n][0] in suspected, n)
    ):
        recorded = progress.pieces
        progress = Progress(portion.run, portion.name, (*recorded, number))
        store.put_progress(progress)
        try:
            done[number] = make(number)
        except Exception:
            # It was not the piece that ended the worker: the next attempt does it.
            store.put_progress(Progress(portion.run, portion.name, recorded))
            raise
        store.put_piece(portion.run, portion.name, number, done[number])
    return [done[number] for number in sorted(done)]


def of_batch(run: str, batch: int, units: Sequence[Unit]) -> Portion:
    """A batch of a plan as a portion."""
    return Portion(run, f"silver/{batch}", [(unit.org, unit.day) for unit in units])


def of_chunk(prepared: Prepared, chunk: int) -> Portion:
    """A chunk of a table as a portion."""
    places = [(work.org, work.day) for work in prepared.chunks[chunk]]
    return Portion(prepared.run, f"tables/{prepared.table}/chunks/{chunk}", places)


def silver(store: RunStore, run: str, batches: int) -> list[SilverBatch]:
    """What came of every batch of a run; of one that no attempt brought to an end, what came of its pieces.

    Args:
        store: of the run's documents.
        run: the run.
        batches: how many its plan has.
    """
    ended = {batch.batch: batch for batch in store.silver(run)}

    def unended(number: int) -> SilverBatch:
        units = store.plan_batch(run, number).units
        return as_batch(run, number, _unended(store, of_batch(run, number, units)))

    return [ended.get(number) or unended(number) for number in range(batches)]


def silver_tables(batches: Sequence[SilverBatch]) -> tuple[str, ...]:
    """The tables that the batches wrote files for, in order."""
    return tuple(sorted({part.table for batch in batches for part in batch.parts}))


def chunks(store: RunStore, prepared: Prepared) -> list[TableChunk]:
    """What came of every chunk of a table, in the same way."""
    ended = {chunk.chunk: chunk for chunk in store.chunks(prepared.run, prepared.table)}

    def unended(number: int) -> TableChunk:
        pieces = _unended(store, of_chunk(prepared, number))
        return as_chunk(prepared.run, prepared.table, number, pieces)

    return [ended.get(number) or unended(number) for number in range(len(prepared.chunks))]


def as_batch(run: str, batch: int, pieces: Sequence[Piece]) -> SilverBatch:
    """Pieces of a batch together."""
    return SilverBatch(
        run=run,
        batch=batch,
        parts=tuple(part for piece in pieces for part in piece.parts),
        failures=tuple(failure for piece in pieces for failure in piece.failures),
        unread=tuple(part for piece in pieces for part in piece.unread),
    )


def as_chunk(run: str, table: str, chunk: int, pieces: Sequence[Piece]) -> TableChunk:
    """Pieces of a chunk together."""
    return TableChunk(
        run=run,
        table=table,
        chunk=chunk,
        parts=tuple(part for piece in pieces for part in piece.parts),
        failures=tuple(failure for piece in pieces for failure in piece.failures),
    )


def _unended(store: RunStore, portion: Portion) -> list[Piece]:
    """What is known of each piece of a portion that no attempt brought to an end."""
    progress = store.progress(portion.run, portion.name) or Progress(portion.run, portion.name, ())
    done = _done(store, portion, progress)
    return [
        done.get(number)
        or Piece(failures=(Failure(*place, ENDED_ITS_WORKER if number in progress.pieces else UNENDED),))
        for number, place in enumerate(portion.places)
    ]


def _done(store: RunStore, portion: Portion, progress: Progress) -> dict[int, Piece]:
    documents = {number: store.piece(portion.run, portion.name, number) for number in progress.pieces}
    return {number: piece for number, piece in documents.items() if piece is not None}


def _ended(piece: Piece) -> bool:
    return any(failure.error == ENDED_ITS_WORKER for failure in piece.failures)
