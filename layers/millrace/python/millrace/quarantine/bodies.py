"""What was refused, as it lies in the lake: encrypted before it is sent there, for it may hold any personal value in any place."""

import base64
from collections.abc import Mapping
from typing import Any, Protocol

from millrace.core.errors import PermanentError
from millrace.quarantine.entry import QuarantineEntry


class Box(Protocol):
    """Encrypts under a key of a tenant (`millrace.privacy.tenant_box.TenantBox`)."""

    def seal(self, org: str, place: str, text: bytes) -> bytes:
        """The text for this place, or RetryableError."""
        ...

    def unseal(self, org: str, place: str, sealed: bytes) -> bytes:
        """The text of this place; PermanentError for what was not sealed for it; or RetryableError."""
        ...

    def mention(self, org: str, user: str) -> str:
        """What stands in a table for a user, the same for the same one; or RetryableError."""
        ...


def sealed(entry: QuarantineEntry, org: str, box: Box) -> dict[str, Any]:
    """The part of an object that holds one event's bytes.

    Raises:
        RetryableError: the tenant's key could not be had.
    """
    texts = {"raw": entry.raw, **({} if entry.sent is None else {"sent": entry.sent})}
    return {
        name: base64.b64encode(box.seal(org, _place(entry.quarantine_id, name), text)).decode()
        for name, text in texts.items()
    }


def opened(kept: Mapping[str, Any], org: str, box: Box) -> tuple[bytes, bytes | None] | None:
    """`raw` and `sent` of an object's entry; None where nobody can read them (any more).

    Entries of earlier versions have them in clear.

    Raises:
        RetryableError: the tenant's key could not be had.
    """
    if "sealed" not in kept:
        sent = kept.get("sent")
        return base64.b64decode(kept["raw"]), None if sent is None else sent.encode()
    try:
        found = {
            name: box.unseal(org, _place(kept["quarantineId"], name), base64.b64decode(text))
            for name, text in kept["sealed"].items()
        }
    except PermanentError:
        return None
    return found["raw"], found.get("sent")


def _place(identifier: str, name: str) -> str:
    return f"{identifier}/{name}"
