"""A token bucket per tenant in each warm function: a burst is taken, a flood is asked to come back."""

import math
import time
from collections.abc import Callable
from http import HTTPStatus

from millrace.core.http import Problem


class RateLimiter:
    """Tokens are events; a bucket holds one second's rate times `burst_seconds`."""

    def __init__(
        self, events_per_second: float, burst_seconds: float = 10, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._size, self._clock = events_per_second, events_per_second * burst_seconds, clock
        self._buckets: dict[str, tuple[float, float]] = {}

    def take(self, org: str, events: int) -> None:
        """Takes tokens for the events of a request.

        Raises:
            Problem: 429, with the seconds after which it is worth another try in `retry-after`.
        """
        moment = self._clock()
        tokens, seen = self._buckets.get(org, (self._size, moment))
        tokens = min(self._size, tokens + (moment - seen) * self._rate)
        # A request larger than the whole bucket passes when the bucket is full, or it never could.
        needed = min(events, self._size)
        if tokens >= needed:
            self._buckets[org] = (tokens - events, moment)
            return
        self._buckets[org] = (tokens, moment)
        wait = max(1, math.ceil((needed - tokens) / self._rate))
        raise Problem(
            HTTPStatus.TOO_MANY_REQUESTS,
            f"more than {self._rate:g} events a second: try again in {wait} s",
            headers={"retry-after": str(wait)},
        )
