"""Which points go wrong in which run."""

from collections.abc import Iterator, Sequence

from tests.support.faultpoints.calls import Fault, Point
from tests.support.pipelinefaults.calls import FAULTS

Armed = dict[Point, Fault]


def kinds(points: Sequence[Point]) -> list[Point]:
    """The first of each kind of call of each state."""
    return sorted({Point(point.function, point.call, 0) for point in points})


def each(points: Sequence[Point]) -> Iterator[Armed]:
    """Every kind of point by itself, in every way."""
    for fault in FAULTS:
        for point in kinds(points):
            yield {point: fault}
