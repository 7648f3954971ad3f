"""A row of the Events table, from and to the event it holds."""

import binascii
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
from millrace.core.identity import identity_text
from millrace.core.table import Item
from millrace.eventstore import codec as bodies
from millrace.eventstore.codec import Codec

Envelope = dict[str, Any]
_DAY_SECONDS = 86_400
_MILLISECONDS = len("2026-11-21T05:54:16.123Z")
_MICROSECONDS = len("2026-11-21T05:54:16.123456Z")
# The events of a request were received at one moment.
_received = lru_cache(maxsize=1)(clock.parse)


@lru_cache(maxsize=1024)
def _shared(text: str) -> dict[str, str]:
    """The attribute of a text that many rows have. Nothing changes it; a copy for each row would be work for the collector."""
    return {"S": text}


@lru_cache(maxsize=1024)
def _type_key(org: str, event_type: str, shard: int) -> dict[str, str]:
    return {"S": keys.by_type(org, event_type, shard)}


@dataclass(slots=True)
class StoredEvent:
    """An accepted event with the attributes its row carries in plain. Nothing changes it."""

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
    """Epoch second at which the row goes: an id that is sent later than that is too old to be accepted."""
    return clock.epoch(max(received_at, happened_at)) + (contract.retention_days + 1) * _DAY_SECONDS


def to_item(
    envelope: Envelope,
    contract: Contract,
    fingerprint: bytes,
    codec: Codec,
    happened_at: datetime | None = None,
    *,
    type_shards: int = 1,
) -> Item:
    """The row of an event, in DynamoDB's attribute form, with the index attributes its contract pays for.

    Args:
        envelope: the event, with `platform`.
        contract: of its type.
        fingerprint: of its content.
        codec: packs the body.
        happened_at: the envelope's timestamp, for a caller who has read it already.
        type_shards: the keys that a tenant's events of one type are spread over.
    """
    platform = envelope["platform"]
    org, identity = platform["orgId"], identity_text(envelope["eventId"])
    if happened_at is None:
        happened_at = clock.parse(envelope["timestamp"])
    expires_at = expiry(contract, _received(platform["receivedAt"]), happened_at)
    item: Item = {
        "eventId": {"S": keys.join(org, identity)},
        "eventType": _shared(envelope["eventType"]),
        "orgId": _shared(org),
        "receivedAt": _shared(platform["receivedAt"]),
        "requestId": {"S": platform["requestId"]},
        "fingerprint": {"B": fingerprint},
        "expiresAt": {"N": str(expires_at)},
        "body": {"B": codec.pack(orjson.dumps(envelope), contract.dictionary)},
        "dict": _shared(contract.dictionary),
        "sortKey": {"S": _sort(envelope["timestamp"], happened_at, identity)},
    }
    _add_index_keys(item, envelope, contract, org, keys.shard_of(identity, type_shards))
    return item


def _sort(timestamp: str, happened_at: datetime, identity: str) -> str:
    # Most clients write UTC with milliseconds or microseconds, and then the key's text stands there already.
    if timestamp[-1] == "Z" and timestamp[10] == "T":
        if len(timestamp) == _MILLISECONDS:
            return f"{timestamp[:-1]}000Z{keys.SEPARATOR}{identity}"
        if len(timestamp) == _MICROSECONDS:
            return f"{timestamp}{keys.SEPARATOR}{identity}"
    return keys.sort(happened_at, identity)


def _add_index_keys(item: Item, envelope: Envelope, contract: Contract, org: str, shard: int) -> None:
    indexes = contract.indexes
    if "type" in indexes:
        item["typeKey"] = _type_key(org, envelope["eventType"], shard)
    if "user" in indexes and (user := envelope.get("userId")):
        item["userKey"] = {"S": keys.by_user(org, user)}
    if "correlation" in indexes and (correlation := envelope.get("correlationId")):
        item["correlationKey"] = {"S": keys.by_correlation(org, correlation)}
    if "entity" in indexes:
        for entity, pointer in contract.entity.items():
            value = pointers.as_text(pointers.read(envelope, pointers.parse(pointer)))
            if value is not None:
                item["entityKey"] = {"S": keys.by_entity(org, entity, value)}
                break


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
        raise _no_row(error) from error


@dataclass(frozen=True, slots=True)
class Head:
    """The attributes of an event that its row has in plain, beside the packed body."""

    org: str
    event_id: str  # its identity, as keys have it
    event_type: str
    happened_at: datetime  # as finely as sort keys have it
    expires_at: int  # epoch second at which the row goes

    @property
    def day(self) -> str:
        """UTC date of the event's own moment, `2026-11-21`."""
        return clock.day_text(self.happened_at)


def head_of(item: Mapping[str, Mapping[str, Any]]) -> Head:
    """The head of a row as the table, its stream or the log gives it.

    Raises:
        PermanentError: the row is not one that intake writes.
    """
    try:
        return Head(
            org=item["orgId"]["S"],
            event_id=item["eventId"]["S"].rpartition(keys.SEPARATOR)[2],
            event_type=item["eventType"]["S"],
            happened_at=clock.parse(item["sortKey"]["S"].partition(keys.SEPARATOR)[0]),
            expires_at=int(item["expiresAt"]["N"]),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise _no_row(error) from error


def body_of(item: Mapping[str, Mapping[str, Any]], codec: Codec) -> bytes:
    """The event of a row as the JSON that it was stored as, for a reader that only passes it on.

    Parsed, a body of 256 KB may hold 37,000 objects of some 200 bytes each; as bytes it is as long as it is.

    Raises:
        PermanentError: the row is not one that intake writes.
    """
    try:
        return codec.unpack(_binary(item["body"]["B"]), item["dict"]["S"])
    except (KeyError, TypeError, ValueError, zstandard.ZstdError) as error:
        raise _no_row(error) from error


def body_size(item: Mapping[str, Mapping[str, Any]]) -> int:
    """Bytes of a row's event, without unpacking it; 0 for what is not a row."""
    try:
        return bodies.size(_binary(item["body"]["B"]))
    except (KeyError, TypeError, ValueError, zstandard.ZstdError):
        return 0


def _no_row(error: Exception) -> PermanentError:
    return PermanentError(f"no row of an event: {type(error).__name__}: {error}")


def _binary(value: bytes | str) -> bytes:
    return binascii.a2b_base64(value, strict_mode=True) if isinstance(value, str) else bytes(value)
