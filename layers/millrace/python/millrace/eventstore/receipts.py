"""Receipts: which events of a batch a consumer has handled, as Metadata rows. The archive's are the manifest.

One row per tenant, UTC day and object (or batch) with the ids in it: enough to trace an event, to reconcile
what was accepted with what arrived, and to plan a run of the pipeline.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace.core import clock, keys
from millrace.core.identity import BYTES, identity
from millrace.core.table import Item, Table

MANIFEST = "manifest"
ROUTED = "routed"
SHARD = "0"
IDS_PER_ROW = 2000
KEPT_DAYS = 400
# Arrival is stamped by the stream, acceptance by intake: their clocks may differ by this much.
_SKEW = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Receipt:
    """A batch that a consumer has handled. `place` names it within the stream: `<arrival>#<shard>#<first>-<last>#<part>`.

    `types` has the type of each of `ids`, in their order; a routed batch has none.
    """

    org: str
    kind: str
    day: str
    place: str
    at: datetime
    ids: tuple[str, ...]
    version: str
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
            "expiresAt": {"N": str(clock.epoch(receipt.at + timedelta(days=KEPT_DAYS)))},
        }
        if receipt.object is not None:
            item["object"] = {"S": receipt.object}
        if receipt.size is not None:
            item["bytes"] = {"N": str(receipt.size)}
        if receipt.types:
            types = Counter(receipt.types[start : start + IDS_PER_ROW])
            item["types"] = {"M": {name: {"N": str(count)} for name, count in types.items()}}
        items.append(item)
    return items


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
    *,
    planning: bool = False,
) -> Iterator[Item]:
    """The rows of a tenant's day in the order in which batches arrived.

    Args:
        metadata: the table.
        org: the tenant.
        kind: `MANIFEST` or `ROUTED`.
        day: UTC.
        since: only what arrived from this moment on.
        planning: every row that was written before the call, of each only `entityId`, `object`, `rows` and `types`.

    Raises:
        MillraceError: the table did not answer.
    """
    return metadata.query(
        "entityTypeKey = :day AND entityId >= :since",
        {
            ":day": {"S": partition(org, kind, day)},
            ":since": {"S": clock.utc_text(since) if since is not None else "0"},
        },
        names={"#object": "object", "#rows": "rows", "#types": "types"} if planning else None,
        projection="entityId, #object, #rows, #types" if planning else "",
        consistent=planning,
        doing=f"read {kind}",
    )
