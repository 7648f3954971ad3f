"""Receipts: which events of a batch a consumer has handled, as Metadata rows. The archive's are the manifest.

One row per tenant, UTC day and object (or batch) with the ids in it: enough to trace an event, and to reconcile
what was accepted with what arrived. It is kept as long as the rows of its events. Runs of the pipeline are planned from
rows that name an object without its ids, and these are kept as long as an event may come late.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace.core import clock, keys
from millrace.core.identity import BYTES, identity
from millrace.core.table import Item, Table

MANIFEST = "manifest"
OBJECTS = "objects"
ROUTED = "routed"
SHARD = "0"
IDS_PER_ROW = 2000
KEPT_DAYS = 400
# Arrival is stamped by the stream, acceptance by intake: their clocks may differ by this much.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A batch that a consumer has handled.

    Attributes:
        place: its name within the stream, `<arrival>#<shard>#<first>-<last>#<part>`.
        expires_at: epoch second at which the last of its events' rows goes.
        types: the type of each of `ids`, in their order; a routed batch has none.
    """

    org: str
    kind: str
    day: str
    place: str
    at: datetime
    ids: tuple[str, ...]
    version: str
    expires_at: int
    object: str | None = None
    size: int | None = None
    types: tuple[str, ...] = ()


def place(arrived_at: datetime, shard: str, first: str, last: str, part: str = "") -> str:
    """Where a batch lies in its stream. The same batch has the same place, so a second delivery overwrites."""
    return keys.SEPARATOR.join((clock.utc_text(arrived_at), shard, f"{first}-{last}", part))


def to_items(receipt: Receipt) -> list[Item]:
    """The rows of a receipt, at most 2,000 ids each; of an id its identity, 16 bytes."""
    items = []
    for number, start in enumerate(range(0, len(receipt.ids), IDS_PER_ROW)):
        ids = receipt.ids[start : start + IDS_PER_ROW]
        item: Item = {
            "entityTypeKey": {"S": partition(receipt.org, receipt.kind, receipt.day)},
            "entityId": {"S": f"{receipt.place}{keys.SEPARATOR}{number}"},
            "at": {"S": clock.utc_text(receipt.at)},
            "ids": {"B": b"".join(map(identity, ids))},
            "rows": {"N": str(len(ids))},
            "version": {"S": receipt.version},
            "expiresAt": {"N": str(receipt.expires_at)},
        }
        if receipt.object is not None:
            item["object"] = {"S": receipt.object}
        if receipt.size is not None:
            item["bytes"] = {"N": str(receipt.size)}
        items.append(item)
    return items


def object_item(receipt: Receipt, url: str) -> Item:
    """The row that a run is planned from: an object and how many rows it has, of which types."""
    return {
        "entityTypeKey": {"S": partition(receipt.org, OBJECTS, receipt.day)},
        "entityId": {"S": receipt.place},
        "at": {"S": clock.utc_text(receipt.at)},
        "object": {"S": url},
        "rows": {"N": str(len(receipt.ids))},
        "types": {"M": {name: {"N": str(count)} for name, count in Counter(receipt.types).items()}},
        "expiresAt": {"N": str(clock.epoch(receipt.at + timedelta(days=KEPT_DAYS)))},
    }


def whole_from(at: datetime) -> str:
    """The oldest UTC day of which the objects' rows, and raw, are all there still. Pure.

    A row is kept from when it was written, which is shortly before the event at the earliest.
    """
    return (at - timedelta(days=KEPT_DAYS - 1)).date().isoformat()


def partition(org: str, kind: str, day: str) -> str:
    """`org#manifest#<day>#<shard>`."""
    return keys.metadata(org, kind, day, SHARD)


def find(metadata: Table, org: str, kind: str, day: str, event_id: str, since: datetime) -> Item | None:
    """The first row that holds an event, from shortly before `since` (its acceptance) on.

    Raises:
        MillraceError: the table did not answer.
    """
    wanted = identity(event_id)
    for item in read(metadata, org, kind, day, since - _SKEW):
        ids = bytes(item["ids"]["B"])
        at = ids.find(wanted)
        while at >= 0:
            if at % BYTES == 0:
                return item
            at = ids.find(wanted, at + 1)
    return None


def read(
    metadata: Table,
    org: str,
    kind: str,
    day: str,
    since: datetime | None = None,
) -> Iterator[Item]:
    """The rows of a tenant's day in the order in which batches arrived.

    Args:
        metadata: the table.
        org: the tenant.
        kind: such as `MANIFEST`.
        day: UTC.
        since: only what arrived from this moment on.

    Raises:
        MillraceError: the table did not answer.
    """
    return metadata.query(
        "entityTypeKey = :day AND entityId >= :since",
        {
            ":day": {"S": partition(org, kind, day)},
            ":since": {"S": clock.utc_text(since) if since is not None else "0"},
        },
        doing=f"read {kind}",
    )


def objects(metadata: Table, org: str, day: str) -> Iterator[Item]:
    """`entityId`, `object`, `rows` and `types` of every object of a tenant's day whose row was written before the call.

    An object that has no row without ids is in the manifest, perhaps in several parts: it was archived before there were any.

    Raises:
        MillraceError: the table did not answer.
    """
    named = set[str]()
    for kind in (OBJECTS, MANIFEST):
        rows = metadata.query(
            "entityTypeKey = :day",
            {":day": {"S": partition(org, kind, day)}},
            names={"#object": "object", "#rows": "rows", "#types": "types"},
            projection="entityId, #object, #rows, #types",
            consistent=True,
            doing=f"read {kind}",
        )
        for row in rows:
            if kind == OBJECTS:
                named.add(row["object"]["S"])
                yield row
            elif row.get("object", {}).get("S") not in named:
                yield row
