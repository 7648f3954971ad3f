"""A change as an event, with an id of its place: whoever reads the log again makes the same event. Pure."""

import re
from typing import Any

from millrace.cdc.changes import Change
from millrace.core import clock, exact_json
from millrace.eventstore.derived_ids import event_id, listed

_NOT_IN_TYPES = re.compile(r"[^a-z0-9_]+")


def type_of(table: tuple[str, str]) -> str:
    """The event type of a table's changes, such as `public.orders.changed`; what a type cannot hold is `_`."""
    return ".".join([*map(_word, table), "changed"])


def _word(name: str) -> str:
    word = _NOT_IN_TYPES.sub("_", name.lower())
    return word if word[:1].isalpha() else f"t{word}"


def lsn_text(lsn: int) -> str:
    """As PostgreSQL writes it, such as `0/1876ED8`."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


def lsn_of(text: str) -> int:
    """Bytes of the log before it."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def event(change: Change, origin: str) -> dict[str, Any]:
    """The event of a change.

    Args:
        change: what was read.
        origin: of the log that places count in: the source, the server's system identifier and where the slot began.
    """
    payload: dict[str, Any] = {
        "operation": change.operation,
        "lsn": change.position.lsn,
        "index": change.position.number,
        "transaction": change.transaction,
        "before": change.before,
        "after": change.after,
        "unchanged": list(change.unchanged),
        "special": change.special,
    }
    return {
        "eventId": event_id(origin, *_place(change)),
        "eventType": type_of(change.table),
        "timestamp": clock.utc_micros(change.committed_at),
        "data": {"payload": {name: value for name, value in payload.items() if value not in (None, [], {})}},
    }


def _place(change: Change) -> tuple[str, ...]:
    lsn, number = change.position
    if change.operation != "snapshot":
        return (str(lsn), str(number))
    # A row has no place of its own: read again from where the chunk began, it is the same event unless it has changed since.
    return (listed(*change.table), str(lsn), exact_json.dumps([change.after, change.special]).decode())
