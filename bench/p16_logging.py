"""P16: logging and metrics take at most 5 % of the handler's CPU for a request of 100 events.

Every public call of Powertools' Logger and Metrics is timed where the handler makes it. The handler's stores do
nothing, so the share is that of our own code; with boto3 behind it, it is a tenth.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from statistics import median
from typing import Any
from unittest.mock import patch

from aws_lambda_powertools import Logger, Metrics

from bench import edge, sent
from bench.figure import ROUNDS, Figure

REQUESTS = 40
CALLS = (
    (Logger, ("debug", "info", "warning", "error", "exception", "append_keys")),
    (Metrics, ("add_metric", "add_dimension", "flush_metrics")),
)


def measure() -> list[Figure]:
    """The share of the lines in all, in the median round."""
    request = edge.call(sent.body(sent.events(100)))
    shares = []
    with edge.post_events(None) as handler, _timed() as spent:
        handler(request, None)
        for _ in range(ROUNDS):
            spent.clear()
            started = time.process_time()
            for _ in range(REQUESTS):
                handler(request, None)
            shares.append(sum(spent) / (time.process_time() - started))
    if not spent:
        raise AssertionError("the handler logs nothing: what is measured here has moved")
    return [Figure("P16", "logging and metrics / handler without boto3, 100 events", median(shares), 0.05)]


@contextmanager
def _timed() -> Iterator[list[float]]:
    spent: list[float] = []
    depth = [0]

    def timed(original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            # A call within a call is part of the outer one.
            depth[0] += 1
            started = time.thread_time()
            try:
                return original(*args, **kwargs)
            finally:
                depth[0] -= 1
                if not depth[0]:
                    spent.append(time.thread_time() - started)

        return call

    with ExitStack() as stack:
        for owner, names in CALLS:
            for name in names:
                stack.enter_context(patch.object(owner, name, timed(getattr(owner, name))))
        yield spent
