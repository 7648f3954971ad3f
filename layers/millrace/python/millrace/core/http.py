"""API Gateway's HTTP API (payload 2.0) as a request and a response, errors as RFC 9457 problems."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson

from millrace.core import path_ids
from millrace.core import query as queries

PROBLEM = "application/problem+json"
JSON = "application/json"
_REPLACED = "\ufffd".encode()
# What a route asks for in the place of a right: any credential of ours, or a signature of AWS's.
ANY, AWS = "any", "aws"
# Of every answer. Nothing of it is kept on the way, shown in a frame, or taken for another type than it says.
SECURE: Mapping[str, str] = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "strict-transport-security": "max-age=63072000; includeSubDomains",
    "x-content-type-options": "nosniff",
}
FAULT = "a fault of ours; it is in the log under this request's id"


class Problem(Exception):  # noqa: N818  the name RFC 9457 gives it
    """An answer other than success, raised wherever it arises and mapped once at the edge."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        audited: bool = False,
        **extra: Any,
    ) -> None:
        """`audited`: the audit has a line of it already."""
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = dict(headers or {})
        self.audited = audited
        self.extra = extra


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is calling, from the authorizer."""

    org: str
    principal: str
    scopes: frozenset[str]
    # `key` or `user`; and which one: the key's digest, or the user's id.
    kind: str = "key"
    id: str = ""
    roles: frozenset[str] = frozenset()

    def require(self, scope: str) -> None:
        """Lets the call go on; every caller has `ANY`.

        Raises:
            Problem: 403, the caller is known but has no such right.
        """
        if scope != ANY and scope not in self.scopes:
            raise Problem(HTTPStatus.FORBIDDEN, f"this credential lacks the right {scope}")


@dataclass(frozen=True, slots=True)
class Request:
    """What a handler needs of one HTTP call. Header names are lower case."""

    request_id: str
    route: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    path: Mapping[str, str]
    body: bytes = field(repr=False, default=b"")
    caller: Caller | None = None
    source_ip: str = ""
    # The address that was called, as the gateway knows it: no header of the client's is in it.
    url: str = ""
    # The ARN of who signed the call, on a route that asks for that.
    aws_caller: str = ""

    @property
    def authenticated(self) -> Caller:
        """The caller of a route behind the authorizer.

        Raises:
            Problem: 401, no authorizer spoke for this call.
        """
        if self.caller is None:
            raise Problem(HTTPStatus.UNAUTHORIZED, "a credential is needed")
        return self.caller


def read_request(event: Mapping[str, Any]) -> Request:
    """Reads the event that the gateway hands to a function.

    Raises:
        Problem: 400, a body that is declared as base64 and is not, a query that cannot be read (`core.query`), or a segment of
            the path that may name several ids (`core.path_ids`).
    """
    context = event.get("requestContext", {})
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    body: str = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            raw = base64.b64decode(body, validate=True)
        except ValueError as error:  # binascii.Error, or text beyond ASCII
            raise Problem(HTTPStatus.BAD_REQUEST, "the body is not base64") from error
    else:
        # A lone surrogate cannot be encoded; it is passed on as bytes that no parser accepts, so that the caller gets an answer.
        raw = _as_sent(body.encode("utf-8", "surrogatepass"), headers)
    arrived = dict(event.get("pathParameters") or {})
    try:
        query = queries.read(event)
        "".join(arrived.values()).encode("utf-8")
        path = {name: path_ids.read(segment) for name, segment in arrived.items()}
    except UnicodeError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, "the path is not UTF-8") from error
    except ValueError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
    return Request(
        request_id=str(context.get("requestId", "")),
        route=str(event.get("routeKey", "")),
        headers=headers,
        query=query,
        path=path,
        body=raw,
        caller=_caller(context.get("authorizer") or {}),
        source_ip=str(context.get("http", {}).get("sourceIp", "")),
        url=_url(event, context),
        aws_caller=str(((context.get("authorizer") or {}).get("iam") or {}).get("userArn") or ""),
    )


def _url(event: Mapping[str, Any], context: Mapping[str, Any]) -> str:
    query = event.get("rawQueryString") or ""
    return f"https://{context.get('domainName', '')}{event.get('rawPath') or ''}{query and f'?{query}'}"


def _as_sent(raw: bytes, headers: Mapping[str, str]) -> bytes:
    """The bytes of a body that the gateway hands over as text.

    It replaces bytes that are not UTF-8 by U+FFFD, which a parser would accept. If the client's content-length shows that
    it did, each U+FFFD becomes a byte that no parser accepts.
    """
    length = headers.get("content-length", "")
    if _REPLACED in raw and length.isascii() and length.isdigit() and int(length[:20]) != len(raw):
        return raw.replace(_REPLACED, b"\xff")
    return raw


def _caller(authorizer: Mapping[str, Any]) -> Caller | None:
    context = authorizer.get("lambda") or {}
    if not context.get("org"):
        return None
    return Caller(
        org=str(context["org"]),
        principal=str(context.get("principal", "")),
        scopes=_words(context.get("scopes")),
        kind=str(context.get("kind") or "key"),
        id=str(context.get("id") or ""),
        roles=_words(context.get("roles")),
    )


def _words(text: object) -> frozenset[str]:
    return frozenset(str(text or "").split())


@dataclass(frozen=True, slots=True)
class Document:
    """A successful answer whose media type is not plain JSON; `payload` as bytes passes as it is."""

    payload: object
    content_type: str
    status: int = HTTPStatus.OK
    headers: Mapping[str, str] = field(default_factory=dict)


def answer(
    request_id: str,
    payload: object,
    *,
    status: int = HTTPStatus.OK,
    content_type: str = JSON,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """A response with a JSON body (bytes pass as they are, an image as base64) and the request's id."""
    body = payload if isinstance(payload, bytes) else orjson.dumps(payload)
    made: dict[str, Any] = {
        "statusCode": int(status),
        "headers": {**SECURE, "content-type": content_type, "x-request-id": request_id, **(headers or {})},
    }
    if content_type.startswith("image/"):
        return {**made, "body": base64.b64encode(body).decode(), "isBase64Encoded": True}
    return {**made, "body": body.decode("utf-8")}


def problem_answer(request_id: str, problem: Problem) -> dict[str, Any]:
    """The RFC 9457 form of a problem; `type` stays about:blank, so `title` is the status's own phrase."""
    payload = {
        "type": "about:blank",
        "title": HTTPStatus(problem.status).phrase,
        "status": int(problem.status),
        "detail": problem.detail,
        **problem.extra,
    }
    return answer(request_id, payload, status=problem.status, content_type=PROBLEM, headers=problem.headers)
