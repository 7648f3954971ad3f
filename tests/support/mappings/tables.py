"""A DynamoDB table in memory, for its change records: the table's stream and its Kinesis destination."""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal

from tests.support.mappings.clock import ManualClock
from tests.support.mappings.kinesis import KinesisStream
from tests.support.mappings.shards import ACCOUNT, REGION, EventSource, Shard, StreamRecord

Item = dict[str, dict[str, Any]]
EventName = Literal["INSERT", "MODIFY", "REMOVE"]
StreamView = Literal["KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"]

IMAGES: dict[str, frozenset[str]] = {
    "KEYS_ONLY": frozenset(),
    "NEW_IMAGE": frozenset({"NewImage"}),
    "OLD_IMAGE": frozenset({"OldImage"}),
    "NEW_AND_OLD_IMAGES": frozenset({"NewImage", "OldImage"}),
}


class TableStream(EventSource):
    """The stream of a table: every change once, in order for each item, for 24 hours.

    Source: Amazon DynamoDB Developer Guide, "Change data capture for DynamoDB Streams" (each stream record
    appears exactly once; for each item in the sequence of its changes; removed after 24 hours).
    """

    batch_info: ClassVar[str] = "DDBStreamBatchInfo"
    # The Lambda guide's note names ``dynamodb`` only; the AWS CDK API Reference, "class FilterRule", filters
    # ``eventName`` beside it.
    filter_keys: ClassVar[frozenset[str]] = frozenset({"dynamodb", "eventName", "userIdentity"})

    def __init__(self, table: str, *, clock: ManualClock, shards: int, view: StreamView, seed: int) -> None:
        """Open the stream of ``table`` with the images that ``view`` names."""
        self.table = table
        self.view = view
        super().__init__(clock=clock, shards=shards, retention=timedelta(hours=24), seed=seed)

    @property
    def arn(self) -> str:
        """The stream's ARN, with its label."""
        return f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/{self.table}/stream/2026-11-20T09:00:00.000"

    def lambda_record(self, shard: Shard, record: StreamRecord) -> dict[str, Any]:
        """Return the record as in the guide's example.

        Source: AWS Lambda Developer Guide, "Using AWS Lambda with Amazon DynamoDB", "Example event".
        ``ApproximateCreationDateTime`` is rounded down to the second (DynamoDB API Reference, "StreamRecord").
        """
        change: dict[str, Any] = json.loads(record.payload)
        images = {name: image for name, image in change["images"].items() if name in IMAGES[self.view]}
        event: dict[str, Any] = {
            "eventID": hashlib.sha256(f"{self.table}{record.sequence_number}".encode()).hexdigest()[:32],
            "eventName": change["eventName"],
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": float(int(record.arrived_at.timestamp())),
                "Keys": change["keys"],
                **images,
                "SequenceNumber": record.sequence_number,
                "SizeBytes": _size({"keys": change["keys"], **images}),
                "StreamViewType": self.view,
            },
            "eventSourceARN": self.arn,
        }
        if change["userIdentity"] is not None:
            event["userIdentity"] = change["userIdentity"]
        return event

    def filter_document(self, shard: Shard, record: StreamRecord) -> str | None:
        """Return the whole record: DynamoDB patterns start at its root.

        Source: AWS Lambda Developer Guide, "Using event filtering with a DynamoDB event source".
        """
        return json.dumps(self.lambda_record(shard, record))

    def _first_sequence(self) -> int:
        # DynamoDB promises 21 to 40 digits, so the numbers of one shard cannot be compared as text. This
        # start makes them gain a digit after a few records, which a text comparison does not survive.
        return 10**27 - 1500

    def _shard_id(self, number: int) -> str:
        return f"shardId-{1763629200000 + number:020d}-{number:08x}"


class Table:
    """A table of items in DynamoDB JSON. ``bytes`` under ``B`` and ``BS`` become base64 in change records."""

    def __init__(
        self,
        name: str,
        *,
        keys: tuple[str, ...],
        clock: ManualClock,
        shards: int = 1,
        view: StreamView = "NEW_IMAGE",
        seed: int = 0,
    ) -> None:
        """Create ``name`` with the key attributes ``keys`` and a stream of ``shards`` shards."""
        self.name = name
        self.keys = keys
        self.stream = TableStream(name, clock=clock, shards=shards, view=view, seed=seed)
        self.items: dict[str, Item] = {}
        self.destinations: list[StreamingDestination] = []

    def put(self, item: Mapping[str, Mapping[str, Any]]) -> EventName | None:
        """Put a whole item; return the kind of change, or ``None`` when the item was there, the same.

        Source: DynamoDB Developer Guide, "Change data capture for DynamoDB Streams", "Enabling a stream": a
        put or an update that changes nothing writes no stream record.
        """
        new: Item = json.loads(json.dumps(item, default=_text))
        identity = self._identity(new)
        old = self.items.get(identity)
        if old == new:
            return None
        self.items[identity] = new
        kind: EventName = "INSERT" if old is None else "MODIFY"
        self._emit(identity, kind, old, new, None)
        return kind

    def delete(self, key: Mapping[str, Mapping[str, Any]], *, by_time_to_live: bool = False) -> None:
        """Delete the item with that key; an absent item changes nothing.

        Source: DynamoDB Developer Guide, "DynamoDB Streams and Time to Live": TTL's deletions carry the
        ``userIdentity`` of the service.
        """
        identity = self._identity(json.loads(json.dumps(key, default=_text)))
        old = self.items.pop(identity, None)
        if old is not None:
            service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
            self._emit(identity, "REMOVE", old, None, service if by_time_to_live else None)

    def stream_to(
        self, stream: KinesisStream, *, duplicate_rate: float = 0.0, reorder_window: int = 0, seed: int = 0
    ) -> StreamingDestination:
        """Enable a Kinesis streaming destination: changes from now on go to ``stream`` as well."""
        destination = StreamingDestination(self.name, stream, duplicate_rate, reorder_window, seed)
        self.destinations.append(destination)
        stream.feeds.append(destination.flush)
        return destination

    def _identity(self, item: Item) -> str:
        return json.dumps({name: item[name] for name in self.keys}, sort_keys=True)

    def _emit(
        self, identity: str, kind: EventName, old: Item | None, new: Item | None, user: dict[str, str] | None
    ) -> None:
        images = {name: image for name, image in (("NewImage", new), ("OldImage", old)) if image is not None}
        change = {
            "eventName": kind,
            "keys": json.loads(identity),
            "images": images,
            "userIdentity": user,
        }
        record = self.stream.append(identity, json.dumps(change).encode())
        for destination in self.destinations:
            destination.offer(change, record)


class StreamingDestination:
    """A table's changes on their way into a Kinesis stream: perhaps twice, perhaps in another order.

    Source: Amazon DynamoDB Developer Guide, "Using Kinesis Data Streams to capture changes to DynamoDB":
    records may appear in a different order than the changes, and the same notification more than once.
    """

    def __init__(
        self, table: str, stream: KinesisStream, duplicate_rate: float, reorder_window: int, seed: int
    ) -> None:
        """Hold up to ``reorder_window`` changes back and write a share of ``duplicate_rate`` twice."""
        self.table = table
        self.stream = stream
        self.duplicate_rate = duplicate_rate
        self.reorder_window = reorder_window
        self.duplicates = 0
        self._rng = random.Random(seed)
        self._held: list[bytes] = []

    def offer(self, change: dict[str, Any], record: StreamRecord) -> None:
        """Take one change; it is written now, or later when it is held back."""
        body = {
            "awsRegion": REGION,
            "eventID": _uuid(self._rng),
            "eventName": change["eventName"],
            "userIdentity": change["userIdentity"],
            "recordFormat": "application/json",
            "tableName": self.table,
            "dynamodb": {
                "ApproximateCreationDateTime": int(record.arrived_at.timestamp() * 1000),
                "Keys": change["keys"],
                **change["images"],
                "SizeBytes": _size({"keys": change["keys"], **change["images"]}),
                "ApproximateCreationDateTimePrecision": "MILLISECOND",
            },
            "eventSource": "aws:dynamodb",
        }
        self._held.append(json.dumps(body).encode())
        if self._rng.random() < self.duplicate_rate:
            self.duplicates += 1
            self._held.append(self._held[-1])
        while len(self._held) > self.reorder_window:
            self._write()

    def flush(self) -> None:
        """Write everything that is held back."""
        while self._held:
            self._write()

    def _write(self) -> None:
        place = self._rng.randrange(len(self._held)) if self.reorder_window else 0
        # The partition key is random: the log keeps no order per item.
        self.stream.put(_uuid(self._rng).replace("-", ""), self._held.pop(place))


def _uuid(rng: random.Random) -> str:
    digits = f"{rng.getrandbits(128):032x}"
    return f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-a{digits[17:20]}-{digits[20:]}"


def _size(parts: Mapping[str, Item]) -> int:
    return sum(len(json.dumps(part)) for part in parts.values())


def _text(value: object) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} has no place in DynamoDB JSON")
