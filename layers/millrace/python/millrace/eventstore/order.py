"""Sort keys of an index, newest first, whatever the width in which each was written. Pure.

`…16.123456Z#id` is what is written; `…16.123Z#id` stands in rows of before, and in text it sorts behind every key of its
millisecond (`Z` comes after the digits), wherever in that millisecond its event lies. So the keys of one millisecond are
put in order together: those of before by the event's own moment, which only its row knows.
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
# From ids of events to the sort keys that would be written today; an event that has gone is left out.
Resolve = Callable[[Sequence[str]], Mapping[str, str]]


def is_position(text: str) -> bool:
    """Whether a text is a sort key as it is written today. Those in milliseconds are not: they say no place exactly."""
    return len(text.encode()) <= _BYTES and _POSITION.fullmatch(text) is not None


def of_milliseconds_at(position: str) -> tuple[str, str]:
    """Bounds of the keys of before that lie in the millisecond of a position."""
    start = f"{keys.millisecond(position)}Z"
    return f"{start}{keys.SEPARATOR}", f"{start}{chr(ord(keys.SEPARATOR) + 1)}"


def newest_first(descending: Iterable[str], low: str, high: str, resolve: Resolve) -> Iterator[str]:
    """Sort keys in the order of their events, from `low` (inclusive) to `high` (exclusive), each event once.

    A key of before is given as it stands where nothing else lies in its millisecond and no bound does; otherwise as it
    would be written today.

    Args:
        descending: keys in descending order of text; of the milliseconds of both bounds all that are of before.
        low: a sort key as it is written today, or `LOWEST`.
        high: likewise, or `HIGHEST`.
        resolve: gives the keys of today.
    """
    edges = {keys.millisecond(low), keys.millisecond(high)}
    last = ""
    for millisecond, found in groupby(descending, keys.millisecond):
        for sort_key in _of_one(found, millisecond in edges, resolve):
            if sort_key != last and (keys.is_of_milliseconds(sort_key) or low <= sort_key < high):
                yield sort_key
            last = sort_key


def _of_one(found: Iterator[str], on_edge: bool, resolve: Resolve) -> Iterator[str]:
    """The keys of one millisecond; those of before come first."""
    before: list[str] = []
    for sort_key in found:
        if not keys.is_of_milliseconds(sort_key):
            found = chain((sort_key,), found)
            break
        if not before or sort_key != before[-1]:
            before.append(sort_key)
    else:
        if len(before) == 1 and not on_edge:
            yield before[0]
            return
        found = iter(())
    if before:
        resolved = sorted(resolve([keys.id_of(one) for one in before]).values(), reverse=True)
        found = heapq.merge(resolved, found, reverse=True)
    yield from found
