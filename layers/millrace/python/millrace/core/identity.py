"""What an event's id is to keys, receipts and comparisons: one form for every id, whatever its sender chose.

A UUID is itself, in any case of its letters. Any other text is the first 16 bytes of its SHA-256, as it is written: so a
key has one width, and 16 bytes stand for an id wherever many of them are kept.
"""

import hashlib
import re

_UUID = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
BYTES = 16


def identity(event_id: str) -> bytes:
    """The 16 bytes of an id."""
    if _UUID.fullmatch(event_id):
        return bytes.fromhex(event_id.replace("-", ""))
    return hashlib.sha256(event_id.encode()).digest()[:BYTES]


def identity_text(event_id: str) -> str:
    """The same as keys have it, such as `0f9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b11`; of such a text it is the text."""
    return event_id.lower() if _UUID.fullmatch(event_id) else as_text(identity(event_id))


def uuid_of(event_id: str) -> str:
    """The id where a field wants a UUID: itself as it is written, or of such a text its identity."""
    return event_id if _UUID.fullmatch(event_id) else as_text(identity(event_id))


def as_text(identifier: bytes) -> str:
    """16 bytes as keys have them."""
    text = identifier.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
