"""A portion whose worker is killed over some of its pieces: all else is done, whatever it takes, and those are named."""

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core import isolate
from millrace.core.errors import RetryableError
from millrace.core.objects import Objects
from millrace.runs import portions
from millrace.runs.documents import Failure, Part, Piece, Plan, Prepared, TenantDay, Unit, Work
from millrace.runs.portions import Portion
from millrace.runs.store import RunStore
from tests.support.stores import MemoryS3

pytestmark = pytest.mark.unit
DAY = "2026-11-20"


class KilledError(BaseException):
    """No code of the worker sees it."""


def part(org: str, table: str = "silver.a") -> Part:
    return Part(table, org, DAY, f"s3://{org}", 1, 1)


class Worker:
    """Makes pieces; `deadly` ones kill it."""

    def __init__(self, orgs: Sequence[str], deadly: set[int]) -> None:
        self.s3 = MemoryS3()
        self.runs = RunStore(Objects(self.s3, "b"))
        self.portion = Portion("r", "silver/0", [(org, DAY) for org in orgs])
        self.deadly, self.made = deadly, list[int]()

    def make(self, number: int) -> Piece:
        self.made.append(number)
        if number in self.deadly:
            raise KilledError
        return Piece(parts=(part(self.portion.places[number][0]),))

    def attempt(self) -> list[Piece] | None:
        try:
            return portions.do(self.runs, self.portion, self.make)
        except KilledError:
            return None

    def told(self) -> list[Piece]:
        return portions._unended(self.runs, self.portion)


def test_nothing_that_kills_costs_two_calls() -> None:
    worker = Worker(["a", "b"], set())
    assert worker.attempt() == [Piece(parts=(part("a"),)), Piece(parts=(part("b"),))]
    assert (worker.made, worker.s3.calls.total()) == ([0, 1], 2)


def test_the_piece_that_kills_is_named_and_the_others_are_done_once() -> None:
    worker = Worker(["a", "b", "c"], {1})
    assert worker.attempt() is None
    assert worker.attempt() is None
    worker.made.clear()
    assert worker.attempt() == [
        Piece(parts=(part("a"),)),
        Piece(failures=(Failure("b", DAY, portions.ENDED_ITS_WORKER),)),
        Piece(parts=(part("c"),)),
    ]
    assert worker.made == [2], "what was done is taken over"


def test_a_worker_that_is_killed_once_loses_nothing() -> None:
    worker = Worker(["a", "b"], {1})
    worker.attempt()
    worker.deadly = set()
    assert worker.attempt() == [Piece(parts=(part("a"),)), Piece(parts=(part("b"),))]


@settings(deadline=None)
@given(st.sets(st.integers(0, 9)), st.integers(2, 6))
def test_other_tenants_are_done_however_many_pieces_of_one_kill(deadly: set[int], attempts: int) -> None:
    """Ten days of one tenant lie in the midst of others'."""
    orgs = ["first", *["hostile"] * 10, "last", "later"]
    worker = Worker(orgs, {1 + number for number in deadly})
    told = next((done for _ in range(attempts + 1) if (done := worker.attempt())), None) or worker.told()
    assert [bool(told[number].parts) for number in (0, 11, 12)] == [True] * 3
    for number, piece in enumerate(told):
        assert bool(piece.parts) != bool(piece.failures)
        if number in worker.deadly:
            assert piece.failures[0].org == "hostile"


def test_a_lake_that_does_not_answer_is_no_fault_of_the_piece() -> None:
    worker = Worker(["a", "b"], {0})
    worker.attempt()

    def unanswered(number: int) -> Piece:
        raise RetryableError("the lake")

    with pytest.raises(RetryableError):
        portions.do(worker.runs, worker.portion, unanswered)
    worker.deadly = set()
    done = worker.attempt()
    assert done is not None
    assert [piece.failures for piece in done] == [(), ()]


def test_what_no_attempt_ends_is_read_piece_by_piece() -> None:
    worker = Worker(["a", "b", "c"], {0, 1, 2})
    units = tuple(Unit(org, DAY, 0, 1) for org in ("a", "b", "c"))
    days = tuple(TenantDay(org, DAY, ()) for org in ("a", "b", "c"))
    worker.runs.put_plan(Plan("r", "", (), days, (units,), (), {}))
    (batch,) = portions.silver(worker.runs, "r", 1)
    assert {failure.error for failure in batch.failures} == {portions.UNENDED}
    worker.attempt()
    worker.deadly = {1}
    worker.attempt()
    (batch,) = portions.silver(worker.runs, "r", 1)
    assert [one.org for one in batch.parts] == ["a"]
    assert [(one.org, one.error) for one in batch.failures] == [
        ("b", portions.ENDED_ITS_WORKER),
        ("c", portions.UNENDED),
    ]
    chunk = (tuple(Work(org, DAY) for org in ("a", "b")),)
    prepared = Prepared("r", "marts.x", "ready", "", "", None, (), chunk)
    assert [one.org for one in portions.chunks(worker.runs, prepared)[0].failures] == ["a", "b"]


@settings(deadline=None)
@given(st.sets(st.integers(0, 40)), st.integers(0, 41))
def test_bad_parts_are_found_by_halves(bad: set[int], count: int) -> None:
    tried = 0

    def attempt(some: Sequence[int]) -> None:
        nonlocal tried
        tried += 1
        if wrong := [one for one in some if one in bad]:
            raise OverflowError(wrong[0])

    found = isolate.failing(range(count), attempt, (OSError,))
    assert set(found) == {one for one in bad if one < count}
    assert all(str(error) == str(one) for one, error in found.items())
    assert tried <= 1 + 14 * len(found)


def test_an_error_of_the_store_is_of_no_part() -> None:
    def attempt(some: Sequence[int]) -> None:
        raise OSError("no answer")

    with pytest.raises(OSError, match="no answer"):
        isolate.failing([1, 2], attempt, (OSError,))
