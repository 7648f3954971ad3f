"""Which points go wrong in which run of the story."""

from collections.abc import Iterator, Sequence
from itertools import zip_longest

from tests.support.faultpoints.calls import Fault, Point, applies

Armed = dict[Point, Fault]


def each(points: Sequence[Point]) -> Iterator[Armed]:
    """Every recorded point by itself, in every way."""
    for point in sorted(points):
        for fault in Fault:
            if applies(point, fault):
                yield {point: fault}


def together(points: Sequence[Point], fault: Fault) -> Iterator[Armed]:
    """The first of each kind of call, in one way, one for each function at a time: few runs, no kind left out."""
    kinds: dict[str, list[Point]] = {}
    for point in points:
        if point.occurrence == 0:
            kinds.setdefault(point.function, []).append(point)
    for chosen in zip_longest(*kinds.values()):
        armed = {point: fault for point in chosen if point is not None and applies(point, fault)}
        if armed:
            yield armed
