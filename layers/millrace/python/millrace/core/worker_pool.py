"""Threads that share a piece of work: each takes a part of it after the other, until nothing is left."""

import threading
from collections.abc import Callable
from itertools import count
from queue import SimpleQueue
from typing import Any


class _Run:
    """One piece of work and the threads that share it."""

    __slots__ = ("_done", "_ended", "_threads", "_work", "errors")

    def __init__(self, work: Callable[[], object], threads: int) -> None:
        self._work, self._threads = work, threads
        self._ended = count(1)
        self.errors: list[BaseException] = []
        self._done = threading.Lock()
        self._done.acquire()

    def work(self) -> None:
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001  `WorkerPool.run` raises it
            self.errors.append(error)
        # `next` is atomic, so exactly one thread is the last.
        if next(self._ended) == self._threads:
            self._done.release()

    def wait(self, timeout: float) -> bool:
        return self._done.acquire(timeout=timeout)


class WorkerPool:
    """A bounded number of threads, started when first needed; they end with the process.

    An executor makes a future, with locks of its own, for each thread that takes part. For calls of some hundred
    microseconds that matters; here a thread costs one entry in a queue.
    """

    def __init__(self, size: int, name: str) -> None:
        """`size`: the most threads that are at work at once."""
        self._size, self._name, self._started = size, name, 0
        self._queue: SimpleQueue[_Run] = SimpleQueue()

    def run(self, work: Callable[[], Any], threads: int, timeout: float = -1) -> None:
        """Calls `work` in so many threads at once and waits for them all. For one caller at a time.

        Args:
            work: called once by each thread; it takes from what all share until nothing is left.
            threads: how many, at most the pool's size.
            timeout: seconds to wait at most; without a limit if negative.

        Raises:
            TimeoutError: some threads have not ended.
            BaseException: the first of what `work` raised, after all have ended.
        """
        threads = min(threads, self._size)
        # One to spare: a run that timed out still holds its threads, and what is done in its place must not wait for them.
        while self._started < min(threads + 1, self._size):
            self._started += 1
            name = f"{self._name}-{self._started}"
            threading.Thread(target=self._serve, name=name, daemon=True).start()
        run = _Run(work, threads)
        for _ in range(threads):
            self._queue.put(run)
        if not run.wait(timeout):
            raise TimeoutError
        if run.errors:
            raise run.errors[0]

    def _serve(self) -> None:
        while True:
            self._queue.get().work()
