"""Doors that the gateway leaves open, because their clients send no bearer token: browsers, and SDKs of other systems.

A write key decides: the user of basic authentication, or a name in the body. It is a key that everybody may read, so it has
the one right to send events, and browsers may use it from the pages of its origins only.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any, Protocol

import orjson

from millrace.access.credentials import PUBLIC_SCOPE, Principal, from_basic
from millrace.api.route import Call
from millrace.api.router import Function
from millrace.core import clock, exact_json, limits
from millrace.core.http import JSON, Caller, Document, Problem, Request
from millrace.intake import answer as answers
from millrace.intake import parse
from millrace.intake.accept import EventResult
from millrace.intake.parse import Candidate

Take = Callable[[Request, Caller, Sequence[Candidate], datetime], list[EventResult]]
# What scripts of a page may send. The answer to a preflight is the same for all: it names no key.
_PREFLIGHT = {
    "access-control-allow-methods": "GET, POST",
    "access-control-allow-headers": "anonymousid, authorization, content-encoding, content-type, sp-anonymous",
    "access-control-max-age": "7200",
}


class Keys(Protocol):
    """Finds the holder of a key."""

    def find(self, key: str) -> Principal | None:
        """The principal; None for a key that is unknown, revoked or expired."""
        ...


class CollectApi:
    """Answers the open doors."""

    def __init__(self, take: Take, keys: Keys) -> None:
        """`take` accepts the events of a request, as `PostApi.take`."""
        self._take, self._keys = take, keys

    def functions(self) -> dict[str, Function]:
        """By route."""
        doors: dict[str, Function] = {"POST /v1/collect": self.collect}
        preflights = {f"OPTIONS {route.split()[1]}": self.preflight for route in doors}
        return {**doors, **preflights}

    def preflight(self, call: Call) -> Document:
        """Lets a page ask; whether it may send is decided when it does."""
        return Document(b"", JSON, HTTPStatus.NO_CONTENT, {**_allowed(call.request), **_PREFLIGHT})

    def collect(self, call: Call) -> Document:
        """Events of ours from a browser, as `POST /v1/events` answers them: `{"writeKey", "events"}`, also as text.

        Raises:
            Problem: the body cannot be read, the key or the page may not send, or the tenant sends too many.
        """
        request = call.request
        body, is_long = read_json(request)
        if not isinstance(body, dict) or not isinstance(body.get("events"), list) or not body["events"]:
            raise Problem(HTTPStatus.BAD_REQUEST, 'send {"writeKey": "mk_…", "events": […]}')
        caller = self.caller(request, body.get("writeKey"))
        events = parse.of_items(body["events"], is_long=is_long)
        results = self._take(request, caller, events, clock.now())
        return Document(answers.body(results), JSON, answers.status(results), _allowed(request))

    def caller(self, request: Request, in_body: Any = None) -> Caller:
        """Who sends, by the write key in basic authentication or in the body.

        Raises:
            Problem: 401, there is no key or it is not known; 403, it is no public key, or the page is none of its origins.
        """
        key = from_basic(request.headers.get("authorization", "")) or in_body
        principal = self._keys.find(key) if isinstance(key, str) else None
        if principal is None:
            raise Problem(
                HTTPStatus.UNAUTHORIZED, "a write key is needed, and this request has none that is known"
            )
        if principal.scopes != (PUBLIC_SCOPE,):
            raise Problem(HTTPStatus.FORBIDDEN, f"a write key has the scope {PUBLIC_SCOPE} and no other")
        origin = request.headers.get("origin")
        if origin is not None and origin not in principal.origins:
            raise Problem(HTTPStatus.FORBIDDEN, "this write key takes no events from pages of this origin")
        return Caller(principal.org, principal.name, frozenset(principal.scopes))


def read_json(request: Request) -> tuple[Any, bool]:
    """The body as JSON, whatever it says it is, and whether it may hold integers beyond 64 bits.

    Raises:
        Problem: 413, it is too large; 415, its encoding is none we read; 400, it is no JSON.
    """
    body = parse.body_of(request.body, request.headers, limits.BYTES_PER_PUBLIC_REQUEST)
    try:
        return exact_json.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is no JSON: {error.msg}") from error


def _allowed(request: Request) -> Mapping[str, str]:
    """What lets a page read the answer; nothing where no page asks."""
    origin = request.headers.get("origin")
    if origin is None:
        return {}
    return {
        "access-control-allow-origin": origin,
        # Trackers send with credentials; there are none that this platform sets or reads.
        "access-control-allow-credentials": "true",
        "vary": "origin",
    }
