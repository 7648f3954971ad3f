"""From batches of the log to objects of the lake: one object per tenant, category and UTC day, then its manifest row."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from millrace import __version__
from millrace.archive import raw
from millrace.core import clock
from millrace.core.batch import write_all
from millrace.core.consumer import Delivery
from millrace.core.errors import from_client_error
from millrace.eventstore import pending, receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, from_item


class Archive:
    """Writes deliveries to the lake. A batch delivered twice overwrites its own objects and rows."""

    def __init__(self, s3: Any, dynamodb: Any, codec: Codec, bucket: str, metadata_table: str) -> None:
        self._s3, self._dynamodb, self._codec = s3, dynamodb, codec
        self._bucket, self._table = bucket, metadata_table

    def write(self, deliveries: Sequence[Delivery]) -> None:
        """Stores a batch.

        Raises:
            PermanentError: a delivery holds no row of an event.
            RetryableError: the lake or Metadata did not take it.
        """
        first, last = deliveries[0], deliveries[-1]
        # The newest arrival: whoever looks for an event begins shortly before its acceptance.
        newest = max(delivery.arrived_at for delivery in deliveries)
        parts: dict[tuple[str, str, str], dict[tuple[str, str], StoredEvent]] = defaultdict(dict)
        for delivery in deliveries:
            event = from_item(delivery.item, self._codec)
            platform = event.envelope["platform"]
            # A change record may come twice in one batch; one row of it is enough. Where a type has no row in Events,
            # nothing keeps another type from having the id as well.
            parts[(event.org, platform["category"], event.day)].setdefault(
                (event.event_id, platform["contract"]), event
            )
        rows: list[receipts.Item] = []
        for (org, category, day), events in sorted(parts.items()):
            name = f"{first.shard}-{first.sequence}-{last.sequence}.parquet"
            key = f"{raw.partition(org, category, day)}/{name}"
            body = raw.to_parquet(list(events.values()))
            self._put(key, body)
            receipt = receipts.Receipt(
                org=org,
                kind=receipts.MANIFEST,
                day=day,
                place=receipts.place(newest, first.shard, first.sequence, last.sequence, category),
                at=clock.now(),
                ids=tuple(event.event_id for event in events.values()),
                version=__version__,
                object=f"s3://{self._bucket}/{key}",
                size=len(body),
            )
            rows.extend(receipts.to_items(receipt))
        write_all(self._dynamodb, self._table, rows)
        # After them and in a call of its own, since one call keeps no order: who finds a day pending finds all its rows.
        touched = [(org, day) for org, _, day in parts]
        write_all(self._dynamodb, self._table, pending.to_items(touched, pending.new_token(), newest))

    def _put(self, key: str, body: bytes) -> None:
        try:
            self._s3.put_object(
                Bucket=self._bucket, Key=key, Body=body, ContentType="application/vnd.apache.parquet"
            )
        except (ClientError, BotoCoreError) as error:
            raise from_client_error(error, "put raw object") from error
