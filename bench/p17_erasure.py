"""P17: erasing one person costs the same in a lake of 16 times the size: at most 1.2 times the time.

The platform in process, with its machine. The stores are in memory and search themselves row by row, so their time is left out:
what is measured is our own code, and beside it how often it calls a store and how many bytes it reads.
"""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import boto3

from bench.figure import Figure
from millrace.core import aws
from tests.support import events
from tests.support.erasing import Requests
from tests.support.platform import Platform, platform

MOST, SCALE = 1.2, 16
# People of the small lake, and events of each; so many are erased.
PEOPLE, EVENTS, ERASED = 12, 12, 9


class Meter:
    """Clients whose calls are counted, and timed apart."""

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make
        self.calls = self.bytes = 0
        self.seconds = 0.0

    def client(self, service: str, **how: Any) -> Any:
        """A client of a service."""
        return _Metered(self._make(service, **how), self)


class _Metered:
    def __init__(self, client: Any, meter: Meter) -> None:
        self._client, self._meter = client, meter

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._client, name)

        def call(**request: Any) -> Any:
            started = time.process_time()
            try:
                answer = operation(**request)
            finally:
                self._meter.seconds += time.process_time() - started
                self._meter.calls += 1
            if name == "get_object":
                self._meter.bytes += int(answer["ContentLength"])
            return answer

        return call if callable(operation) else operation


def measure() -> list[Figure]:
    """Seconds, calls and bytes of the large lake over those of the small one."""
    small, large = (_erasures(scale) for scale in (1, SCALE))
    seconds, calls, read = (after / before for before, after in zip(small, large, strict=True))
    return [
        Figure("P17", f"CPU of an erasure, lake of {SCALE}x / 1x", seconds, MOST),
        Figure("P17", f"calls of stores, lake of {SCALE}x / 1x", calls, MOST),
        Figure("P17", f"bytes read of the lake, {SCALE}x / 1x", read, MOST),
        Figure("P17", "ms of CPU of an erasure", large[0] * 1000, 0, held=False),
        Figure("P17", "calls of stores for it", large[1], 0, held=False),
    ]


def _erasures(scale: int) -> tuple[float, float, float]:
    """Medians of the seconds, calls and bytes of an erasure."""
    with platform(Path(os.environ["MILLRACE_BUNDLE"]), in_memory=True) as running:
        _fill(running, scale)
        meter = Meter(boto3.client)
        with patch.object(boto3, "client", meter.client):
            aws.client.cache_clear()
            running.restart_all()
            spent = [_erased(running, meter, f"u-{number}") for number in range(ERASED + 1)]
        aws.client.cache_clear()
    # The first one starts the copies of the functions.
    seconds, calls, read = zip(*spent[1:], strict=True)
    return median(seconds), median(calls), median(read)


def _erased(running: Platform, meter: Meter, user: str) -> tuple[float, int, int]:
    requests = Requests(running)
    meter.calls, meter.bytes, meter.seconds = 0, 0, 0.0
    started = time.process_time()
    body = requests.erased(user)
    seconds = time.process_time() - started - meter.seconds
    if body["certificate"]["verified"]["events"]["looked"] != EVENTS:
        raise AssertionError("not every event of the person was looked at")
    return seconds, meter.calls, meter.bytes


def _fill(running: Platform, scale: int) -> None:
    """Everybody orders once in each round, and what came is archived, so that an object holds as much in either lake."""
    people = [f"u-{number}" for number in range(PEOPLE * scale)]
    for start in range(0, len(people), PEOPLE):
        for _ in range(EVENTS):
            running.post([events.shipped_order(user=user) for user in people[start : start + PEOPLE]])
        running.settle()
