"""The raw table: one fixed schema for all event types, so that any event ever accepted can be read in the same way."""

import base64
from collections.abc import Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.prefixes import RAW_EVENTS
from millrace.eventstore.row import StoredEvent

_MOMENT = pa.timestamp("us", tz="UTC")

SCHEMA = pa.schema(
    [
        pa.field("event_id", pa.string(), nullable=False),
        pa.field("event_type", pa.string(), nullable=False),
        pa.field("event_source", pa.string(), nullable=False),
        pa.field("timestamp", pa.string(), nullable=False),
        pa.field("event_time", _MOMENT, nullable=False),
        pa.field("version", pa.string(), nullable=False),
        pa.field("correlation_id", pa.string()),
        pa.field("user_id", pa.string()),
        pa.field("session_id", pa.string()),
        pa.field("environment", pa.string()),
        pa.field("region", pa.string()),
        pa.field("org_id", pa.string(), nullable=False),
        pa.field("received_at", _MOMENT, nullable=False),
        pa.field("request_id", pa.string(), nullable=False),
        # Not `category`: the partition path has that name, and a file's column would be shadowed by it.
        pa.field("event_category", pa.string(), nullable=False),
        pa.field("contract", pa.string(), nullable=False),
        pa.field("derived_from", pa.string()),
        pa.field("payload", pa.string(), nullable=False),
        pa.field("metadata", pa.string()),
        pa.field("fingerprint", pa.binary(), nullable=False),
        pa.field("expires_at", pa.int64(), nullable=False),
        pa.field("dictionary", pa.string(), nullable=False),
        # Where the row comes from in the log. Null in objects of earlier versions, which have no such columns.
        pa.field("log_shard", pa.string()),
        pa.field("log_sequence", pa.string()),
        pa.field("log_arrived_at", _MOMENT),
        # Protected values, encrypted for one person (`millrace.privacy`). Null where there are none, and in older objects.
        pa.field("sealed_subject", pa.int64()),
        pa.field("sealed_values", pa.binary()),
    ]
)


def partition(org: str, category: str, day: str) -> str:
    """The folder of a tenant's category and UTC day."""
    year, month, day_of_month = day.split("-")
    return f"{RAW_EVENTS}org={org}/category={category}/year={year}/month={month}/day={day_of_month}"


def row(event: StoredEvent, delivery: Delivery | None = None) -> dict[str, Any]:
    """One event as a row of the schema.

    Args:
        event: as it was stored.
        delivery: the record of the log that brought it: the same however often that is delivered or redriven.
    """
    envelope = event.envelope
    platform, data = envelope["platform"], envelope["data"]
    metadata = data.get("metadata")
    sealed = platform.get("sealed")
    return {
        "event_id": envelope["eventId"],
        "event_type": envelope["eventType"],
        "event_source": envelope["eventSource"],
        "timestamp": envelope["timestamp"],
        "event_time": event.happened_at,
        "version": envelope["version"],
        "correlation_id": envelope.get("correlationId"),
        "user_id": envelope.get("userId"),
        "session_id": envelope.get("sessionId"),
        "environment": envelope.get("environment"),
        "region": envelope.get("region"),
        "org_id": platform["orgId"],
        "received_at": clock.parse(platform["receivedAt"]),
        "request_id": platform["requestId"],
        "event_category": platform["category"],
        "contract": platform["contract"],
        "derived_from": platform.get("derivedFrom"),
        "payload": orjson.dumps(data["payload"]).decode(),
        "metadata": None if metadata is None else orjson.dumps(metadata).decode(),
        "fingerprint": event.fingerprint,
        "expires_at": event.expires_at,
        "dictionary": event.dictionary,
        "log_shard": None if delivery is None else delivery.shard,
        "log_sequence": None if delivery is None else delivery.sequence,
        "log_arrived_at": None if delivery is None else delivery.arrived_at,
        "sealed_subject": None if sealed is None else sealed["subject"],
        "sealed_values": None if sealed is None else base64.b64decode(sealed["data"]),
    }


def to_parquet(events: Sequence[StoredEvent]) -> bytes:
    """The events as one Parquet file, zstd."""
    return rows_to_parquet([row(event) for event in events])


def rows_to_parquet(rows: Sequence[dict[str, Any]]) -> bytes:
    """Rows, as `row` makes them, as one Parquet file, zstd."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(list(rows), schema=SCHEMA), sink, compression="zstd")
    return bytes(sink.getvalue().to_pybytes())
