"""A user's row in FeatureStore: its sets, and what a batch of transactions adds to them. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millrace.core import clock
from millrace.fraud import profile, velocity

MINUTE, DAY = "m", "d"
# A row of this many elements is a few kilobytes; below it nothing is dropped, so that late arrivals count exactly.
ROOMY = 400
MOST = 2000
# Transactions that arrive up to this late are counted with their neighbours, as long as the row is below MOST.
KEPT_MINUTES = 8 * 24 * 60
# Days are dropped some at a time, not one a day.
SPARE_DAYS = 5
_SEEN = frozenset(profile.SEEN)
_NONE: frozenset[bytes] = frozenset()


@dataclass(slots=True)
class Transaction:
    """A transaction to be added to a user's sets. Immutable by convention.

    Attributes:
        hashed: of its event's id.
        moment_ms: when it happened, by its own timestamp.
        payload: of the event.
        seen: its device, merchant and country, hashed.
    """

    hashed: bytes
    moment_ms: int
    payload: Mapping[str, Any]
    seen: Mapping[str, bytes]

    @classmethod
    def of(cls, event_id: str, moment: datetime, payload: Mapping[str, Any]) -> "Transaction":
        """The transaction of an event."""
        return cls(
            velocity.id_hash(event_id), clock.epoch_millis(moment), payload, profile.seen_elements(payload)
        )


@dataclass(slots=True)
class UserSets:
    """The sets of one user. Immutable by convention."""

    minutes: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    days: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    seen: Mapping[str, frozenset[bytes]] = field(default_factory=dict)

    @classmethod
    def from_item(cls, item: Mapping[str, Mapping[str, Any]]) -> "UserSets":
        """Reads a row as DynamoDB gives it."""
        minutes: dict[int, frozenset[bytes]] = {}
        days: dict[int, frozenset[bytes]] = {}
        seen: dict[str, frozenset[bytes]] = {}
        for name, value in item.items():
            if "BS" not in value:
                continue
            elements = frozenset(value["BS"])
            if name in _SEEN:
                seen[name] = elements
            elif name[0] == MINUTE:
                minutes[int(name[1:])] = elements
            elif name[0] == DAY:
                days[int(name[1:])] = elements
        return cls(minutes, days, seen)

    def with_added(self, added: Mapping[str, Iterable[bytes]]) -> "UserSets":
        """The sets after an addition that is not stored."""
        item = {name: {"BS": list(elements)} for name, elements in added.items()}
        new = UserSets.from_item(item)
        return self.joined(new)

    def joined(self, other: "UserSets") -> "UserSets":
        """The union of both."""
        return UserSets(
            _merged(self.minutes, other.minutes),
            _merged(self.days, other.days),
            _merged(self.seen, other.seen),
        )


def additions(sets: UserSets, transactions: Sequence[Transaction]) -> dict[str, list[bytes]]:
    """Elements to add, by attribute: those that are there already are left out, and a full set takes no more."""
    added: dict[str, list[bytes]] = {}
    # In the order of time, so that what a full set takes does not depend on the order of delivery.
    for one in sorted(transactions, key=_order) if len(transactions) > 1 else transactions:
        minute, element = velocity.element(one.moment_ms, one.hashed)
        _add(added, f"{MINUTE}{minute}", element, sets.minutes.get(minute, _NONE), velocity.SATURATION)
        amount = one.payload.get("amount")
        if amount is not None:
            day, element = profile.day_element(one.moment_ms, one.hashed, amount)
            _add(added, f"{DAY}{day}", element, sets.days.get(day, _NONE), profile.SATURATION)
        for name, element in one.seen.items():
            _add(added, name, element, sets.seen.get(name, _NONE), profile.SATURATION)
    return added


def _add(added: dict[str, list[bytes]], name: str, element: bytes, held: frozenset[bytes], most: int) -> None:
    new = added.get(name)
    if new is None:
        if element not in held and len(held) < most:
            added[name] = [element]
    elif element not in new and element not in held and len(held) + len(new) < most:
        new.append(element)


def _order(one: Transaction) -> tuple[int, bytes]:
    return one.moment_ms, one.hashed


def stale(sets: UserSets, transactions: Sequence[Transaction], window_ms: int, now_ms: int) -> list[str]:
    """Attributes to drop from a large row: minutes and days far from now, farthest first; never what the batch counts.

    A minute in the future, by a client's clock, is as far as one that is as long ago.
    """
    held = sum(map(len, sets.minutes.values()))
    if held <= ROOMY and len(sets.days) <= profile.DAYS + SPARE_DAYS:
        return []
    now = now_ms // velocity.MS_PER_MINUTE
    span = window_ms // velocity.MS_PER_MINUTE + 1
    ends = {one.moment_ms // velocity.MS_PER_MINUTE for one in transactions}
    needed = {minute for end in ends for minute in range(end - span, end + 1)}
    dropped = []
    for minute in sorted(sets.minutes, key=lambda minute: (-abs(minute - now), minute)):
        if held <= ROOMY or (held <= MOST and abs(minute - now) <= KEPT_MINUTES):
            break
        if minute not in needed:
            dropped.append(f"{MINUTE}{minute}")
            held -= len(sets.minutes[minute])
    touched = {one.moment_ms // profile.MS_PER_DAY for one in transactions}
    today = now_ms // profile.MS_PER_DAY
    dropped += [
        f"{DAY}{day}"
        for day in sorted(sets.days)
        if not today - profile.DAYS <= day <= today + 1 and day not in touched
    ]
    return dropped


def _merged(
    old: Mapping[Any, frozenset[bytes]], new: Mapping[Any, frozenset[bytes]]
) -> dict[Any, frozenset[bytes]]:
    return {**old, **{key: old.get(key, frozenset()) | elements for key, elements in new.items()}}
