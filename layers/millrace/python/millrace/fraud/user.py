"""A user's row in FeatureStore: what it holds, and what a batch of transactions adds to it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from millrace.fraud import profile, velocity

MINUTE, DAY = "m", "d"
# A row of this many elements is a few kilobytes; below it nothing is forgotten, so that late arrivals count exactly.
ROOMY = 400
MOST = 2000
# Transactions that arrive up to this late are counted with those around them, whatever the row's size below MOST.
KEPT_MINUTES = 8 * 24 * 60
# Days are dropped some at a time, not one a day.
SPARE_DAYS = 5
# Removals per update, so that its expression stays far below DynamoDB's 4 KB.
REMOVED_AT_ONCE = 60


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction on its way into a user's sets.

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
            velocity.id_hash(event_id), velocity.epoch_ms(moment), payload, profile.seen_elements(payload)
        )


@dataclass(frozen=True, slots=True)
class UserSets:
    """The sets of one user."""

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
            elements = frozenset(map(bytes, value["BS"]))
            if name in profile.SEEN:
                seen[name] = elements
            elif name[0] == MINUTE:
                minutes[int(name[1:])] = elements
            elif name[0] == DAY:
                days[int(name[1:])] = elements
        return cls(minutes, days, seen)

    def with_added(self, added: Mapping[str, Iterable[bytes]]) -> "UserSets":
        """The sets after an addition, for a question that stores nothing."""
        item = {name: {"BS": list(elements)} for name, elements in added.items()}
        new = UserSets.from_item(item)
        return UserSets(
            _merged(self.minutes, new.minutes), _merged(self.days, new.days), _merged(self.seen, new.seen)
        )


def additions(sets: UserSets, transactions: Sequence[Transaction]) -> dict[str, list[bytes]]:
    """Elements to add, by attribute: what is there already is left out, and a full set takes nothing more."""
    wanted: dict[str, dict[bytes, None]] = {}
    # In the order of time, so that it does not depend on the order of delivery what a full set takes.
    for one in sorted(transactions, key=lambda each: (each.moment_ms, each.hashed)):
        minute, element = velocity.element(one.moment_ms, one.hashed)
        wanted.setdefault(f"{MINUTE}{minute}", {})[element] = None
        amount = one.payload.get("amount")
        if amount is not None:
            day, element = profile.day_element(one.moment_ms, one.hashed, amount)
            wanted.setdefault(f"{DAY}{day}", {})[element] = None
        for name, element in one.seen.items():
            wanted.setdefault(name, {})[element] = None
    added = {}
    for name, elements in wanted.items():
        there = _held(sets, name)
        new = [element for element in elements if element not in there]
        most = velocity.SATURATION if _is_minute(name) else profile.SATURATION
        new = new[: max(0, most - len(there))]
        if new:
            added[name] = new
    return added


def stale(sets: UserSets, transactions: Sequence[Transaction], window_ms: int, now_ms: int) -> list[str]:
    """Attributes that a large row can do without: old minutes and days, oldest first; never what a batch counts."""
    minutes = sorted(sets.minutes)
    held = sum(len(elements) for elements in sets.minutes.values())
    if held <= ROOMY and len(sets.days) <= profile.DAYS + SPARE_DAYS:
        return []
    now = now_ms // velocity.MS_PER_MINUTE
    span = window_ms // velocity.MS_PER_MINUTE + 1
    ends = {one.moment_ms // velocity.MS_PER_MINUTE for one in transactions}
    needed = {minute for end in ends for minute in range(end - span, end + 1)}
    dropped = []
    for minute in minutes:
        if held <= ROOMY or (held <= MOST and minute >= now - KEPT_MINUTES):
            break
        if minute not in needed:
            dropped.append(f"{MINUTE}{minute}")
            held -= len(sets.minutes[minute])
    touched = {one.moment_ms // profile.MS_PER_DAY for one in transactions}
    oldest = now_ms // profile.MS_PER_DAY - profile.DAYS
    dropped += [f"{DAY}{day}" for day in sorted(sets.days) if day < oldest and day not in touched]
    return dropped[:REMOVED_AT_ONCE]


def _is_minute(name: str) -> bool:
    return name[0] == MINUTE and name not in profile.SEEN


def _held(sets: UserSets, name: str) -> frozenset[bytes]:
    if name in profile.SEEN:
        return sets.seen.get(name, frozenset())
    chosen = sets.minutes if _is_minute(name) else sets.days
    return chosen.get(int(name[1:]), frozenset())


def _merged(
    old: Mapping[Any, frozenset[bytes]], new: Mapping[Any, frozenset[bytes]]
) -> dict[Any, frozenset[bytes]]:
    return {**old, **{key: old.get(key, frozenset()) | elements for key, elements in new.items()}}
