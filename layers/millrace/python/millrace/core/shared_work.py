"""Threads that share a piece of work: each does of it what it can get, until nothing is left."""

import threading
from collections.abc import Callable
from itertools import count
from queue import SimpleQueue
from typing import Any


class _Shift:
    """One piece of work and those who are at it."""

    __slots__ = ("_done", "_ended", "_hands", "_work", "errors")

    def __init__(self, work: Callable[[], object], hands: int) -> None:
        self._work, self._hands = work, hands
        self._ended = count(1)
        self.errors: list[BaseException] = []
        self._done = threading.Lock()
        self._done.acquire()

    def work(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  it is raised where the work was asked for
            self.errors.append(error)
        # `next` is one step, so exactly one is the last.
        if next(self._ended) == self._hands:
            self._done.release()

    def wait(self, timeout: float) -> bool:
        return self._done.acquire(timeout=timeout)


class Crew:
    """A bounded number of threads, started when first needed; they end with the process.

    An executor makes a future, with locks of its own, for each thread that is to help. For calls of some hundred
    microseconds that is felt; here a thread costs one place in a queue.
    """

    def __init__(self, size: int, name: str) -> None:
        """`size` threads at most are at work at once, whatever is asked."""
        self._size, self._name, self._started = size, name, 0
        self._queue: SimpleQueue[_Shift] = SimpleQueue()

    def run(self, work: Callable[[], Any], hands: int, timeout: float = -1) -> None:
        """Has `work` called by so many threads at once and waits for them all. For one caller at a time.

        Args:
            work: called once by each thread; it takes from what all share until nothing is left.
            hands: how many threads.
            timeout: seconds to wait at most; without a limit if negative.

        Raises:
            TimeoutError: some are still at it.
            BaseException: the first of what `work` raised, after all have ended.
        """
        hands = min(hands, self._size)
        while self._started < hands:
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        shift = _Shift(work, hands)
        for _ in range(hands):
            self._queue.put(shift)
        if not shift.wait(timeout):
            raise TimeoutError
        if shift.errors:
            raise shift.errors[0]

    def _serve(self) -> None:
        while True:
            self._queue.get().work()
