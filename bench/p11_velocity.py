"""P11: counts of many users in a sliding half hour against a bare deque; both equal to a brute force."""

import random
from collections import deque

from bench.figure import Figure, ratio
from millrace.fraud.velocity import SlidingCounts

WINDOW_MS = 30 * 60_000
COUNT = 5000


def measure() -> list[Figure]:
    """Our time over the deques'."""
    rng = random.Random(11)  # noqa: S311  no secret
    rows = sorted((rng.randrange(3 * WINDOW_MS), rng.randrange(100)) for _ in range(COUNT))
    if _ours(rows) != _bare(rows) or _ours(rows)[-200:] != [
        _brute(rows, at) for at in range(COUNT - 200, COUNT)
    ]:
        raise AssertionError("the counts are wrong")
    return [Figure("P11", "velocity / bare deque", ratio(lambda: _ours(rows), lambda: _bare(rows)), 4)]


def _ours(rows: list[tuple[int, int]]) -> list[int]:
    counts = SlidingCounts(WINDOW_MS)
    return [counts.add(user, moment) for moment, user in rows]


def _bare(rows: list[tuple[int, int]]) -> list[int]:
    windows: list[deque[int]] = [deque() for _ in range(100)]
    counts = []
    for moment, user in rows:
        window = windows[user]
        window.append(moment)
        while window[0] <= moment - WINDOW_MS:
            window.popleft()
        counts.append(len(window))
    return counts


def _brute(rows: list[tuple[int, int]], position: int) -> int:
    moment, user = rows[position]
    return sum(other == user and moment - WINDOW_MS < at <= moment for at, other in rows[: position + 1])
