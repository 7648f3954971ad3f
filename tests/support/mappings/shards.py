"""What Kinesis streams and DynamoDB table streams share: shards, sequence numbers, resharding, retention."""

from __future__ import annotations

import hashlib
import random
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from tests.support.mappings.clock import ManualClock

ACCOUNT = "111122223333"
REGION = "us-east-1"
HASH_SPACE = 2**128


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One record as the stream keeps it: ``payload`` is the record's data, in bytes."""

    sequence_number: str
    partition_key: str
    payload: bytes
    arrived_at: datetime


@dataclass(slots=True)
class Shard:
    """A shard: a range of hashed keys (``low`` to ``high``, both included) and its records in order."""

    shard_id: str
    low: int
    high: int
    parents: tuple[str, ...] = ()
    closed: bool = False
    records: list[StreamRecord] = field(default_factory=list)


class EventSource(ABC):
    """A sharded log that a mapping can read.

    Source: Amazon Kinesis Data Streams Developer Guide, "Amazon Kinesis Data Streams Terminology and
    concepts" (shard, partition key, sequence number): a record belongs to the shard whose hash key range
    holds the MD5 of its partition key; sequence numbers of one partition key increase over time.
    """

    batch_info: ClassVar[str]
    filter_keys: ClassVar[frozenset[str]]

    def __init__(self, *, clock: ManualClock, shards: int, retention: timedelta, seed: int) -> None:
        """Open ``shards`` shards of equal width that keep records for ``retention``.

        Raises:
            ValueError: fewer than one shard.
        """
        if shards < 1:
            raise ValueError("a stream has at least one shard")
        self.clock = clock
        self.retention = retention
        self.rng = random.Random(seed)
        self.shards: dict[str, Shard] = {}
        self._sequence = self._first_sequence()
        width = HASH_SPACE // shards
        for number in range(shards):
            high = HASH_SPACE - 1 if number == shards - 1 else (number + 1) * width - 1
            self._open(number * width, high, ())

    @property
    @abstractmethod
    def arn(self) -> str:
        """The stream's ARN."""

    @abstractmethod
    def lambda_record(self, shard: Shard, record: StreamRecord) -> dict[str, Any]:
        """Return the record as Lambda puts it into the event's ``Records``."""

    @abstractmethod
    def filter_document(self, shard: Shard, record: StreamRecord) -> str | None:
        """Return the JSON text that filter patterns see, or ``None`` when a filter cannot read the record."""

    @abstractmethod
    def _first_sequence(self) -> int: ...

    @abstractmethod
    def _shard_id(self, number: int) -> str: ...

    def settle(self) -> None:  # noqa: B027  # most sources have nothing on its way
        """Bring in what is on its way to the stream; the driver calls this before it polls."""

    def expired(self, record: StreamRecord) -> bool:
        """Whether the stream no longer keeps the record.

        Source: Kinesis Data Streams Developer Guide, "Change the data retention period"; DynamoDB Developer
        Guide, "Change data capture for DynamoDB Streams", "Data retention limit for DynamoDB Streams".
        """
        return self.clock.now() - record.arrived_at >= self.retention

    def split(self, shard_id: str) -> tuple[str, str]:
        """Split a shard at the middle of its range; return the two children.

        Source: Kinesis Data Streams Developer Guide, "Reshard a stream", "Split a shard".

        Raises:
            ValueError: the shard is closed.
        """
        parent = self._close(shard_id)
        middle = (parent.low + parent.high) // 2
        return (
            self._open(parent.low, middle, (shard_id,)).shard_id,
            self._open(middle + 1, parent.high, (shard_id,)).shard_id,
        )

    def merge(self, left: str, right: str) -> str:
        """Merge two adjacent shards; return the child.

        Source: Kinesis Data Streams Developer Guide, "Reshard a stream", "Merge two shards".

        Raises:
            ValueError: a shard is closed, or the two are not adjacent.
        """
        if self.shards[left].high + 1 != self.shards[right].low:
            raise ValueError(f"{left} and {right} are not adjacent")
        low, high = self._close(left).low, self._close(right).high
        return self._open(low, high, (left, right)).shard_id

    def records(self) -> list[StreamRecord]:
        """Return every record ever put, oldest first, expired ones included."""
        everything = (record for shard in self.shards.values() for record in shard.records)
        return sorted(everything, key=lambda record: int(record.sequence_number))

    def append(self, partition_key: str, payload: bytes) -> StreamRecord:
        """Put one record into the open shard that the key hashes to."""
        point = int.from_bytes(hashlib.md5(partition_key.encode(), usedforsecurity=False).digest(), "big")
        shard = next(s for s in self.shards.values() if not s.closed and s.low <= point <= s.high)
        # Gaps of any size: AWS promises that numbers increase, not that they follow each other.
        self._sequence += self.rng.randint(1, 900)
        record = StreamRecord(str(self._sequence), partition_key, payload, self.clock.now())
        shard.records.append(record)
        return record

    def _close(self, shard_id: str) -> Shard:
        shard = self.shards[shard_id]
        if shard.closed:
            raise ValueError(f"{shard_id} is closed")
        shard.closed = True
        return shard

    def _open(self, low: int, high: int, parents: tuple[str, ...]) -> Shard:
        shard = Shard(self._shard_id(len(self.shards)), low, high, parents)
        self.shards[shard.shard_id] = shard
        return shard
