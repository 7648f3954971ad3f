"""One-way tokens: what stands in an event in place of a protected value.

A token is an HMAC of the value under a key of the tenant: the same value has the same token in every field and event of a
tenant, so tokens join and group; of another tenant's it says nothing, and nobody gets a value back from one.
"""

import base64
import hashlib
import hmac
import re

_PREFIX = "tk_"
_BYTES = 16
_TOKEN = re.compile("tk_[A-Za-z0-9_-]{22}")
# What stands in place of a restricted value: it says that there is one.
SEALED = "sealed"


def token(key: bytes, value: str) -> str:
    """`tk_` and 22 characters of base64url.

    Args:
        key: the tenant's, 32 bytes.
        value: as the event says it.
    """
    return _PREFIX + short_digest(key, value)


def short_digest(key: bytes, text: str) -> str:
    """16 bytes of the HMAC-SHA256 of a text, as 22 characters of base64url."""
    # JSON may hold half a surrogate pair, which UTF-8 cannot.
    digest = hmac.digest(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256)[:_BYTES]
    return base64.urlsafe_b64encode(digest)[:22].decode()


def is_token(text: object) -> bool:
    """Whether a value has the form of a token."""
    return isinstance(text, str) and _TOKEN.fullmatch(text) is not None
