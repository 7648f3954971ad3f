"""From an event to what is stored of it, and back: tokens in place of values, the values in one sealed blob. Pure.

A confidential value leaves its token, a restricted one the text `sealed`. All of them lie once in the envelope, as
`platform.sealed`: the person they are sealed for, and the ciphertext of `{pointer: value}` in base64. The pointers are part
of the text that is sealed, so nobody can move a value to another field; what all of them begin with is in it once, under
the empty name, for a row is paid by its bytes.
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import orjson

from millrace.core.identity import identity_text
from millrace.privacy import seal
from millrace.privacy.places import Places, put_back
from millrace.privacy.tokens import SEALED, is_token, short_digest, token

BLOCK = "sealed"
CONFIDENTIAL = "confidential"
# Values are in the data, and so are their pointers.
_DATA = "/data"
Envelope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Blob:
    """What an envelope has of its protected values.

    Attributes:
        subject: the number of the person whose key opens it.
        data: nonce and ciphertext.
    """

    subject: int
    data: bytes


def protected(
    envelope: Envelope, places: Places, token_key: bytes, subject: int, person_key: bytes
) -> Envelope:
    """The envelope as it is stored; the same object where the event has no protected value.

    Args:
        envelope: with `platform`.
        places: of its contract.
        token_key: of the tenant.
        subject: the number of the person.
        person_key: that person's, 32 bytes.
    """
    values: dict[str, Any] = {}

    def hide(pointer: str, kind: str, value: Any) -> str:
        values[pointer] = value
        return masked(kind, value, token_key)

    stored = places.rewritten(envelope, hide)
    if not values:
        return envelope
    return _sealed(stored, subject, seal.seal(person_key, _binding(envelope), _written(values)))


def completed(
    envelope: Envelope, places: Places, token_key: bytes, subject: int, person_key: bytes
) -> Envelope:
    """A stored envelope with what stood in it in clear sealed beside what was sealed before, the same each time.

    Args:
        envelope: as it is stored.
        places: of its contract as it is now.
        token_key: of the tenant.
        subject: the number of the person whom its values are sealed for.
        person_key: that person's.

    Raises:
        UnreadableError: it has sealed values which this key does not open.
    """
    stored, found = _cleared(envelope, places, token_key)
    if not found:
        return envelope
    held = values(envelope, person_key) if blob(envelope) else {}
    data = seal.seal(person_key, _binding(envelope), _written({**held, **found}), again=True)
    return _sealed(stored, subject, data)


def masked_only(envelope: Envelope, places: Places, token_key: bytes) -> Envelope:
    """The same where nobody has the key any more: what stood in it in clear is gone."""
    return _cleared(envelope, places, token_key)[0]


def has_clear(envelope: Envelope, places: Places) -> bool:
    """Whether a protected value stands in a stored envelope in clear."""
    return bool(_cleared(envelope, places, b"")[1])


def _cleared(envelope: Envelope, places: Places, token_key: bytes) -> tuple[Envelope, dict[str, Any]]:
    """A stored envelope without the values that stand in it in clear, and those by pointer."""
    found: dict[str, Any] = {}

    def hide(pointer: str, kind: str, value: Any) -> Any:
        if value == SEALED or is_token(value):
            return value
        found[pointer] = value
        return masked(kind, value, token_key)

    return places.rewritten(envelope, hide), found


def _sealed(envelope: Envelope, subject: int, data: bytes) -> Envelope:
    block = {"subject": subject, "data": base64.b64encode(data).decode()}
    return {**envelope, "platform": {**envelope["platform"], BLOCK: block}}


def comparable(event: Any, places: Places, person_key: bytes) -> Any:
    """The event with each protected value as an HMAC under the person's key: what a fingerprint is made of.

    Whoever has the fingerprint's key and a guess of the value learns nothing without the person's key.
    """
    return places.rewritten(event, lambda _, __, value: short_digest(person_key, _text(value)))


def masked(kind: str, value: Any, token_key: bytes) -> str:
    """What stands in place of a value: the token of a confidential text, else `sealed`."""
    return token(token_key, value) if kind == CONFIDENTIAL and isinstance(value, str) else SEALED


def blob(envelope: Envelope) -> Blob | None:
    """The sealed values of a stored envelope; None where it has none."""
    block = envelope.get("platform", {}).get(BLOCK)
    if block is None:
        return None
    try:
        return Blob(int(block["subject"]), binascii.a2b_base64(block["data"], strict_mode=True))
    except (KeyError, TypeError, ValueError):
        return None


def values(envelope: Envelope, person_key: bytes) -> dict[str, Any]:
    """Pointer → value, as they were sealed.

    Raises:
        UnreadableError: there are none, or this is not the key of this event's person.
    """
    found = blob(envelope)
    if found is None:
        raise seal.UnreadableError("the event has no sealed values")
    read: dict[str, Any] = orjson.loads(seal.unseal(person_key, _binding(envelope), found.data))
    above = _DATA + read.pop("", "")
    return {above + pointer: value for pointer, value in read.items()}


def _written(values: Mapping[str, Any]) -> bytes:
    parents = zip(*(pointer.split("/")[:-1] for pointer in values), strict=False)
    above = "/".join(names[0] for names in takewhile(lambda some: len(set(some)) == 1, parents))
    above = above.removeprefix(_DATA)
    left = {pointer[len(_DATA) + len(above) :]: value for pointer, value in values.items()}
    return orjson.dumps({"": above, **left} if above else left)


def hidden(envelope: Envelope, places: Places, token_key: Callable[[], bytes]) -> Envelope:
    """A stored envelope for who may not see values: without the blob, and masked where a row of before has them in clear.

    `token_key` gives the tenant's key, which only such rows need.
    """

    def mask(_: str, kind: str, value: Any) -> Any:
        return value if value == SEALED or is_token(value) else masked(kind, value, token_key())

    return _without_blob(places.rewritten(envelope, mask))


def shown(envelope: Envelope, found: Mapping[str, Any]) -> Envelope:
    """A stored envelope with its values in their places, and without the blob."""
    return _without_blob(put_back(envelope, found))


def _without_blob(envelope: Envelope) -> Envelope:
    platform = envelope.get("platform", {})
    if BLOCK not in platform:
        return envelope
    return {**envelope, "platform": {name: value for name, value in platform.items() if name != BLOCK}}


def _binding(envelope: Envelope) -> list[Any]:
    """What the values of an event belong to: tenant, type, id and major."""
    platform = envelope["platform"]
    major = platform["contract"].partition("/")[2].partition(".")[0]
    return [platform["orgId"], envelope["eventType"], identity_text(envelope["eventId"]), major]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
