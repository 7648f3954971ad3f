"""Lines of a tenant's audit in Metadata: who changed what, `org#audit#<day>` / `<moment>#<name>`."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

import orjson

from millrace.core import clock, keys
from millrace.core.table import Item

# Of one value, such as a patch.
MOST_BYTES = 64 * 1024


def item(
    org: str, action: str, principal: str, detail: Mapping[str, Any], at: datetime, name: str = ""
) -> Item:
    """The row of a line.

    Args:
        org: whose audit it is.
        action: such as `quarantine.replay`.
        principal: who did it.
        detail: JSON; a value beyond 64 KB is kept as its size and hash.
        at: when.
        name: of the line within its moment, such as a request's id; the same name replaces the line. New if empty.
    """
    moment = clock.utc_text(at)
    return {
        "entityTypeKey": {"S": keys.metadata(org, "audit", moment[:10])},
        "entityId": {"S": keys.join(moment, name or uuid4().hex)},
        "action": {"S": action},
        "principal": {"S": principal},
        "detail": {"S": orjson.dumps({key: _bounded(value) for key, value in detail.items()}).decode()},
    }


def _bounded(value: Any) -> Any:
    text = orjson.dumps(value)
    if len(text) <= MOST_BYTES:
        return value
    return {"bytes": len(text), "sha256": hashlib.sha256(text).hexdigest()}
