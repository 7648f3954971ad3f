"""Which pages may read an answer of the open doors: those of an origin that the write key names. Errors included."""

import base64
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Protocol

from millrace.access.credentials import PREFIX, Principal
from millrace.access.recognition import from_basic
from millrace.core.errors import MillraceError

# Names of headers, as a browser lists them.
_HEADERS = re.compile(r"[a-z0-9_-]{1,64}(, ?[a-z0-9_-]{1,64}){0,31}")
_KEY = re.compile(PREFIX.encode() + rb"[A-Za-z0-9_-]{43}")


class Keys(Protocol):
    """Finds the holder of a key."""

    def find(self, key: str) -> Principal | None:
        """The principal; None for a key that is unknown, revoked or expired."""
        ...


def allowed(headers: Mapping[str, str]) -> dict[str, str]:
    """What lets the page that asks read the answer; nothing where no page asks. Header names are lower case."""
    origin = headers.get("origin")
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": origin,
        # Trackers send with credentials; there are none that this platform sets or reads.
        "access-control-allow-credentials": "true",
        "access-control-expose-headers": "ratelimit, ratelimit-policy, retry-after, x-request-id",
        "vary": "origin",
    }


def preflight(headers: Mapping[str, str]) -> dict[str, str]:
    """Lets any page ask, with the headers that it asks for: SDKs send some of their own, which nothing here reads.

    The answer is the same for all pages, because a preflight names no key.
    """
    wanted = headers.get("access-control-request-headers", "").lower()
    return {
        **allowed(headers),
        "access-control-allow-methods": "GET, POST",
        **({"access-control-allow-headers": wanted} if _HEADERS.fullmatch(wanted) else {}),
        "access-control-max-age": "7200",
    }


def readable(event: Mapping[str, Any], answer: dict[str, Any], keys: Keys) -> dict[str, Any]:
    """The answer to the gateway's event; an error is made readable for the pages of the key that the request names."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    if answer["statusCode"] < HTTPStatus.BAD_REQUEST or "origin" not in headers:
        return answer
    key = from_basic(headers.get("authorization", "")) or _key_in(event)
    try:
        principal = keys.find(key) if key else None
    except MillraceError:
        return answer
    if principal is None or headers["origin"] not in principal.origins:
        return answer
    return {**answer, "headers": {**answer["headers"], **allowed(headers)}}


def _key_in(event: Mapping[str, Any]) -> str | None:
    """The first key in the query or in the body, which may be too large, or no JSON."""
    body = (event.get("body") or "").encode("utf-8", "replace")
    if event.get("isBase64Encoded"):
        try:
            body = base64.b64decode(body)
        except ValueError:
            body = b""
    match = _KEY.search((event.get("rawQueryString") or "").encode("utf-8", "replace")) or _KEY.search(body)
    return match[0].decode() if match is not None else None
