"""The secrets of a tenant: one key that KMS wraps, and from it a key for each use."""

import hashlib
import hmac
from dataclasses import dataclass, field

from millrace.eventstore.tenant_key import TenantKeys

USE = "privacy-key"
# A key is unwrapped once per warm function and so many seconds: KMS decides again whether it may be used.
SECONDS = 300.0
# Tenants whose key a warm function remembers, each in some 300 bytes.
TENANTS = 1_000


@dataclass(frozen=True, slots=True)
class TenantSecrets:
    """Keys of one tenant, 32 bytes each.

    Attributes:
        lookup: finds people by their names.
        token: makes tokens.
        wrap: wraps the keys of people.
        quarantine: seals refused events.
        mention: finds refused events by whom they name.
    """

    lookup: bytes = field(repr=False)
    token: bytes = field(repr=False)
    wrap: bytes = field(repr=False)
    quarantine: bytes = field(repr=False)
    mention: bytes = field(repr=False)


def secrets(keys: TenantKeys, org: str) -> TenantSecrets:
    """The secrets of a tenant.

    Args:
        keys: of tenants, wrapped for the use `privacy-key`.
        org: the tenant.

    Raises:
        RetryableError: the key could not be read or unwrapped.
    """
    key = keys.key(org)
    return TenantSecrets(*(_of(key, use) for use in ("lookup", "token", "wrap", "quarantine", "mention")))


def _of(key: bytes, use: str) -> bytes:
    return hmac.digest(key, f"millrace/{use}".encode(), hashlib.sha256)
