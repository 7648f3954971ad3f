"""How large an answer may be, and how many items fit. Bytes are counted as the gateway gets them.

A function answers at most 6 MB, in which the body stands as a JSON text: each quote and each backslash is two bytes.
"""

from collections.abc import Callable, Iterable
from typing import TypeVar

from millrace.core.limits import Limit

T = TypeVar("T")
# 6 MB less room for headers, the frame of a list, and whatever else stands beside what is counted.
BYTES = 4_500 * 1024
LIMITS = (Limit("a page of a list", f"{BYTES / (1 << 20):.1f} MB", "a shorter page and its `cursor`"),)


def of(body: bytes) -> int:
    """Bytes that a piece of JSON takes in a function's answer."""
    return len(body) + body.count(b'"') + body.count(b"\\")


def fitting(
    items: Iterable[T], limit: int, body: Callable[[T], bytes], size: int = BYTES
) -> tuple[list[T], bool]:
    """The first items that an answer can hold, and whether there are others behind them. One always fits.

    Args:
        items: taken one by one until the answer is full.
        limit: how many at most.
        body: the JSON of an item.
        size: bytes of all together.
    """
    held: list[T] = []
    for item in items:
        size -= of(body(item)) + 1
        if held and (len(held) == limit or size < 0):
            return held, True
        held.append(item)
    return held, False
