"""Tables in memory whose calls fail as a killed function's do: one that is chosen, or any by chance."""

import random
from collections.abc import Callable
from itertools import count
from typing import Any

from botocore.exceptions import EndpointConnectionError

from millrace.core.errors import RetryableError
from tests.support.stores import MemoryDynamoDB


class Shaky(MemoryDynamoDB):
    """Fails before a call takes effect, or behind that with its answer lost.

    Attributes:
        at: the number of the call, from 0, that fails once; -1: none.
        chance: of each call to fail, by `rng`.
        made: calls while it was counting.
        struck: calls that failed.
    """

    def __init__(self, at: int = -1, *, lost: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.fault = EndpointConnectionError(endpoint_url="memory")
        self.at, self.took_effect = at, lost
        self.chance, self._rng = 0.0, random.Random(seed)
        self.made, self.struck, self.counting = 0, 0, False

    def _fails(self, operation: str) -> bool:
        self.made += self.counting
        fails = self.counting and self.made - 1 == self.at
        if self.chance and self._rng.random() < self.chance:
            fails, self.took_effect = True, self._rng.random() < 0.5
        self.struck += fails
        return super()._fails(operation) or fails

    def retried(self, work: Callable[..., object], *given: Any, restart: Callable[[], object]) -> None:
        """Does something as whoever calls a function does: again, by a fresh copy, as long as a call fails."""
        for tries in count(1):
            self.counting = True
            try:
                work(*given)
            except RetryableError:
                assert tries < 50, "it never succeeds"
                restart()
            else:
                return
            finally:
                self.counting = False


def each_call(told: Callable[[Shaky], Any], *, least: int) -> None:
    """Tells a story once for each call that it makes, in which that one fails: it has to end as without a fault.

    Args:
        told: tells it over tables, and returns how it ended.
        least: calls that it makes at least.
    """
    sound = Shaky()
    wanted = told(sound)
    assert sound.made >= least, f"{sound.made} calls"
    for lost in (False, True):
        for at in range(sound.made):
            tables = Shaky(at, lost=lost)
            assert told(tables) == wanted, f"call {at}, {'behind' if lost else 'before'} its effect"
            assert tables.struck, f"call {at} was not made"
