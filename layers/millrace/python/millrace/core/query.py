"""The query of a URL, read strictly: each parameter once, with a value, percent-encoded UTF-8.

The key of an aggregate (`by.merchant`) may be empty: it asks for events without one.

The gateway's own reading joins a parameter that is given twice with a comma, and replaces what it cannot decode.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_to_bytes

from millrace.core.limits import Limit

# The gateway takes 10,240 bytes of request line and headers together.
LONGEST = 8192
LIMITS = (Limit("a query parameter", f"{LONGEST:,} characters", "400"),)
BY = "by."
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SHOWN = 60


def read(event: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of the event that the gateway hands to a function.

    Raises:
        ValueError: a parameter is given twice, has no value, is too long, or is badly encoded.
    """
    raw = event.get("rawQueryString")
    pairs = _pairs(raw) if raw else (event.get("queryStringParameters") or {}).items()
    return _once(pairs)


def _pairs(raw: str) -> Iterable[tuple[str, str]]:
    for piece in raw.split("&"):
        if piece:
            name, _, value = piece.partition("=")
            yield _decoded(name), _decoded(value)


def _decoded(text: str) -> str:
    if _BAD_ESCAPE.search(text):
        raise ValueError("the query is not percent-encoded: % stands before two hex digits")
    try:
        # As forms are written, a plus sign is a space.
        return unquote_to_bytes(text.replace("+", " ").encode("utf-8")).decode("utf-8")
    except UnicodeError as error:
        raise ValueError("the query is not UTF-8") from error


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    query: dict[str, str] = {}
    for name, value in pairs:
        if name in query:
            raise ValueError(f"the parameter {name[:_SHOWN]!r} is given twice")
        if not value and not name.startswith(BY):
            raise ValueError(f"the parameter {name[:_SHOWN]!r} has no value")
        if len(value) > LONGEST:
            raise ValueError(f"the parameter {name[:_SHOWN]!r} is too long")
        try:
            (name + value).encode("utf-8")
        except UnicodeError as error:
            raise ValueError("the query is not UTF-8") from error
        query[name] = value
    return query
