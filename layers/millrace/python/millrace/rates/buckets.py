"""Token buckets. Several are asked at once, and all of them give or none does."""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

# Beyond these the bucket that was asked for longest ago is forgotten, and with it what it was short of.
MOST_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket: what it is called, how many tokens come a second, and how many it holds."""

    name: str
    per_second: float
    size: float

    def wait(self, tokens: float, cost: float) -> float:
        """Seconds until so many tokens have become enough; 0 where they are."""
        return max(0.0, self.needed(cost) - tokens) / self.per_second

    def needed(self, cost: float) -> float:
        """What has to be in it. What costs more than it holds passes where it is full, or it never could."""
        return min(cost, self.size)


class Taken(NamedTuple):
    """Whether the buckets gave, and what is in each of them now, in their order; below 0 where more was given than it holds."""

    given: bool
    tokens: list[float]


class Buckets(Protocol):
    """Where buckets are."""

    def take(self, buckets: Sequence[Bucket], cost: float) -> Taken:
        """Takes tokens from each bucket if each has enough of them, else from none."""


class LocalBuckets:
    """Those of one warm function."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, buckets: Sequence[Bucket], cost: float) -> Taken:
        """As `Buckets` says."""
        moment = self._clock()
        tokens = []
        for one in buckets:
            left, seen = self._kept.get(one.name, (one.size, moment))
            tokens.append(min(one.size, left + max(0.0, moment - seen) * one.per_second))
        given = all(left >= one.needed(cost) for left, one in zip(tokens, buckets, strict=True))
        if given:
            tokens = [left - cost for left in tokens]
        for one, left in zip(buckets, tokens, strict=True):
            self._kept[one.name] = (left, moment)
            self._kept.move_to_end(one.name)
        while len(self._kept) > MOST_BUCKETS:
            self._kept.popitem(last=False)
        return Taken(given, tokens)
