"""How the records of a shard become batches."""

from __future__ import annotations

import hashlib
import json
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.support.mappings.settings import MappingSettings
from tests.support.mappings.shards import EventSource, Shard, StreamRecord

# AWS Lambda Developer Guide, "Lambda quotas", "Function configuration, deployment, and execution":
# the invocation payload of a synchronous call, which a batch must stay within.
MAXIMUM_PAYLOAD_BYTES = 6 * 1024 * 1024
ENVELOPE_BYTES = len('{"Records": []}')


@dataclass(slots=True)
class Batch:
    """Records that are handed over together; ``failures`` counts against the retry limit."""

    records: list[StreamRecord]
    ready_at: datetime
    invocations: int = 0
    failures: int = 0


@dataclass(slots=True)
class Lane:
    """One of the shard's concurrent batches: the records of some partition keys, in order.

    ``work`` holds batches that are formed (the first is in the works, the rest came from bisecting or from a
    redelivery), ``queue`` what is gathered for the next one, each with its size in the event.
    """

    number: int
    gathering_since: datetime | None = None
    queue: deque[tuple[StreamRecord, int]] = field(default_factory=deque)
    work: deque[Batch] = field(default_factory=deque)
    finished: list[Batch] = field(default_factory=list)

    @property
    def idle(self) -> bool:
        """Whether nothing waits here."""
        return not self.queue and not self.work


class ShardReader:
    """A mapping's position in one shard, and the shard's lanes."""

    def __init__(self, source: EventSource, shard: Shard, settings: MappingSettings, position: int) -> None:
        """Read ``shard`` from ``position``, a place in its list of records."""
        self.source = source
        self.shard = shard
        self.settings = settings
        self.position = position
        self.lanes = [Lane(number) for number in range(settings.parallelization_factor)]

    @classmethod
    def at_start(cls, source: EventSource, shard: Shard, settings: MappingSettings) -> ShardReader:
        """Open a shard that was there before the mapping.

        Source: Kinesis Data Streams API Reference, "GetShardIterator": TRIM_HORIZON is the oldest record that
        is kept, LATEST is just after the newest one.
        """
        if settings.starting_position == "LATEST":
            return cls(source, shard, settings, len(shard.records))
        return cls(source, shard, settings, sum(source.expired(record) for record in shard.records))

    @property
    def finished(self) -> bool:
        """Whether the shard is closed and every record of it is settled."""
        at_end = self.position == len(self.shard.records)
        return self.shard.closed and at_end and all(lane.idle for lane in self.lanes)

    def poll(self, admit: Callable[[Shard, StreamRecord], bool]) -> None:
        """Read what is new; ``admit`` says whether a record goes to the function.

        A record goes to the lane of its partition key: AWS Lambda Developer Guide, "Using Lambda to process
        records from Amazon Kinesis Data Streams", "Polling and batching streams": with a
        ParallelizationFactor several batches of a shard run at once, in order for each partition key.
        """
        while self.position < len(self.shard.records):
            record = self.shard.records[self.position]
            self.position += 1
            if admit(self.shard, record):
                digest = hashlib.sha256(record.partition_key.encode()).digest()
                lane = self.lanes[int.from_bytes(digest[:8], "big") % len(self.lanes)]
                size = len(json.dumps(self.source.lambda_record(self.shard, record))) + len(", ")
                lane.queue.append((record, size))
                lane.gathering_since = lane.gathering_since or self.source.clock.now()

    def ready_at(self, lane: Lane) -> datetime | None:
        """When the lane's next batch can be handed over; ``None`` when there is nothing to hand over.

        Source: "Using Lambda to process records from Amazon Kinesis Data Streams", "Polling and batching
        streams": Lambda gathers until the batch is full, the batching window ends or the payload limit of
        6 MB is reached; by default it invokes as soon as there are records.
        """
        if lane.work:
            return lane.work[0].ready_at
        if not lane.queue or lane.gathering_since is None:
            return None
        if len(lane.queue) >= self.settings.batch_size or self._fitting(lane) < len(lane.queue):
            return lane.gathering_since
        return lane.gathering_since + timedelta(seconds=self.settings.maximum_batching_window_in_seconds)

    def take(self, lane: Lane) -> Batch:
        """Take the lane's next batch, formed from the queue when none is in the works."""
        if lane.work:
            return lane.work.popleft()
        now = self.source.clock.now()
        batch = Batch([lane.queue.popleft()[0] for _ in range(self._fitting(lane))], now)
        lane.gathering_since = now if lane.queue else None
        return batch

    def _fitting(self, lane: Lane) -> int:
        """Return how many of the queue's first records make a batch."""
        count, size = 0, ENVELOPE_BYTES
        for _, bytes_in_event in lane.queue:
            size += bytes_in_event
            if count == self.settings.batch_size or (count and size > MAXIMUM_PAYLOAD_BYTES):
                break
            count += 1
        return count
