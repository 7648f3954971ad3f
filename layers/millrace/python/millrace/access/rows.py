"""Keys of the Metadata items of access: credentials, and what lists those of one tenant.

- `platform#credential#<2 hex>` / SHA-256 of a key or token: whose it is, its rights, and until when.
- `<org>#key` / the same SHA-256: says that the tenant has the key, so that a list reads one partition.
- `platform#tenant` / org: a tenant, and whether it is suspended.
"""

import hashlib

from millrace.core import keys
from millrace.core.table import Item

PLATFORM = "platform"
KIND = "credential"
TENANT = "tenant"
KEY = "key"


def digest(credential: str) -> str:
    """The id of a key or token: its SHA-256, 64 hex digits."""
    return hashlib.sha256(credential.encode()).hexdigest()


def credential(of: str) -> Item:
    """Where the credential of this digest lies."""
    return _item(keys.metadata(PLATFORM, KIND, of[:2]), of)


def listed(org: str, of: str) -> Item:
    """Where it is said that the tenant has the key of this digest."""
    return _item(keys.metadata(org, KEY), of)


def tenant(org: str) -> Item:
    """Where a tenant is."""
    return _item(keys.metadata(PLATFORM, TENANT), org)


def _item(partition: str, sort: str) -> Item:
    return {"entityTypeKey": {"S": partition}, "entityId": {"S": sort}}
