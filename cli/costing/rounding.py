"""How AWS bills calls: a call's parameters to billed units. Pure.

Sources: Amazon DynamoDB Developer Guide, "DynamoDB read and write operations" and "DynamoDB Item sizes and formats";
the pricing pages that `prices.yaml` names for each unit.
"""

from collections.abc import Iterable, Mapping, Sequence
from math import ceil
from typing import Any

KB = 1024
# What DynamoDB adds to each stored item and to each entry of an index.
ITEM_OVERHEAD = 100

Item = Mapping[str, Mapping[str, Any]]
Index = Sequence[str]
"""The attributes that make an index's entry: its own keys and the table's."""


def item_bytes(item: Item) -> int:
    """Bytes that DynamoDB counts for an item: names and values."""
    return sum(
        len(name.encode()) + _value(kind, value)
        for name, held in item.items()
        for kind, value in held.items()
    )


def _value(kind: str, value: Any) -> int:
    match kind:
        case "S":
            return len(str(value).encode())
        case "N":
            return (len(str(value).lstrip("-").replace(".", "")) + 1) // 2 + 1
        case "B":
            return len(value) * 3 // 4 if isinstance(value, str) else len(value)
        case "SS" | "NS" | "BS":
            return sum(_value(kind[0], one) for one in value)
        case "L":
            return 3 + sum(1 + _value(*next(iter(one.items()))) for one in value)
        case "M":
            return 3 + sum(
                1 + len(name.encode()) + _value(*next(iter(one.items()))) for name, one in value.items()
            )
        case _:
            return 1


def index_entries(item: Item, indexes: Iterable[Index]) -> list[int]:
    """Bytes of each index entry that an item has; an item without an index's key has no entry in it."""
    return [
        item_bytes({name: item[name] for name in index})
        for index in indexes
        if all(name in item for name in index)
    ]


def write_units(size: int, entries: Sequence[int] = ()) -> int:
    """Write units of a new item and of its index entries, each rounded up to 1 KB."""
    return ceil(max(size, 1) / KB) + sum(ceil(max(entry, 1) / KB) for entry in entries)


def read_units(size: int, *, consistent: bool = False) -> float:
    """Read units of one read, rounded up to 4 KB; half of that for an eventually consistent read."""
    return ceil(max(size, 1) / (4 * KB)) * (1.0 if consistent else 0.5)


def payload_units(size: int) -> int:
    """PUT payload units of one record in a provisioned stream."""
    return ceil(max(size, 1) / (25 * KB))


def on_demand_bytes(size: int) -> int:
    """Bytes that a stream on demand counts for one record."""
    return ceil(max(size, 1) / KB) * KB


def event_units(size: int) -> int:
    """Events that EventBridge counts for one entry."""
    return ceil(max(size, 1) / (64 * KB))
