"""A row of the Events table, from and to the event it holds."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

import orjson
import zstandard

from millrace.contracts import pointers
from millrace.contracts.contract import Contract
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.eventstore.codec import Codec

Item = dict[str, dict[str, Any]]
Envelope = dict[str, Any]
_DAY_SECONDS = 86_400
# The events of a request were received at one moment.
_received = lru_cache(maxsize=1)(clock.parse)


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An accepted event with the attributes its row carries in plain."""

    envelope: Envelope
    fingerprint: bytes
    expires_at: int
    dictionary: str

    @property
    def event_id(self) -> str:
        """The client's id, as it was sent."""
        return str(self.envelope["eventId"])

    @property
    def event_type(self) -> str:
        """Such as `order.created`."""
        return str(self.envelope["eventType"])

    @property
    def org(self) -> str:
        """The tenant."""
        return str(self.envelope["platform"]["orgId"])

    @property
    def happened_at(self) -> datetime:
        """The event's own moment, in UTC."""
        return clock.parse(self.envelope["timestamp"])

    @property
    def day(self) -> str:
        """UTC date of the event's own moment, `2026-11-21`."""
        return str(self.envelope["platform"]["day"])


def expiry(contract: Contract, received_at: datetime, happened_at: datetime) -> int:
    """Epoch second at which the row goes: an id that comes again later is too old to be accepted."""
    return clock.epoch(max(received_at, happened_at)) + (contract.retention_days + 1) * _DAY_SECONDS


def to_item(envelope: Envelope, contract: Contract, fingerprint: bytes, codec: Codec) -> Item:
    """The row of an event, in DynamoDB's attribute form, with the index attributes its contract pays for."""
    platform = envelope["platform"]
    org, event_id = platform["orgId"], envelope["eventId"]
    happened_at = clock.parse(envelope["timestamp"])
    expires_at = expiry(contract, _received(platform["receivedAt"]), happened_at)
    item: Item = {
        "eventId": {"S": keys.event(org, event_id)},
        "eventType": {"S": envelope["eventType"]},
        "orgId": {"S": org},
        "receivedAt": {"S": platform["receivedAt"]},
        "requestId": {"S": platform["requestId"]},
        "fingerprint": {"B": fingerprint},
        "expiresAt": {"N": str(expires_at)},
        "body": {"B": codec.pack(orjson.dumps(envelope), contract.dictionary)},
        "dict": {"S": contract.dictionary},
        "sortKey": {"S": keys.sort(happened_at, event_id)},
    }
    for name, value in _index_keys(envelope, contract, org):
        item[name] = {"S": value}
    return item


def _index_keys(envelope: Envelope, contract: Contract, org: str) -> list[tuple[str, str]]:
    found = []
    if "type" in contract.indexes:
        found.append(("typeKey", keys.by_type(org, envelope["eventType"])))
    if "user" in contract.indexes and envelope.get("userId"):
        found.append(("userKey", keys.by_user(org, envelope["userId"])))
    if "correlation" in contract.indexes and envelope.get("correlationId"):
        found.append(("correlationKey", keys.by_correlation(org, envelope["correlationId"])))
    if "entity" in contract.indexes:
        for entity, pointer in contract.entity.items():
            value = pointers.as_text(pointers.read(envelope, pointers.parse(pointer)))
            if value is not None:
                found.append(("entityKey", keys.by_entity(org, entity, value)))
                break
    return found


def from_item(item: Mapping[str, Mapping[str, Any]], codec: Codec) -> StoredEvent:
    """Reads a row as the table, its stream or the log gives it (binary as bytes or as base64 text).

    Raises:
        PermanentError: the row is not one that intake writes.
    """
    try:
        dictionary = item["dict"]["S"]
        envelope = orjson.loads(codec.unpack(_binary(item["body"]["B"]), dictionary))
        return StoredEvent(
            envelope=envelope,
            fingerprint=_binary(item["fingerprint"]["B"]),
            expires_at=int(item["expiresAt"]["N"]),
            dictionary=dictionary,
        )
    except (KeyError, TypeError, ValueError, zstandard.ZstdError) as error:
        raise PermanentError(f"no row of an event: {type(error).__name__}: {error}") from error


def _binary(value: bytes | str) -> bytes:
    return base64.b64decode(value, validate=True) if isinstance(value, str) else bytes(value)
