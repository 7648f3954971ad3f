"""From batches of the log to objects of the lake: one object per tenant, category and UTC day, then its manifest row."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from millrace import __version__
from millrace.archive import raw
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.objects import Objects
from millrace.core.table import Item, Table
from millrace.eventstore import pending, receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item

# 500 events of 500 days are 500 objects; written one after the other they would take half a minute of the shard's time.
IN_FLIGHT = 16

Part = tuple[str, str, str]
"""Tenant, category and UTC day."""
Row = dict[str, Any]


class Archive:
    """Writes deliveries to the lake. A batch delivered twice overwrites its own objects and rows."""

    def __init__(self, lake: Objects, metadata: Table, codec: Codec) -> None:
        self._lake, self._metadata, self._codec = lake, metadata, codec

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Stores a batch.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: the lake or Metadata did not take it.
        """
        first, last = deliveries[0], deliveries[-1]
        # The newest arrival: a search for an event begins shortly before its acceptance.
        newest = max(delivery.arrived_at for delivery in deliveries)
        name = f"{first.shard}-{first.sequence}-{last.sequence}.parquet"
        parts = self._parts(deliveries)
        keys = {part: f"{raw.partition(*part)}/{name}" for part in parts}
        sizes = put_all(self._lake, {keys[part]: rows for part, rows in parts.items()})
        written: list[Item] = []
        for part, rows in parts.items():
            org, category, day = part
            url = f"s3://{self._lake.bucket}/{keys[part]}"
            receipt = receipts.Receipt(
                org=org,
                kind=receipts.MANIFEST,
                day=day,
                place=receipts.place(newest, first.shard, first.sequence, last.sequence, category),
                at=clock.now(),
                ids=tuple(row["event_id"] for row in rows),
                version=__version__,
                expires_at=max(row["expires_at"] for row in rows),
                object=url,
                size=sizes[keys[part]],
                types=tuple(row["event_type"] for row in rows),
            )
            written += [*receipts.to_items(receipt), receipts.object_item(receipt, url)]
        self._metadata.write_all(written, doing="write manifest")
        # After them and in a call of its own, since one call keeps no order: a run that reads a day as pending reads all its rows.
        touched = [(org, day) for org, _, day in parts]
        self._metadata.write_all(pending.to_items(touched, pending.new_token(), newest))

    def _parts(self, deliveries: Sequence[Delivery]) -> dict[Part, list[Row]]:
        """The raw rows of each object. Only one parsed event is held at a time."""
        parts: dict[Part, dict[tuple[str, str], Row]] = defaultdict(dict)
        for delivery in deliveries:
            event = from_item(delivery.item, self._codec)
            platform = event.envelope["platform"]
            # A change record may come twice in one batch; one row of it is enough. Where a type has no row in Events,
            # nothing keeps another type from having the id as well.
            rows = parts[(event.org, platform["category"], event.day)]
            name = (event.event_id, platform["contract"])
            if name not in rows:
                rows[name] = raw.row(event, delivery)
        return {part: list(rows.values()) for part, rows in sorted(parts.items())}


def put_all(lake: Objects, objects: Mapping[str, list[Row]]) -> dict[str, int]:
    """Writes objects of raw by their keys, some at once; the bytes of each.

    Raises:
        RetryableError: the lake did not take one.
    """

    def put(key: str, rows: list[Row]) -> int:
        body = raw.rows_to_parquet(rows)
        lake.put(key, body, content_type="application/vnd.apache.parquet", doing="put raw object")
        return len(body)

    with ThreadPoolExecutor(min(IN_FLIGHT, len(objects)), thread_name_prefix="archive") as pool:
        return dict(zip(objects, pool.map(put, objects, objects.values()), strict=True))
