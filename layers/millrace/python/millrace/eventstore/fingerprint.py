"""What makes two deliveries of one id the same event: an HMAC, with the tenant's key, of its content.

A fingerprint begins with the version of its form, so that a row keeps the meaning it was written with:

| version | bytes | of |
|---|---|---|
| 1 | 16, without a version | the event's JSON with its keys in order, numbers as they were written |
| 2 | 1 + 16 | the same with numbers by value and the event's id in lower case |
| 3 | 1 + 16 | the same without the optional fields that are null |
| 4 | 1 + 16 | the same with each protected value as an HMAC under the key of its person; of events without one, 3 |
| 5 | 1 + 16 | an HMAC of form 1, 2 or 3 under the key of the person: of rows whose values were protected later |

An older form of a new event is computed only where it meets a row of that form.
"""

import hashlib
import hmac
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.eventstore import content

BYTES = 16
VERSION, VERSION_PROTECTED = 3, 4
_PREFIX, _PREFIX_2, _PREFIX_4, _PREFIX_5 = (
    bytes([VERSION]),
    bytes([2]),
    bytes([VERSION_PROTECTED]),
    bytes([5]),
)


class Fingerprint(bytes):
    """A fingerprint of the newest form, of an event which can also be compared with the older ones."""

    event: Any
    key: bytes
    # The content with its values, for rows from before they were protected; None where nothing is.
    plain: content.Content | None = None
    # Of the person whose values are protected; None where nothing is.
    person: bytes | None = None
    # Of the event with the fields that its contract drops, for rows from before it did; None where it has none.
    whole: "Fingerprint | None" = None

    def matches(self, stored: bytes) -> bool:
        """Whether a row with this fingerprint, of any form, holds the same event."""
        if len(stored) == BYTES:
            return hmac.compare_digest(stored, self._of_1())
        if stored.startswith(_PREFIX_2):
            return hmac.compare_digest(stored, self._of_2())
        if self.plain is not None and stored.startswith(_PREFIX):
            return hmac.compare_digest(stored, self._of_3(self.plain))
        if stored.startswith(_PREFIX_5) and self._matches_later(stored):
            return True
        return hmac.compare_digest(stored, self) or (self.whole is not None and self.whole.matches(stored))

    def _matches_later(self, stored: bytes) -> bool:
        """Whether it is what became of an older form when the row's values were protected."""
        if self.person is None or self.plain is None:
            return False
        forms = (self._of_3(self.plain), self._of_2(), self._of_1())
        return any(hmac.compare_digest(stored, later(one, self.person)) for one in forms if one)

    def _of_1(self) -> bytes:
        return _digest(spelled(self.event), self.key)

    def _of_2(self) -> bytes:
        """Empty where the event is more than is carried now."""
        sent = content.read(self.event)
        return b"" if isinstance(sent, FieldError) else _PREFIX_2 + _digest(_folded(sent), self.key)

    def _of_3(self, plain: content.Content) -> bytes:
        return _PREFIX + _digest(_folded(plain), self.key)


def spelled(event: Any) -> bytes:
    """The event with its keys in order and no spaces, and each number as orjson writes what it read.

    Raises:
        orjson.JSONEncodeError: the event nests deeper than JSON can be written.
    """
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)


def later(stored: bytes, person_key: bytes) -> bytes:
    """The fingerprint of a row whose values are protected now, from that of the row in clear; one of form 4 or 5 stays.

    Nobody can test a guess of a value against it without the person's key.
    """
    if len(stored) > BYTES and stored.startswith((_PREFIX_4, _PREFIX_5)):
        return stored
    return _PREFIX_5 + _digest(stored, person_key)


def told_nothing(event_id: str) -> bytes:
    """The fingerprint of a row in clear of somebody who was erased: no delivery is compared with it, all are refused."""
    return _PREFIX_5 + hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).digest()[:BYTES]


def fingerprint(
    read: content.Content,
    sent: Any,
    tenant_key: bytes,
    comparable: content.Content | None = None,
    person_key: bytes | None = None,
) -> Fingerprint:
    """The fingerprint of an event. Keyed, so that without the key it reveals nothing of the event.

    Args:
        read: the event's content, without the optional fields that are null.
        sent: the event as it was parsed, for the older forms.
        tenant_key: 32 bytes.
        comparable: the same with HMACs in place of protected values; None where it has none.
        person_key: of the person whose they are.
    """
    if comparable is None:
        made = Fingerprint(_PREFIX + _digest(_folded(read), tenant_key))
    else:
        made = Fingerprint(_PREFIX_4 + _digest(_folded(comparable), tenant_key))
        made.plain, made.person = read, person_key
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
