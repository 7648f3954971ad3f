"""A pool: every hand is at it, none is left behind, and what goes wrong is raised where it was asked for."""

import threading
import time
from collections import deque

import pytest

from millrace.core.worker_pool import WorkerPool


@pytest.mark.parametrize("hands", [1, 4, 9])
def test_all_is_done_by_no_more_than_there_are(hands: int) -> None:
    pool, lock = WorkerPool(4, "test"), threading.Lock()
    for _ in range(50):
        left, done = deque(range(30)), list[int]()
        under_way, most = 0, 0

        def work(left: deque[int] = left, done: list[int] = done) -> None:
            nonlocal under_way, most
            with lock:
                under_way += 1
                most = max(most, under_way)
            while True:
                try:
                    done.append(left.popleft())
                except IndexError:
                    break
            with lock:
                under_way -= 1

        pool.run(work, hands)
        assert sorted(done) == list(range(30))
        assert under_way == 0
        assert most <= min(hands, 4)


def test_hands_work_at_once() -> None:
    together = threading.Barrier(4)
    WorkerPool(4, "test").run(lambda: together.wait(timeout=10), 4)


def test_an_error_is_raised_after_all_have_ended_and_the_crew_goes_on() -> None:
    pool, ended = WorkerPool(3, "test"), list[int]()
    first = deque([True])

    def work() -> None:
        if first and first.popleft():
            raise KeyboardInterrupt
        time.sleep(0.02)
        ended.append(1)

    with pytest.raises(KeyboardInterrupt):
        pool.run(work, 3)
    assert len(ended) == 2
    pool.run(work, 3)
    assert len(ended) == 5


def test_who_waits_no_longer_gets_the_next_work_done_all_the_same() -> None:
    pool, free = WorkerPool(2, "test"), threading.Event()
    with pytest.raises(TimeoutError):
        pool.run(lambda: free.wait(timeout=10), 2, timeout=0.01)
    free.set()
    done: list[int] = []
    pool.run(lambda: done.append(1), 2, timeout=10)
    assert done == [1, 1]


def test_what_is_done_in_place_of_a_run_that_timed_out_does_not_wait_for_it() -> None:
    pool, stuck, done = WorkerPool(4, "test"), threading.Event(), list[int]()
    try:
        with pytest.raises(TimeoutError):
            pool.run(lambda: stuck.wait(30), 1, timeout=0.05)
        pool.run(lambda: done.append(1), 1, timeout=10)
    finally:
        stuck.set()
    assert done == [1]
