"""From rows of the raw table back to stored events: the raw schema holds all that a row of Events is made from."""

import base64
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson

from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.core.table import Item
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import Envelope, StoredEvent, to_item

_OPTIONAL = {
    "correlationId": "correlation_id",
    "userId": "user_id",
    "sessionId": "session_id",
    "environment": "environment",
    "region": "region",
}


def to_event(row: Mapping[str, Any]) -> StoredEvent:
    """The event of a raw row; `raw.row` of it is that row again, but for its place in the log."""
    fields: dict[str, Any] = {"payload": orjson.loads(row["payload"])}
    if row["metadata"] is not None:
        fields["metadata"] = orjson.loads(row["metadata"])
    envelope: Envelope = {
        "eventId": row["event_id"],
        "eventType": row["event_type"],
        "eventSource": row["event_source"],
        "timestamp": row["timestamp"],
        "version": row["version"],
        "data": fields,
    }
    for name, column in _OPTIONAL.items():
        if row[column] is not None:
            envelope[name] = row[column]
    envelope["platform"] = {
        "orgId": row["org_id"],
        "receivedAt": clock.utc_text(row["received_at"]),
        "requestId": row["request_id"],
        "category": row["event_category"],
        "contract": row["contract"],
        "day": clock.day_text(row["event_time"]),
    }
    if row["derived_from"] is not None:
        envelope["platform"]["derivedFrom"] = row["derived_from"]
    # Objects of earlier versions have no such column.
    if row.get("sealed_values") is not None:
        data = base64.b64encode(row["sealed_values"]).decode()
        envelope["platform"]["sealed"] = {"subject": row["sealed_subject"], "data": data}
    return StoredEvent(envelope, row["fingerprint"], row["expires_at"], row["dictionary"])


def to_row(event: StoredEvent, contract: Contract, codec: Codec, *, type_shards: int = 1) -> Item:
    """The row of Events as intake wrote it: with the dictionary and the expiry it had then, not those of today.

    Its shard of the index by type is that of today.
    """
    written = replace(contract, dictionary=event.dictionary)
    item = to_item(event.envelope, written, event.fingerprint, codec, type_shards=type_shards)
    return {**item, "expiresAt": {"N": str(event.expires_at)}}
