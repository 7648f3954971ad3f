"""The costliest batch that a stream can bring to a consumer, handled by its real handler in a process of its own.

    python -m tests.support.worst_batches route_events objects

The last line of the output is the process's peak of resident memory, in MB. Stores are stubs that keep nothing, so the
figure is the function's own.
"""

import base64
import json
import os
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from millrace.contracts import registry
from millrace.core import aws, limits
from millrace.eventstore.codec import Codec
from millrace.eventstore.consumers import Source, reading
from millrace.eventstore.row import to_item
from millrace.fraud.bound import MOST_ATTRIBUTES, MOST_BYTES
from millrace.intake.enrich import Origin, enrich
from tests.support import events
from tests.support.functions import function

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
RECORDS, RECORDS_OF_ARCHIVE = 500, 2000
# What Lambda hands over at most in one call.
BYTES_PER_CALL = 6 * 1024 * 1024
FREE_BYTES = limits.BYTES_PER_EVENT - 2048


def _many(text: str) -> Any:
    return orjson.loads(f"[{','.join([text] * (FREE_BYTES // (len(text) + 1)))}]")


# Free content of 254 KB. Parsed, the first two take some 30 times as much; text with one wide character four times.
SHAPES: dict[str, Callable[[], Any]] = {
    "objects": lambda: _many('{"":0}'),
    "lists": lambda: _many("[]"),
    "names": lambda: {f"{number:x}": [0] for number in range(FREE_BYTES // 12)},
    "text": lambda: "a" * (FREE_BYTES - 8) + "\N{CHESTNUT}",
}
# Small transactions, each of another user whose row is as full as it may be.
FULL_ROWS = "full rows"


class Stub:
    """A service that takes everything and keeps nothing; its rows of users are full, or are not there."""

    _elements = MOST_BYTES // MOST_ATTRIBUTES // 12

    def __init__(self, *, full: bool = False) -> None:
        minute = int(AT.timestamp()) // 60
        self._names = [f"m{minute + ahead}" for ahead in range(1, MOST_ATTRIBUTES)] if full else []

    def batch_write_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def put_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {}

    def query(self, **_: Any) -> dict[str, Any]:
        return {"Items": []}

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        return {
            "Responses": {
                table: [
                    {
                        **key,
                        **{
                            name: {"BS": [os.urandom(10) for _ in range(self._elements)]}
                            for name in self._names
                        },
                    }
                    for key in asked["Keys"]
                    if self._names
                ]
                for table, asked in RequestItems.items()
            }
        }

    def update_item(self, **request: Any) -> dict[str, Any]:
        names, values = request.get("ExpressionAttributeNames", {}), request["ExpressionAttributeValues"]
        return {
            "Attributes": {
                names[alias]: values[f":a{alias[2:]}"] for alias in names if f":a{alias[2:]}" in values
            }
        }

    def put_object(self, **_: Any) -> dict[str, Any]:
        return {}

    def put_events(self, *, Entries: list[Any]) -> dict[str, Any]:  # noqa: N803
        json.dumps(Entries, default=str)
        return {"FailedEntryCount": 0, "Entries": [{} for _ in Entries]}

    def generate_data_key(self, **_: Any) -> dict[str, Any]:
        return {"Plaintext": bytes(32), "CiphertextBlob": bytes(64)}

    def decrypt(self, **_: Any) -> dict[str, Any]:
        return {"Plaintext": bytes(32)}


def stream_event(stem: str, shape: str) -> dict[str, Any]:
    """As many rows as a batch has of the worst accepted event of a shape, or as many as Lambda hands over at once."""
    contracts = registry.load()
    # As the JSON that it is in every row: written anew for each it would take longer than the handler.
    free = None if shape == FULL_ROWS else orjson.Fragment(orjson.dumps(SHAPES[shape]()))
    make = events.transaction if stem == "score_transactions" else events.order
    codec, records, size = Codec(contracts.dictionary), [], 0
    for number in range(RECORDS_OF_ARCHIVE if stem == "archive_events" else RECORDS):
        event = make(user=number if stem == "score_transactions" else f"usr_{number}")
        event["timestamp"] = AT.isoformat()
        event["data"]["payload"]["extra"] = free
        contract = contracts.find(event["eventType"])
        origin = Origin(f"org_{number % 7}", "shop", "r", AT)
        item = to_item(enrich(event, contract, origin, AT), contract, b"f" * 16, codec)
        change = {
            "eventName": "INSERT",
            "dynamodb": {
                "NewImage": {
                    name: {
                        kind: base64.b64encode(value).decode() if isinstance(value, bytes) else value
                        for kind, value in held.items()
                    }
                    for name, held in item.items()
                },
                "SequenceNumber": f"{number:021d}",
                "ApproximateCreationDateTime": AT.timestamp(),
            },
        }
        record = change if stem in reading(Source.TABLE_STREAM) else _logged(number, change)
        size += len(json.dumps(record))
        if size > BYTES_PER_CALL:
            break
        records.append(record)
    return {"Records": records}


def _logged(number: int, change: dict[str, Any]) -> dict[str, Any]:
    return {
        "eventID": f"shardId-000000000001:{number:021d}",
        "kinesis": {
            "sequenceNumber": f"{number:021d}",
            "data": base64.b64encode(json.dumps(change).encode()).decode(),
            "approximateArrivalTimestamp": AT.timestamp(),
        },
    }


def queue_event(shape: str) -> dict[str, Any]:
    """Ten messages of the bus's feeder, each with a detail as large as the bus takes."""
    detail = events.order(payload={"extra": [SHAPES[shape]() for _ in range(3)]})
    body = {"org": "org_acme", "binding": "b", "eventType": "", "id": "1", "source": "s", "detail": detail}
    text = json.dumps({**body, "time": AT.isoformat()}, separators=(",", ":"))
    return {
        "Records": [
            {"messageId": str(uuid.uuid4()), "body": text, "attributes": {}, "eventSource": "aws:sqs"}
            for _ in range(10)
        ]
    }


def peak_mb() -> float:
    """The most resident memory that this process had so far."""
    status = Path("/proc/self/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def main(stem: str, shape: str) -> None:
    """Hands the batch over once."""
    stub = Stub(full=shape == FULL_ROWS)
    aws.client.cache_clear()
    setattr(aws, "client", lambda _: stub)  # noqa: B010  before any handler has taken the name
    names = "EVENTS_TABLE METADATA_TABLE SUBJECT_KEYS_TABLE USER_EVENTS_TABLE ANALYTICS_TABLE FEATURE_STORE_TABLE MODELS_TABLE LAKE_BUCKET EVENT_BUS"
    environ = dict.fromkeys((*names.split(), "EVENT_STREAM_ARN", "TENANT_KEY_ID"), "x")
    # On a busy machine what is measured is memory, not time.
    environ["FEATURES_BUDGET_MS"] = "60000"
    event = queue_event(shape) if stem == "receive_bus_events" else stream_event(stem, shape)
    with function(stem, {**environ, "ENVIRONMENT": "local", "LOG_LEVEL": "ERROR"}) as handler:
        handler(event, None)
    sys.stdout.write(f"\n{peak_mb()}\n")
    sys.stdout.flush()
    # The threads of worker pools still wait for work.
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
