"""How many transactions a user made in the minutes up to and with one: sets of event-id hashes per minute.

A repeated element does not change a set, nor does the order, so a second delivery or a late arrival is counted correctly.
An element carries its milliseconds within the minute, so a window is exact to the millisecond though it is kept by minutes.
The window is half-open: a transaction exactly its length ago is outside.
"""

import hashlib
from collections import deque
from collections.abc import Collection, Mapping

from millrace.core.identity import identity_text

MS_PER_MINUTE = 60_000
# A minute takes no more elements than this, and a decision names no more: far below 200 the velocity rule has fired.
SATURATION = 200
HASH_BYTES = 8
OFFSET_BYTES = 2

MinuteSets = Mapping[int, Collection[bytes]]
"""Minute since 1970 → its elements."""


def id_hash(event_id: str) -> bytes:
    """8 bytes of the hash of an event's id. Among the few hundred ids of a user's window no collision is to be expected."""
    return hashlib.sha256(identity_text(event_id).encode()).digest()[:HASH_BYTES]


def element(moment_ms: int, hashed: bytes) -> tuple[int, bytes]:
    """The minute that an event belongs to, and its element there: 2 bytes of milliseconds, 8 of the id's hash."""
    minute, offset = divmod(moment_ms, MS_PER_MINUTE)
    return minute, offset.to_bytes(OFFSET_BYTES, "big") + hashed


def counted(sets: MinuteSets, moment_ms: int, own: bytes, window_ms: int) -> list[bytes]:
    """The id hashes in the window that ends with an event, oldest first, its own last; at most `SATURATION`.

    Args:
        sets: of the user.
        moment_ms: when the event happened.
        own: the hash of its id; it counts itself whether or not a saturated set took it.
        window_ms: the window's length.
    """
    after = moment_ms - window_ms
    in_window = []
    first, last = after // MS_PER_MINUTE, moment_ms // MS_PER_MINUTE
    # Most users have fewer minutes than the window.
    for minute in sets if len(sets) <= last - first else range(first, last + 1):
        if not first <= minute <= last:
            continue
        for one in sets.get(minute, ()):
            at = minute * MS_PER_MINUTE + int.from_bytes(one[:OFFSET_BYTES], "big")
            hashed = one[OFFSET_BYTES:]
            if after < at <= moment_ms and hashed != own:
                in_window.append((at, hashed))
    in_window.sort()
    return [
        *(hashed for _, hashed in in_window[max(0, len(in_window) - SATURATION + 1) :]),
        own,
    ]


class SlidingCounts:
    """Counts of many users over transactions in the order of time, for history that is read once."""

    def __init__(self, window_ms: int) -> None:
        self._window_ms = window_ms
        self._moments: dict[object, deque[int]] = {}

    def add(self, user: object, moment_ms: int) -> int:
        """Counts a transaction in and returns the user's count in the window that ends with it.

        Transactions of the same millisecond count those before them. One older than the user's last is counted where it
        comes.
        """
        moments = self._moments.get(user)
        if moments is None:
            moments = self._moments[user] = deque()
        after = moment_ms - self._window_ms
        while moments and moments[0] <= after:
            moments.popleft()
        moments.append(moment_ms)
        return len(moments)
