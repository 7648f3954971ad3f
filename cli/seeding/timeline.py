"""Flows one after another, their events merged in order of time."""

import heapq
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count, islice
from random import Random

from cli.seeding.events import Event
from cli.seeding.flows import MEAN_EVENTS, Timed, draw
from cli.seeding.people import people, shelf

SECONDS_PER_HOUR = 3600.0


def timeline(seed: str, *, start: datetime, per_hour: float, most: int | None = None) -> Iterator[Event]:
    """Events in order of time, the same for the same arguments.

    Args:
        seed: determines everything random, event ids included.
        start: aware; the first flow begins here.
        per_hour: events an hour, on average.
        most: how many events; None for an endless iterator.
    """
    return islice(_merged(seed, start, per_hour), most)


def _merged(seed: str, start: datetime, per_hour: float) -> Iterator[Event]:
    rng = Random(seed)  # noqa: S311  a simulation, not a secret
    everyone, products = people(rng), shelf(rng)
    pending: list[tuple[datetime, int, Event]] = []
    serial = count()
    moment = start
    while True:
        flow: list[Timed] = draw(rng, moment, everyone, products)
        for at, event in flow:
            heapq.heappush(pending, (at, next(serial), event))
        moment += timedelta(seconds=rng.expovariate(per_hour / MEAN_EVENTS / SECONDS_PER_HOUR))
        while pending and pending[0][0] <= moment:
            yield heapq.heappop(pending)[2]
