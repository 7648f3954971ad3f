"""History: events that are older than their type is kept. They go into raw as the archive's do, and into no other store.

Their rows have no receipts by id, which would be expired when they are written: as of every event whose time is over, the row
that names the object stands for them.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from millrace import __version__
from millrace.archive import raw
from millrace.archive.archive import Part, Row, put_all
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.core.objects import Objects
from millrace.core.table import Item, Table
from millrace.eventstore import pending, receipts
from millrace.eventstore.append import AppendResult
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item

SHARD = "history"


class History:
    """Gathers the rows of one group, and writes them at once: an object for each category and UTC day."""

    def __init__(
        self, lake: Objects, metadata: Table, codec: Codec, contract_of: Callable[[str], Contract]
    ) -> None:
        """Gathers nothing yet; `contract_of` finds a contract by its reference, such as `order.created/1.2.0`."""
        self._lake, self._metadata = lake, metadata
        self._codec, self._contract_of = codec, contract_of
        self._items: list[Item] = []

    def append(self, items: Sequence[Item]) -> list[AppendResult]:
        """Takes rows of events; they are stored by `write` alone."""
        self._items += items
        return [AppendResult.ACCEPTED] * len(items)

    def write(self, source: str, first: int, at: datetime) -> None:
        """Stores what was gathered. The same group written again, with the same name, replaces its own objects and rows.

        Args:
            source: what the group is of, such as an import's id.
            first: the number of rows before it.
            at: when it was received, the same in each attempt.

        Raises:
            RetryableError: the lake or Metadata did not take it.
        """
        if not self._items:
            return
        parts, self._items = self._parts(), []
        keys = {part: f"{raw.partition(*part)}/{SHARD}-{source}-{first:012d}.parquet" for part in parts}
        sizes = put_all(self._lake, {keys[part]: rows for part, rows in parts.items()})
        written = []
        for part, rows in parts.items():
            org, category, day = part
            url = f"s3://{self._lake.bucket}/{keys[part]}"
            receipt = receipts.Receipt(
                org=org,
                kind=receipts.OBJECTS,
                day=day,
                place=receipts.place(at, SHARD, source, f"{first:012d}", category),
                at=clock.now(),
                ids=tuple(row["event_id"] for row in rows),
                version=__version__,
                expires_at=max(row["expires_at"] for row in rows),
                size=sizes[keys[part]],
                types=tuple(row["event_type"] for row in rows),
            )
            written.append(receipts.object_item(receipt, url))
        self._metadata.write_all(written, doing="write manifest")
        # Behind them, as the archive does: a run that finds a day pending finds all its rows.
        touched = [(org, day) for org, _, day in parts]
        self._metadata.write_all(pending.to_items(touched, pending.new_token(), at))

    def _parts(self) -> dict[Part, list[Row]]:
        parts: dict[Part, dict[tuple[str, str], Row]] = defaultdict(dict)
        for item in self._items:
            event = from_item(item, self._codec)
            platform = event.envelope["platform"]
            contract = self._contract_of(platform["contract"])
            event = replace(event, expires_at=expiry(contract, platform["receivedAt"], event.happened_at))
            name = (event.event_id, platform["contract"])
            parts[event.org, platform["category"], event.day].setdefault(name, raw.row(event))
        return {part: list(rows.values()) for part, rows in sorted(parts.items())}


def expiry(contract: Contract, received_at: str, happened_at: datetime) -> int:
    """Epoch second at which the row of an event would have gone, had it been sent when it happened: never later than now. Pure."""
    gone = happened_at + timedelta(days=contract.retention_days)
    return clock.epoch(min(gone, clock.parse(received_at)))
