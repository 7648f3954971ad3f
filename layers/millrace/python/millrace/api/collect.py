"""Doors that the gateway leaves open, because their clients send no bearer token: browsers, and SDKs of other systems.

A write key decides: the user of basic authentication, or a name in the body. It is a key that everybody may read, so it has
the one right to send events, and browsers may use it from the pages of its origins only.
"""

import base64
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson

from millrace.access.credentials import PUBLIC_SCOPE
from millrace.access.recognition import from_basic
from millrace.api import cross_origin
from millrace.api.cross_origin import Keys
from millrace.api.route import Call
from millrace.api.router import Function
from millrace.core import clock, exact_json, limits
from millrace.core.http import JSON, PROBLEM, Caller, Document, Problem, Request
from millrace.eventstore.append import AppendResult
from millrace.intake import answer as answers
from millrace.intake import parse
from millrace.intake.case import EventResult
from millrace.intake.parse import Candidate
from millrace.producers import segment, snowplow

# Path below /v1 → kind of message; the short ones are those of Segment's SDK for browsers.
_SEGMENT: dict[str, str | None] = {
    "batch": None,
    "b": None,
    **{kind: kind for kind in (segment.TRACK, *segment.TYPES)},
    **{kind[0]: kind for kind in (segment.TRACK, *segment.TYPES)},
}
# Of RudderStack's SDK for browsers with `useBeacon`: a beacon has no header of its own, so the key is in the query.
_BEACON = "/beacon/v1/batch"
_TRACKER = "/com.snowplowanalytics.snowplow/tp2"
# The smallest image: one transparent point.
_PIXEL = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
Take = Callable[[Request, Caller, Sequence[Candidate], datetime], list[EventResult]]


class CollectApi:
    """Answers the open doors."""

    def __init__(self, take: Take, keys: Keys) -> None:
        """`take` accepts the events of a request, as `PostApi.take`."""
        self._take, self._keys = take, keys

    def functions(self) -> dict[str, Function]:
        """By route."""
        doors: dict[str, Function] = {
            "POST /v1/collect": self.collect,
            **{f"POST /v1/{path}": partial(self.segment, kind) for path, kind in _SEGMENT.items()},
            f"POST {_BEACON}": partial(self.segment, None),
            f"POST {_TRACKER}": self.snowplow,
        }
        preflights = {f"OPTIONS {route.split()[1]}": self.preflight for route in doors}
        return {**doors, **preflights, "GET /i": self.pixel}

    def preflight(self, call: Call) -> Document:
        """Lets a page ask; whether it may send is decided when it does."""
        return Document(b"", JSON, HTTPStatus.NO_CONTENT, cross_origin.preflight(call.request.headers))

    def collect(self, call: Call) -> Document:
        """Events of ours from a browser, in the form of `POST /v1/events`: `{"writeKey", "events"}`, also as text.

        An event that is sound is answered as `accepted`, whether it is taken, a duplicate, or not taken because of its person.

        Raises:
            Problem: the body cannot be read, the key or the page may not send, or the tenant sends too many.
        """
        request = call.request
        body, is_long = read_json(request)
        if not isinstance(body, dict) or not isinstance(body.get("events"), list) or not body["events"]:
            raise Problem(HTTPStatus.BAD_REQUEST, 'send {"writeKey": "mk_…", "events": […]}')
        caller = self.caller(request, body.get("writeKey"))
        events = parse.of_items(body["events"], is_long=is_long)
        # Everybody may have the key: nobody learns from an answer who was erased, or has agreed to what.
        results = answers.neutral(self._take(request, caller, events, clock.now()))
        return Document(
            answers.body(results), JSON, answers.status(results), cross_origin.allowed(request.headers)
        )

    def segment(self, kind: str | None, call: Call) -> Document:
        """One message of Segment's or RudderStack's SDKs, or a batch of them where the path does not say its kind.

        What is refused is in quarantine, and no SDK is asked to send it once more.

        Raises:
            Problem: as for `collect`; 503 where an event could not be stored now, and the SDK sends all of them again.
        """
        request = call.request
        body, is_long = read_json(request)
        messages = [body] if kind is not None else body.get("batch") if isinstance(body, dict) else None
        if not isinstance(body, dict) or not isinstance(messages, list):
            raise Problem(HTTPStatus.BAD_REQUEST, "send a message as an object, or a batch of them")
        key = body.get("writeKey") or request.query.get("writeKey")
        caller, received_at = self.caller(request, key), clock.now()
        events = segment.candidates(parse.of_items(messages, is_long=is_long), kind, body, received_at)
        _check_stored(self._take(request, caller, events, received_at))
        return Document({"success": True}, JSON, HTTPStatus.OK, cross_origin.allowed(request.headers))

    def snowplow(self, call: Call) -> Document:
        """Payloads of Snowplow's trackers, whose application is the write key.

        Raises:
            Problem: as for `segment`.
        """
        body, is_long = read_json(call.request)
        payloads = body.get("data") if isinstance(body, dict) else None
        if not isinstance(payloads, list) or not payloads:
            raise Problem(HTTPStatus.BAD_REQUEST, 'send payload_data: {"schema": "iglu:…", "data": […]}')
        self._tracked(call.request, parse.of_items(payloads, is_long=is_long))
        return Document(b"ok", "text/plain", HTTPStatus.OK, cross_origin.allowed(call.request.headers))

    def pixel(self, call: Call) -> Document:
        """One payload of a tracker as a query; the answer is an image, because pages load it as one.

        Raises:
            Problem: as for `segment`.
        """
        self._tracked(call.request, [Candidate(0, dict(call.request.query))])
        return Document(
            _PIXEL,
            "image/gif",
            HTTPStatus.OK,
            {**cross_origin.allowed(call.request.headers), "cache-control": "no-store"},
        )

    def _tracked(self, request: Request, payloads: list[Candidate]) -> None:
        first, received_at = payloads[0].event, clock.now()
        caller = self.caller(request, first.get(snowplow.APPLICATION) if isinstance(first, dict) else None)
        _check_stored(self._take(request, caller, snowplow.candidates(payloads, received_at), received_at))

    def caller(self, request: Request, in_body: Any = None) -> Caller:
        """Who sends, by the write key in basic authentication or in the body.

        Raises:
            Problem: 401, there is no key or it is not known; 403, it is not a public key, or the page is none of its origins.
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
        return Caller(principal.org, principal.name, frozenset(principal.scopes), id=principal.id)


def read_json(request: Request) -> tuple[Any, bool]:
    """The body as JSON, whatever it says it is, and whether it may hold integers beyond 64 bits.

    Raises:
        Problem: 413, it is too large; 415, its encoding is none we read; 400, it is not JSON.
    """
    from_page = "origin" in request.headers
    most = limits.BYTES_PER_PAGE_REQUEST if from_page else limits.BYTES_PER_REQUEST
    body = parse.body_of(request.body, request.headers, most)
    try:
        return exact_json.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, f"the body is not JSON: {error.msg}") from error


def with_code(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer whose error has `code` and `message` besides, as Segment's servers write it.

    Segment's and RudderStack's SDKs for Python read these two; without them they take a refusal for a fault and send
    the same batch for many minutes.
    """
    if answer["headers"].get("content-type") != PROBLEM:
        return answer
    body = orjson.loads(answer["body"])
    code = body["title"].lower().replace(" ", "_")
    return {**answer, "body": orjson.dumps({**body, "code": code, "message": body["detail"]}).decode()}


def _check_stored(results: Sequence[EventResult]) -> None:
    if any(result.outcome is AppendResult.UNAVAILABLE for result in results):
        detail = "not every event could be stored now: send all of them again"
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"retry-after": "1"})
