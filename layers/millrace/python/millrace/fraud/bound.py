"""The size bound of a user's row: what is dropped beyond it, whatever moments its transactions name. Pure.

DynamoDB takes 400 KB. The client sets a transaction's timestamp, so one user may have more minutes and days than a row
holds, and a batch may touch all of them: then even attributes that the batch counts are dropped, after they were counted.
"""

from collections.abc import Collection, Iterator, Sequence

from millrace.fraud import profile, velocity
from millrace.fraud.user import DAY, MINUTE, UserSets

# A row's size before a batch; concurrent batches, which add some 40 KB each at most, have the rest.
MOST_BYTES = 128 * 1024
# The SDK takes some ten microseconds to parse each attribute, of every row of a batch.
MOST_ATTRIBUTES = 700
# DynamoDB counts the attribute's name, its elements, and a few bytes for each.
_PER_ATTRIBUTE, _PER_ELEMENT = 4, 1


def size_of(name: str, elements: Collection[bytes]) -> int:
    """An upper estimate of an attribute's bytes."""
    return len(name) + _PER_ATTRIBUTE + sum(len(element) + _PER_ELEMENT for element in elements)


def beyond(sets: UserSets, dropped: Sequence[str], now_ms: int) -> list[str]:
    """Attributes to drop besides those that are dropped already, so that the row keeps its bound.

    Those farthest from the present go first: they come from a client whose clock is wrong, or who invents timestamps. What
    the batch adds is not counted here, but by the next batch: else a batch of odd timestamps would displace the true ones.

    Args:
        sets: of the user, before the batch.
        dropped: attributes that are dropped anyway.
        now_ms: the present.
    """
    gone = set(dropped)
    held = {name: size_of(name, elements) for name, elements in _timed(sets) if name not in gone}
    size = sum(held.values()) + sum(size_of(name, elements) for name, elements in sets.seen.items())
    more: list[str] = []
    for name in sorted(held, key=lambda name: (-_distance(name, now_ms), name)):
        if size <= MOST_BYTES and len(held) - len(more) <= MOST_ATTRIBUTES:
            break
        more.append(name)
        size -= held[name]
    return more


def _timed(sets: UserSets) -> Iterator[tuple[str, Collection[bytes]]]:
    for minute, elements in sets.minutes.items():
        yield f"{MINUTE}{minute}", elements
    for day, elements in sets.days.items():
        yield f"{DAY}{day}", elements


def _distance(name: str, now_ms: int) -> int:
    span = velocity.MS_PER_MINUTE if name[0] == MINUTE else profile.MS_PER_DAY
    return abs(int(name[1:]) - now_ms // span) * span
