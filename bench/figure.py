"""One measured figure and what it is held to; and how two pieces of work are compared."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

ROUNDS = 9
# Each side of a round works at least this long, so that the clock's grain and a stray interrupt weigh little.
SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Figure:
    """A ratio against its target.

    Attributes:
        goal: such as `P4`.
        what: what was divided by what, for people.
        ratio: the median of the rounds, or what was counted.
        target: what the ratio is held to.
        at_least: the ratio must reach the target; otherwise it must not exceed it.
        held: False for a figure that is shown beside a goal and held to nothing.
    """

    goal: str
    what: str
    ratio: float
    target: float
    at_least: bool = False
    held: bool = True

    @property
    def passed(self) -> bool:
        """Whether the goal is kept."""
        if not self.held:
            return True
        return self.ratio >= self.target if self.at_least else self.ratio <= self.target

    @property
    def wanted(self) -> str:
        """The target as it is read."""
        return f"{'≥' if self.at_least else '≤'} {self.target:g}" if self.held else "–"


Work = Callable[[], object]


def ratio(ours: Work, peer: Work, *, rounds: int = ROUNDS, seconds: float = SECONDS) -> float:
    """CPU time of one call of `ours` over one of `peer`: the median of interleaved rounds.

    CPU time of all threads of the process, so that other programs on the machine change it little.
    """
    return median(both(ours, peer, rounds=rounds, seconds=seconds))


def both(ours: Work, peer: Work, *, rounds: int = ROUNDS, seconds: float = SECONDS) -> list[float]:
    """The ratio of each round."""
    counts = [_calls(work, seconds) for work in (ours, peer)]
    ratios = []
    for number in range(rounds):
        # Who goes first alternates: what one side leaves in the caches is then no side's advantage.
        order = (0, 1) if number % 2 else (1, 0)
        spent = [0.0, 0.0]
        for side in order:
            spent[side] = _cpu((ours, peer)[side], counts[side]) / counts[side]
        ratios.append(spent[0] / spent[1])
    return ratios


def _calls(work: Work, seconds: float) -> int:
    work()
    calls = 1
    while (spent := _cpu(work, calls)) < seconds:
        calls = max(calls + 1, int(calls * min(10, 1.2 * seconds / max(spent, 1e-6))))
    return calls


def _cpu(work: Work, calls: int) -> float:
    gc.collect()
    started = time.process_time()
    for _ in range(calls):
        work()
    return time.process_time() - started
