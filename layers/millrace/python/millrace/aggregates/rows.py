"""Keys and lifetimes of the rows that aggregates keep in the Analytics table. Pure.

| row | `metricKey` | `tileKey` |
|---|---|---|
| facts | `<org>#facts#<received day>` | `<HH:MM received>#<hash of the ids>` |
| mark | `platform#unfolded#<shard>` | `<org>#<minute received>` |
| part | `<org>#<metric>#<version>#<tile's day>` | `<received day>#<tile HH:MM>#<HH:MM received>#<block>` |
| sealed | `<org>#<metric>#<version>#<tile's day>` | `sealed` and `sealed#<generation>#<span>#<block>` |
| late | `<org>#<metric>#<version>#<received day>` | `late#<HH:MM received>` |

A new version of an aggregate counts something else, so it has rows of its own. Days and minutes are UTC; a minute is written
`2026-11-21T05:54`.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any

from millrace.aggregates.definition import DAY_SECONDS, Aggregate
from millrace.core import clock, keys

# Facts, and what is folded of them. What is received earlier is counted by the seal alone.
KEPT = timedelta(days=3)
# Facts are taken until so long before they expire: a minute is folded from all of its facts or not at all.
TAKEN = KEPT - timedelta(hours=2)
# Parts outlive their facts until a seal that was late has taken their place.
PARTS_KEPT = timedelta(days=14)
# A mark is one small write for each batch and tenant; so many partitions take that many thousands a second.
MARK_SHARDS = 8
FACTS, UNFOLDED, SEALED, LATE = "facts", "unfolded", "sealed", "late"
_DAY = len("2026-11-21")


def facts_key(org: str, minute: str) -> str:
    """The partition of the facts of a minute's day."""
    return keys.join(org, FACTS, minute[:_DAY])


def facts_sort(minute: str, name: str = "") -> str:
    """What the sort keys of a minute's facts begin with; with the hash of a row's ids that row's."""
    return f"{minute[_DAY + 1 :]}{keys.SEPARATOR}{name}"


def mark_key(org: str) -> str:
    """The partition of a tenant's marks."""
    return mark_shard(keys.shard_of(org, MARK_SHARDS))


def mark_shard(shard: int) -> str:
    """A partition of marks."""
    return keys.join("platform", UNFOLDED, str(shard))


def mark_sort(org: str, minute: str = "") -> str:
    """What the sort keys of a tenant's marks begin with; with a minute that mark's."""
    return keys.join(org, minute)


def tile_day(tile: int) -> str:
    """The UTC day of a tile that begins so many seconds after 1970."""
    return clock.day_text(clock.from_epoch_millis(tile * 1000))


def day_key(org: str, aggregate: Aggregate, day: str) -> str:
    """The partition of what a tenant's aggregate counted on a day of tiles."""
    return keys.join(org, aggregate.name, aggregate.version, day)


def part_sort(received_day: str, tile: int, received: str = "", block: int | None = None) -> str:
    """The sort key of a block of a part, or what those of a tile begin with.

    Args:
        received_day: of the minute of receipt.
        tile: seconds since 1970.
        received: the minute of receipt, `05:54`.
        block: its number.
    """
    of_day = tile % DAY_SECONDS // 60
    parts = [received_day, f"{of_day // 60:02}:{of_day % 60:02}", received]
    return keys.SEPARATOR.join(parts if block is None else [*parts, str(block)])


def late_sort(minute: str) -> str:
    """The sort key of the late events of a minute of receipt."""
    return keys.join(LATE, minute[_DAY + 1 :])


def sealed_sort(generation: str = "", span: int = 0, block: int = 0) -> str:
    """The sort key of a sealed day's head, or of one of its blocks (`blocks.Layout`): the head says of which generation."""
    return keys.join(SEALED, generation, str(span), str(block)) if generation else SEALED


def at(minute: str) -> datetime:
    """The beginning of a minute of receipt."""
    return clock.parse(f"{minute}:00Z")


def expiry(minute: str, kept: timedelta) -> dict[str, str]:
    """The attribute `expiresAt` of what comes of a minute of receipt: the same for all of it."""
    day = clock.midnight(date.fromisoformat(minute[:_DAY]))
    return {"N": str(clock.epoch(day + timedelta(days=1) + kept))}


def is_over(item: Mapping[str, Any], now: datetime) -> bool:
    """Whether a row's time is over; it may lie there for days after that."""
    return int(item.get("expiresAt", {"N": "0"})["N"]) <= clock.epoch(now)
