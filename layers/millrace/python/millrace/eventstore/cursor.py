"""Cursors of lists: opaque, tied to tenant and query, holding no key that could reach elsewhere."""

import base64
import binascii
import hashlib
from collections.abc import Mapping

import orjson


class BadCursorError(ValueError):
    """The cursor was not made for this tenant and query."""


def encode(org: str, query: Mapping[str, object], position: str) -> str:
    """A cursor that continues this query after `position`."""
    return base64.urlsafe_b64encode(orjson.dumps([_digest(org, query), position])).decode().rstrip("=")


def decode(org: str, query: Mapping[str, object], cursor: str) -> str:
    """The position of a cursor.

    Raises:
        BadCursorError: it is broken, or of another tenant or query.
    """
    try:
        digest, position = orjson.loads(
            base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        )
    except (ValueError, TypeError, binascii.Error) as error:
        raise BadCursorError("the cursor cannot be read") from error
    if digest != _digest(org, query) or not isinstance(position, str):
        raise BadCursorError("the cursor is not of this query")
    return position


def _digest(org: str, query: Mapping[str, object]) -> str:
    return hashlib.sha256(orjson.dumps([org, dict(query)], option=orjson.OPT_SORT_KEYS)).hexdigest()[:16]
