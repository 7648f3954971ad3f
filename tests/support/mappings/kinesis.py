"""A Kinesis data stream in memory."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, ClassVar

from tests.support.mappings.clock import ManualClock
from tests.support.mappings.patterns import parse
from tests.support.mappings.shards import ACCOUNT, REGION, EventSource, Shard, StreamRecord

MAXIMUM_RECORD_BYTES = 1024 * 1024
MAXIMUM_KEY_CHARACTERS = 256


class KinesisStream(EventSource):
    """A data stream that takes records and hands them over as Lambda does.

    Source: AWS Lambda Developer Guide, "Using Lambda to process records from Amazon Kinesis Data Streams",
    "Example event" (the record's fields).
    """

    batch_info: ClassVar[str] = "KinesisBatchInfo"
    # AWS Lambda Developer Guide, "Using event filtering with a Kinesis event source", the first note:
    # Kinesis mappings filter on the ``data`` key only.
    filter_keys: ClassVar[frozenset[str]] = frozenset({"data"})

    def __init__(
        self,
        name: str,
        *,
        clock: ManualClock,
        shards: int = 1,
        retention: timedelta = timedelta(hours=24),
        seed: int = 0,
    ) -> None:
        """Create the stream ``name``; see :class:`EventSource` for the rest."""
        self.name = name
        self.feeds: list[Callable[[], None]] = []
        super().__init__(clock=clock, shards=shards, retention=retention, seed=seed)

    @property
    def arn(self) -> str:
        """The stream's ARN."""
        return f"arn:aws:kinesis:{REGION}:{ACCOUNT}:stream/{self.name}"

    def put(self, partition_key: str, data: bytes | str | dict[str, Any]) -> StreamRecord:
        """Put one record; a dict is written as JSON.

        Source: Amazon Kinesis Data Streams Service API Reference, "PutRecord" (a key of 1 to 256 characters),
        and the Developer Guide, "Quotas and limits" (1 MiB of data and key unless the stream was raised).

        Raises:
            ValueError: the key or the data is out of bounds.
        """
        if not 1 <= len(partition_key) <= MAXIMUM_KEY_CHARACTERS:
            raise ValueError("a partition key has 1 to 256 characters")
        text = json.dumps(data) if isinstance(data, dict) else data
        payload = text.encode() if isinstance(text, str) else text
        if len(payload) + len(partition_key.encode()) > MAXIMUM_RECORD_BYTES:
            raise ValueError(f"a record of {len(payload)} bytes is over 1 MiB")
        return self.append(partition_key, payload)

    def settle(self) -> None:
        """Take in what a table's streaming destination still holds."""
        for flush in self.feeds:
            flush()

    def lambda_record(self, shard: Shard, record: StreamRecord) -> dict[str, Any]:
        """Return the record with exactly the fields of the guide's example event."""
        return {
            "kinesis": {
                "kinesisSchemaVersion": "1.0",
                "partitionKey": record.partition_key,
                "sequenceNumber": record.sequence_number,
                "data": base64.b64encode(record.payload).decode(),
                "approximateArrivalTimestamp": round(record.arrived_at.timestamp(), 3),
            },
            "eventSource": "aws:kinesis",
            "eventVersion": "1.0",
            "eventID": f"{shard.shard_id}:{record.sequence_number}",
            "eventName": "aws:kinesis:record",
            "invokeIdentityArn": f"arn:aws:iam::{ACCOUNT}:role/lambda-role",
            "awsRegion": REGION,
            "eventSourceARN": self.arn,
        }

    def filter_document(self, shard: Shard, record: StreamRecord) -> str | None:
        """Return the decoded data under ``data``; ``None`` when the data is not JSON.

        Source: AWS Lambda Developer Guide, "Using event filtering with a Kinesis event source", "Properly
        filtering Kinesis events": with a pattern for ``data``, a record whose data is not JSON is dropped.
        """
        try:
            text = record.payload.decode()
            parse(text)
        except ValueError:
            return None
        return f'{{"data": {text}}}'

    def _first_sequence(self) -> int:
        return 49590338271490256608559692538361571095921575989136588898

    def _shard_id(self, number: int) -> str:
        return f"shardId-{number:012d}"
