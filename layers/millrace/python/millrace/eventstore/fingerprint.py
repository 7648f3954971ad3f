"""What makes two deliveries of one id the same event: an HMAC, with the tenant's key, of its content.

A fingerprint begins with the version of its form, so that a row keeps the meaning it was written with:

| version | bytes | of |
|---|---|---|
| 1 | 16, without a version | the event's JSON with its keys in order, numbers as they were written |
| 2 | 1 + 16 | the same with numbers by value and the event's id in lower case |
| 3 | 1 + 16 | the same without the optional fields that are null |

An older form of a new event is computed only where it meets a row of that form.
"""

import hashlib
import hmac
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.eventstore import content

BYTES = 16
VERSION = 3
_PREFIX, _PREFIX_2 = bytes([VERSION]), bytes([2])


class Fingerprint(bytes):
    """A fingerprint of the newest form, of an event which can also be compared with the older ones."""

    event: Any
    key: bytes

    def matches(self, stored: bytes) -> bool:
        """Whether a row with this fingerprint, of any form, holds the same event."""
        if len(stored) == BYTES:
            return hmac.compare_digest(stored, _digest(spelled(self.event), self.key))
        if stored.startswith(_PREFIX_2):
            sent = content.read(self.event)
            return not isinstance(sent, FieldError) and hmac.compare_digest(
                stored, _PREFIX_2 + _digest(_folded(sent), self.key)
            )
        return hmac.compare_digest(stored, self)


def spelled(event: Any) -> bytes:
    """The event with its keys in order and no spaces, and each number as orjson writes what it read.

    Raises:
        orjson.JSONEncodeError: the event nests deeper than JSON can be written.
    """
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)


def fingerprint(read: content.Content, sent: Any, tenant_key: bytes) -> Fingerprint:
    """The fingerprint of an event. Keyed, so that without the key it reveals nothing of the event.

    Args:
        read: the event's content, without the optional fields that are null.
        sent: the event as it was parsed, for the older forms.
        tenant_key: 32 bytes.
    """
    made = Fingerprint(_PREFIX + _digest(_folded(read), tenant_key))
    made.event, made.key = sent, tenant_key
    return made


def _folded(read: content.Content) -> bytes:
    """The canonical JSON with the event's id in lower case: a UUID in any case is one id. Of others only equal ones share a key."""
    event, canonical = read
    event_id = event["eventId"]
    folded = event_id.lower()
    if event_id == folded:
        return canonical
    return orjson.dumps({**event, "eventId": folded}, option=orjson.OPT_SORT_KEYS)


def _digest(written: bytes, tenant_key: bytes) -> bytes:
    return hmac.digest(tenant_key, written, hashlib.sha256)[:BYTES]
