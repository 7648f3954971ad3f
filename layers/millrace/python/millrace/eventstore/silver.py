"""Receipts of silver: which raw objects a run has taken into which table, as Metadata rows `org#silver#<day>#0`.

A tenant's day is replaced as a whole, so the newest run's receipt is complete. An object stands as 8 bytes of the hash of
its key; of a row that would grow too large the rest follows in `<table>#1`, `<table>#2`, ….
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from millrace.core import clock, keys
from millrace.core.identity import identity_text
from millrace.core.table import Item, Table
from millrace.eventstore.receipts import KEPT_DAYS, partition

KIND = "silver"
BYTES = 8
# 8 bytes each, both together stay below the 400 KB of a row.
OBJECTS_PER_ROW = 25_000
DEAD_PER_ROW = 20_000


@dataclass(frozen=True, slots=True)
class SilverReceipt:
    """A tenant's day in a silver table.

    Attributes:
        org: the tenant.
        day: UTC.
        table: its full name.
        run: which put it there.
        at: when it was committed, UTC text.
        snapshot: of the table; None where the table gave none.
        contract: in force then, such as `order.created/1.2.0`.
        version: of the platform's code.
        objects: keys of the raw objects that the run planned, in the lake's bucket.
        dead: ids of the events of these that are not rows of the table, because they could not be typed; the first
            `DEAD_PER_ROW` are kept.
    """

    org: str
    day: str
    table: str
    run: str
    at: str
    snapshot: int | None
    contract: str
    version: str
    objects: Sequence[str]
    dead: Sequence[str] = ()


def fold(key: str) -> bytes:
    """8 bytes that stand for an object; its key, or its `s3://` URL."""
    name = key.split("/", 3)[3] if key.startswith("s3://") else key
    return hashlib.sha256(name.encode()).digest()[:BYTES]


def to_items(receipt: SilverReceipt) -> list[Item]:
    """The rows of a receipt."""
    hashes = [fold(key) for key in receipt.objects]
    expires_at = clock.epoch(clock.parse(receipt.at) + timedelta(days=KEPT_DAYS))
    items = []
    for number, start in enumerate(range(0, max(len(hashes), 1), OBJECTS_PER_ROW)):
        item: Item = {
            "entityTypeKey": {"S": partition(receipt.org, KIND, receipt.day)},
            "entityId": {"S": _name(receipt.table, number)},
            "runId": {"S": receipt.run},
            "at": {"S": receipt.at},
            "contract": {"S": receipt.contract},
            "version": {"S": receipt.version},
            "objects": {"B": b"".join(hashes[start : start + OBJECTS_PER_ROW])},
            "expiresAt": {"N": str(expires_at)},
        }
        if receipt.dead:
            item["dead"] = {"B": b"".join(fold(identity_text(one)) for one in receipt.dead[:DEAD_PER_ROW])}
        if receipt.snapshot is not None:
            item["snapshot"] = {"N": str(receipt.snapshot)}
        items.append(item)
    return items


def find(metadata: Table, org: str, day: str, silver: str, key: str, event_id: str = "") -> Item | None:
    """The receipt by which an object, and an event in it, is in a silver table; None if no run has taken it in.

    Args:
        metadata: the table.
        org: the tenant.
        day: UTC day of the event.
        silver: full name of the silver table.
        key: of the raw object.
        event_id: of the event; without it, the object alone is looked up.

    Raises:
        MillraceError: the table did not answer.
    """
    wanted, number = fold(key), 0
    while True:
        row = {
            "entityTypeKey": {"S": partition(org, KIND, day)},
            "entityId": {"S": _name(silver, number)},
        }
        item = metadata.get(row, doing="read the receipt of silver")
        if item is None:
            return None
        objects = bytes(item["objects"]["B"])
        if _holds(objects, wanted):
            dead = bytes(item["dead"]["B"]) if "dead" in item else b""
            return None if _holds(dead, fold(identity_text(event_id))) else item
        if len(objects) < OBJECTS_PER_ROW * BYTES:
            return None
        number += 1


def _holds(hashes: bytes, wanted: bytes) -> bool:
    return any(hashes[at : at + BYTES] == wanted for at in range(0, len(hashes), BYTES))


def _name(table: str, number: int) -> str:
    return table if number == 0 else keys.join(table, str(number))
