"""Sort keys of an index, newest first, whatever the precision in which each was written. Pure.

Keys are written in microseconds, `…16.123456Z#id`. Older rows have keys in milliseconds, `…16.123Z#id`, and in text these
sort behind every key of their millisecond (`Z` comes after the digits), wherever in that millisecond their event lies. So
the keys of one millisecond are ordered together; an older key by its event's own moment, which only the row holds.
"""

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, groupby

from millrace.core import keys

# Below and above every sort key.
LOWEST, HIGHEST = "0", ":"
# What DynamoDB takes as a sort key.
_BYTES = 1024
_POSITION = re.compile(r"[0-9]{4}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}\.[0-9]{6}Z#[^\x00-\x1f]+")
# From ids of events to their sort keys in microseconds; an event that has gone is left out.
Resolve = Callable[[Sequence[str]], Mapping[str, str]]


def is_position(text: str) -> bool:
    """Whether a text is a sort key in microseconds. One in milliseconds is not a position: it is not exact."""
    return len(text.encode()) <= _BYTES and _POSITION.fullmatch(text) is not None


def of_milliseconds_at(position: str) -> tuple[str, str]:
    """Bounds of the older keys that lie in the millisecond of a position."""
    start = f"{keys.millisecond(position)}Z"
    return f"{start}{keys.SEPARATOR}", f"{start}{chr(ord(keys.SEPARATOR) + 1)}"


def newest_first(descending: Iterable[str], low: str, high: str, resolve: Resolve) -> Iterator[str]:
    """Sort keys in the order of their events, from `low` (inclusive) to `high` (exclusive), each event once.

    An older key is yielded as it is where nothing else lies in its millisecond and no bound does; otherwise in microseconds.

    Args:
        descending: keys in descending order of text, with all older keys of the milliseconds of both bounds.
        low: a sort key in microseconds, or `LOWEST`.
        high: likewise, or `HIGHEST`.
        resolve: returns keys in microseconds.
    """
    edges = {keys.millisecond(low), keys.millisecond(high)}
    last = ""
    for millisecond, of_one in groupby(descending, keys.millisecond):
        for sort_key in _of_millisecond(of_one, millisecond in edges, resolve):
            if sort_key != last and (keys.is_of_milliseconds(sort_key) or low <= sort_key < high):
                yield sort_key
            last = sort_key


def _of_millisecond(sort_keys: Iterator[str], on_edge: bool, resolve: Resolve) -> Iterator[str]:
    """The keys of one millisecond; the older ones come first."""
    older: list[str] = []
    for sort_key in sort_keys:
        if not keys.is_of_milliseconds(sort_key):
            sort_keys = chain((sort_key,), sort_keys)
            break
        if not older or sort_key != older[-1]:
            older.append(sort_key)
    else:
        if len(older) == 1 and not on_edge:
            yield older[0]
            return
        sort_keys = iter(())
    if older:
        resolved = sorted(resolve([keys.id_of(one) for one in older]).values(), reverse=True)
        sort_keys = heapq.merge(resolved, sort_keys, reverse=True)
    yield from sort_keys
