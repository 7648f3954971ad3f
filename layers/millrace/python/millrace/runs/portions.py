"""A portion of a run's work, one piece of which may end its worker: out of memory or out of time, nothing says which.

A portion that is done at once costs one document more, which says that it was begun. Who finds that document, and no
outcome, knows that a worker did not come to an end. It notes each piece before it begins it, and what came of it. So the
next attempt takes over what is done, leaves out the piece over which a worker ended, and does other tenants' pieces first.
What no attempt brings to an end is still told piece by piece: what is done of it lands.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from millrace.runs.documents import (
    Begun,
    Failure,
    Piece,
    Plan,
    Prepared,
    SilverBatch,
    TableChunk,
)
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
    begun = store.begun(portion.run, portion.name)
    if begun is None:
        store.put_begun(Begun(portion.run, portion.name, ()))
        return [make(number) for number in range(len(portion.places))]
    done = _done(store, portion, begun)
    for number in begun.pieces:
        if number not in done:
            done[number] = Piece(failures=(Failure(*portion.places[number], ENDED_ITS_WORKER),))
            store.put_piece(portion.run, portion.name, number, done[number])
    suspected = {
        org for org, _ in (portion.places[number] for number in begun.pieces if _ended(done[number]))
    }
    for number in sorted(
        set(range(len(portion.places))) - set(done), key=lambda n: (portion.places[n][0] in suspected, n)
    ):
        noted = begun.pieces
        begun = Begun(portion.run, portion.name, (*noted, number))
        store.put_begun(begun)
        try:
            done[number] = make(number)
        except Exception:
            # It was not the piece that ended the worker: it is done again.
            store.put_begun(Begun(portion.run, portion.name, noted))
            raise
        store.put_piece(portion.run, portion.name, number, done[number])
    return [done[number] for number in sorted(done)]


def silver(store: RunStore, plan: Plan) -> list[SilverBatch]:
    """What came of every batch of a run; of one that no attempt brought to an end, what came of its pieces."""
    ended = store.silver(plan.run)
    known = {batch.batch for batch in ended}
    for number, units in enumerate(plan.batches):
        if number not in known:
            places = [(unit.org, unit.day) for unit in units]
            pieces = _told(store, Portion(plan.run, f"silver/{number}", places))
            ended.append(as_batch(plan.run, number, pieces))
    return sorted(ended, key=lambda batch: batch.batch)


def chunks(store: RunStore, prepared: Prepared) -> list[TableChunk]:
    """What came of every chunk of a table, in the same way."""
    ended = store.chunks(prepared.run, prepared.table)
    known = {chunk.chunk for chunk in ended}
    for number, works in enumerate(prepared.chunks):
        if number not in known:
            places = [(work.org, work.day) for work in works]
            pieces = _told(store, Portion(prepared.run, chunk_name(prepared.table, number), places))
            ended.append(as_chunk(prepared.run, prepared.table, number, pieces))
    return sorted(ended, key=lambda chunk: chunk.chunk)


def chunk_name(table: str, chunk: int) -> str:
    """The name of a chunk's portion."""
    return f"tables/{table}/chunks/{chunk}"


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


def _told(store: RunStore, portion: Portion) -> list[Piece]:
    begun = store.begun(portion.run, portion.name) or Begun(portion.run, portion.name, ())
    done = _done(store, portion, begun)
    return [
        done.get(number)
        or Piece(failures=(Failure(*place, ENDED_ITS_WORKER if number in begun.pieces else UNENDED),))
        for number, place in enumerate(portion.places)
    ]


def _done(store: RunStore, portion: Portion, begun: Begun) -> dict[int, Piece]:
    found = {number: store.piece(portion.run, portion.name, number) for number in begun.pieces}
    return {number: piece for number, piece in found.items() if piece is not None}


def _ended(piece: Piece) -> bool:
    return any(failure.error == ENDED_ITS_WORKER for failure in piece.failures)
