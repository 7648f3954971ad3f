"""Where a mapping sends word of the batches that it gave up."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from tests.support.mappings.context import FunctionContext
from tests.support.mappings.shards import EventSource, Shard, StreamRecord

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]


@dataclass(slots=True)
class FailureDestination:
    """An on-failure destination that keeps what it receives.

    Source: AWS Lambda Developer Guide, "Retain discarded batch records for a Kinesis Data Streams event source
    in Lambda" and "Retain discarded records for a DynamoDB event source in Lambda": SQS and SNS get metadata
    only; an S3 object also holds the whole event under ``payload``, as JSON text.
    """

    kind: Literal["sqs", "sns", "s3"]
    put: Callable[[str, bytes], None] | None = None
    """Also writes each S3 object there, by key."""
    documents: list[dict[str, Any]] = field(default_factory=list)
    objects: dict[str, bytes] = field(default_factory=dict)

    def receive(
        self, document: dict[str, Any], event: dict[str, Any], *, mapping_id: str, shard_id: str, unique: str
    ) -> None:
        """Keep one invocation record.

        Source: the same pages, "Example invocation records": the key of an S3 object is
        ``aws/lambda/<ESM-UUID>/<shardID>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<random UUID>``.
        """
        if self.kind == "s3":
            document = {**document, "payload": json.dumps(event)}
            at = datetime.fromisoformat(document["timestamp"])
            key = f"aws/lambda/{mapping_id}/{shard_id}/{at:%Y/%m/%d}/{at:%Y-%m-%dT%H.%M.%S}-{unique}"
            self.objects[key] = json.dumps(document).encode()
            if self.put is not None:
                self.put(key, self.objects[key])
        self.documents.append(document)


def invocation_record(
    condition: Condition,
    source: EventSource,
    shard: Shard,
    records: Sequence[StreamRecord],
    *,
    context: FunctionContext,
    invocations: int,
) -> dict[str, Any]:
    """Describe records that were given up after ``invocations`` calls.

    Source: "Retain discarded batch records for a Kinesis Data Streams event source in Lambda" and "Retain
    discarded records for a DynamoDB event source in Lambda", "Example invocation records".
    """
    return {
        "requestContext": {
            "requestId": context.aws_request_id,
            "functionArn": context.invoked_function_arn,
            "condition": condition,
            "approximateInvokeCount": invocations,
        },
        "responseContext": {
            "statusCode": 200,
            "executedVersion": context.function_version,
            "functionError": "Unhandled",
        },
        "version": "1.0",
        "timestamp": _iso(source.clock.now()),
        source.batch_info: {
            "shardId": shard.shard_id,
            "startSequenceNumber": records[0].sequence_number,
            "endSequenceNumber": records[-1].sequence_number,
            "approximateArrivalOfFirstRecord": _iso(records[0].arrived_at),
            "approximateArrivalOfLastRecord": _iso(records[-1].arrived_at),
            "batchSize": len(records),
            "streamArn": source.arn,
        },
    }


def _iso(moment: datetime) -> str:
    """Format a UTC time with milliseconds and ``Z``, as invocation records do."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
