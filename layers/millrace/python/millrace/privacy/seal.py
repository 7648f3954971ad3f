"""Encryption under the key of a person or of a tenant: AES-256-GCM (NIST SP 800-38D), a random nonce of 96 bits before each text.

What a ciphertext belongs to is bound as additional data, so that one that was moved to another event, person or tenant cannot
be read there.
"""

import hashlib
import hmac
import os
from typing import TYPE_CHECKING, Any

import orjson

from millrace.core.errors import PermanentError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE = 12


class UnreadableError(PermanentError):
    """It was not sealed with this key, or for another place, or was changed since."""


def new_key() -> bytes:
    """32 random bytes."""
    return os.urandom(KEY_BYTES)


def seal(key: bytes, binding: list[Any], text: bytes, *, again: bool = False) -> bytes:
    """Nonce and ciphertext: 28 bytes more than the text.

    Args:
        key: 32 bytes.
        binding: what it belongs to, as JSON; needed again to read it.
        text: what is hidden.
        again: whether the same text in the same place is to give the same bytes; its nonce follows from both.
    """
    bound = orjson.dumps(binding)
    nonce = _nonce(key, bound, text) if again else os.urandom(_NONCE)
    return nonce + _cipher(key).encrypt(nonce, text, bound)


def unseal(key: bytes, binding: list[Any], sealed: bytes) -> bytes:
    """What was hidden.

    Raises:
        UnreadableError: another key, another binding, or other bytes.
    """
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415  as below

    try:
        return _cipher(key).decrypt(sealed[:_NONCE], sealed[_NONCE:], orjson.dumps(binding))
    except (InvalidTag, ValueError) as error:
        raise UnreadableError("a sealed text cannot be read with this key and in this place") from error


def _nonce(key: bytes, bound: bytes, text: bytes) -> bytes:
    """Two texts, or one in two places, share one no more often than random ones; it tells nothing without the key."""
    own = hmac.digest(key, b"millrace/nonce", hashlib.sha256)
    return hmac.digest(own, b"%d:%b%b" % (len(bound), bound, text), hashlib.sha256)[:_NONCE]


def _cipher(key: bytes) -> "AESGCM":
    # The library takes tens of milliseconds to load, and most copies of intake never meet a protected field.
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415

    return AESGCM(key)
