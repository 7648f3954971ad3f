"""Strategies for requests to post_events: events that are nearly right, any JSON, any bytes, any headers."""

import base64
import copy
import gzip
import json
import string
from datetime import UTC, datetime
from functools import cache
from typing import Any

from hypothesis import strategies as st

from millrace.compiler import samples
from millrace.contracts import registry
from tests.support import generate
from tests.support.contracts import FILES

NOW = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
# What has broken parsers and stores before: numbers at the edges, text that is none, keys that mean something elsewhere.
STRANGE: tuple[Any, ...] = (
    None, True, 0, -0.0, -1, 1.5, 1e308, 5e-324, 0.00001, 2**53, 2**63 - 1, 2**63, 2**64, -(2**63) - 1, 10**400,
    float("nan"), float("inf"), "", " ", "\x00", "a\nb", "\u202eabc", "\ud800", "ﬃ", "😀" * 70, "#", "%23", "session:x",
    "x" * 257, "x" * 300_000, "1.0.0", "1", "9" * 30, "2026-11-21T24:00:00Z", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "1000-01-01T00:00:00+14:00", "2026-02-30T00:00:00Z", "2016-12-31T23:59:60Z", NOW, [],
    [[]], [None], {}, {"": ""}, {"__proto__": 1}, {"a/b~c": {"": 0}}, [0] * 3000, {"S": "x"}, {"$ref": "#"},
)  # fmt: skip
ENVELOPE = (
    "timestamp",
    "timestamp",
    "eventId",
    "eventType",
    "version",
    "userId",
    "correlationId",
    "sessionId",
    "data",
)
CONTENT_TYPES = (
    "application/json", "application/json", "application/json", "application/json; charset=utf-8", "APPLICATION/JSON",
    "application/x-ndjson", "application/x-ndjson", "application/x-ndjson;charset=x", "text/plain", "", ";", "application/",
    "application/json\x00", "é/😀",
)  # fmt: skip
ENCODINGS = ("identity", "", "gzip", "gzip", " GZIP ", "br", "gzip, gzip", "deflate", "\x00")
NUMBERS = st.integers(1, 10**6)


@cache
def seeds(kind: str) -> tuple[Any, ...]:
    """The golden or the broken samples of every contract; the golden ones with a moment that is in range."""
    if kind == "golden":
        return tuple({**event, "timestamp": NOW} for path in FILES for event in samples.golden(path))
    return tuple(sample.event for path in FILES for sample in samples.broken(path))


JSON = st.recursive(
    st.sampled_from(STRANGE) | st.integers() | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def events(draw: st.DrawFn) -> Any:
    """A sample or a generated event, changed in up to three places."""
    if _one_in(draw, 20):
        contracts = registry.load().contracts
        event = draw(generate.events(draw(st.sampled_from(contracts))))
    else:
        event = copy.deepcopy(draw(st.sampled_from(seeds("broken" if _one_in(draw, 6) else "golden"))))
    if not _one_in(draw, 5):
        # New to the table, most of the time.
        event["eventId"] = str(draw(st.uuids(version=4)))
    if _one_in(draw, 30):
        name = draw(st.sampled_from(ENVELOPE))
        event[name] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
    for _ in range(draw(st.sampled_from((0, 0, 0, 0, 1, 1, 2, 3)))):
        event = _changed(draw, event)
    return event


def _one_in(draw: st.DrawFn, number: int) -> bool:
    # Not `integers`, which is drawn to its ends.
    return draw(st.sampled_from((False,) * (number - 1) + (True,)))


def _changed(draw: st.DrawFn, event: Any) -> Any:
    places = list(_places(event))
    if not places:
        return copy.deepcopy(draw(JSON))
    holder, key = draw(st.sampled_from(places))
    match draw(st.sampled_from(("value", "value", "strange", "delete", "add", "copy"))):
        case "value":
            holder[key] = copy.deepcopy(draw(JSON))
        case "strange":
            holder[key] = copy.deepcopy(draw(st.sampled_from(STRANGE)))
        case "delete":
            del holder[key]
        case "add" if isinstance(holder, dict):
            holder[
                draw(
                    st.sampled_from(("userId", "orgId", "platform", "version", "data")) | st.text(max_size=4)
                )
            ] = draw(JSON)
        case _:
            other, name = draw(st.sampled_from(places))
            holder[key] = copy.deepcopy(other[name])
    return event


def _places(value: Any) -> list[tuple[Any, Any]]:
    places: list[tuple[Any, Any]] = []
    stack = [value]
    while stack and len(places) < 200:
        holder = stack.pop()
        if isinstance(holder, dict):
            places += [(holder, key) for key in holder]
            stack += list(holder.values())
        elif isinstance(holder, list):
            places += [(holder, index) for index in range(min(len(holder), 5))]
            stack += holder[:5]
    return places


@st.composite
def bodies(draw: st.DrawFn) -> bytes:
    """Bytes of a body, before any compression."""
    kind = draw(
        st.sampled_from(
            ("array",) * 6 + ("object",) * 3 + ("lines",) * 4 + ("json", "bytes", "deep", "twice")
        )
    )
    if kind == "bytes":
        return draw(st.binary(max_size=60) | st.text(string.printable, max_size=60).map(str.encode))
    if kind == "deep":
        depth = draw(st.sampled_from((100, 249, 251, 300, 1023, 1025, 5000)))
        inner = b"[" * depth + b"]" * depth
        return b'{"eventId":"x","data":{"payload":{"a":' + inner + b"}}}" if draw(st.booleans()) else inner
    if kind == "json":
        made = [_bytes(draw, draw(JSON))]
    elif kind == "object":
        made = [_bytes(draw, draw(events()))]
    else:
        sent = draw(st.lists(events(), min_size=0, max_size=4))
        if sent and kind == "twice":
            sent = [*sent, *copy.deepcopy(sent)]
        made = [_bytes(draw, event) for event in sent]
        if kind != "lines":
            made = [b"[" + b",".join(made) + b"]"]
        elif _one_in(draw, 5):
            made.append(draw(st.sampled_from((b"", b" ", b"\r", b"{", b"nul", b"\xff", b"[1]"))))
    body = draw(st.sampled_from((b"\n", b"\n", b"\r\n", b"\n\n"))).join(made)
    for _ in range(draw(st.sampled_from((0,) * 10 + (1, 2)))):
        at = draw(st.integers(0, len(body)))
        body = body[:at] + draw(st.binary(max_size=3)) + body[at + draw(st.integers(0, 3)) :]
    return body


def _bytes(draw: st.DrawFn, value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return text.encode("utf-8", draw(st.sampled_from(("surrogatepass", "replace"))))


@st.composite
def requests(draw: st.DrawFn) -> dict[str, Any]:
    """An event of the gateway, most of them from a caller who may post."""
    body = draw(bodies())
    encoding = draw(st.sampled_from((None,) * 40 + ENCODINGS))
    if encoding is not None and "gzip" in encoding.lower() and not _one_in(draw, 10):
        body = gzip.compress(body, 1, mtime=0)
        cut = draw(st.sampled_from((0, 0, 0, 0, 1, 8, 12)))
        body = body[: len(body) - cut] if cut else body
        body += draw(st.sampled_from((b"", b"", b"", b"rest", body)))
    lines = body.startswith((b"{", b'"')) and b"\n" in body
    chosen = (
        st.sampled_from(CONTENT_TYPES)
        if draw(st.integers(0, 4)) == 0
        else st.just(CONTENT_TYPES[5 if lines else 0])
    )
    given = {
        "content-type": draw(chosen),
        "Content-Encoding": encoding,
        "user-agent": draw(st.sampled_from(STRANGE[17:30])),
    }
    headers = {name: value for name, value in given.items() if value is not None and not _one_in(draw, 30)}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "POST /v1/events",
        "headers": headers,
        "requestContext": {
            "requestId": draw(st.sampled_from((f"r-{draw(NUMBERS)}",) * 6 + ("same", "", "a/b#c%😀" * 20))),
            "authorizer": {"lambda": draw(st.sampled_from((CALLER,) * 60 + STRANGERS))},
            "http": {"sourceIp": draw(st.sampled_from(("203.0.113.7", "", "2001:db8::1")))},
        },
        "isBase64Encoded": True,
        "body": base64.b64encode(body).decode(),
    }
    match draw(st.sampled_from(range(40, -1, -1))):
        case 0:
            event["body"] = draw(st.text(max_size=20))
        case 1:
            event["body"], event["isBase64Encoded"] = body.decode("utf-8", "surrogateescape"), False
        case 2:
            del event["body"]
        case 3:
            del event["headers"]
        case 4:
            event["headers"] = None
    return event


CALLER: dict[str, Any] = {"org": "org_acme", "principal": "shop", "scopes": "events:write events:read"}
STRANGERS: tuple[Any, ...] = (
    None,
    {},
    {"org": ""},
    {**CALLER, "scopes": "events:read"},
    {"org": "org_globex", "scopes": "events:write"},
    {**CALLER, "org": "org#%😀", "principal": "x" * 300},
)
