"""What makes two deliveries of one id the same event: an HMAC, with the tenant's key, of its canonical JSON."""

import hashlib
import hmac
from typing import Any

import orjson

BYTES = 16


def canonical(event: Any) -> bytes:
    """The client's event with its keys in order and no spaces.

    Raises:
        orjson.JSONEncodeError: the event nests deeper than can be written again.
    """
    return orjson.dumps(event, option=orjson.OPT_SORT_KEYS)


def fingerprint(canonical_event: bytes, tenant_key: bytes) -> bytes:
    """16 bytes. Keyed, so that a fingerprint tells nobody without the key what an event said."""
    return hmac.digest(tenant_key, canonical_event, hashlib.sha256)[:BYTES]
