"""CloudEvents 1.0 over HTTP, structured, batched and binary, as events of ours.

| CloudEvents | becomes |
|---|---|
| `id`, `type`, `source`, `time` | `eventId`, `eventType`, `eventSource`, `timestamp` |
| `correlationid`, `userid`, `sessionid`, `environment`, `region` | the field of the envelope |
| `dataschema` that ends in a version, such as `…/order.created/1.2.0` | `version` |
| `data`, `data_base64` | the whole of `data` if it has a `payload`, else `data.payload` |
| any other attribute, `subject` among them | `data.metadata`, by its name |

Nothing is made up: an event without a time is refused, because a second delivery could not have the same one.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import orjson

from millrace.contracts.errors import FieldError
from millrace.core import exact_json
from millrace.intake import parse
from millrace.intake.parse import Candidate

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
SPECVERSION = "1.0"
_HEADER = "ce-"
_ENVELOPE = {
    "id": "eventId",
    "type": "eventType",
    "source": "eventSource",
    "time": "timestamp",
    "correlationid": "correlationId",
    "userid": "userId",
    "sessionid": "sessionId",
    "environment": "environment",
    "region": "region",
}
# What says how the event is written, and so is used up by reading it.
_OF_THE_FORM = frozenset({"specversion", "datacontenttype", "data", "data_base64"})
# What the specification wants as texts; what it does not know may be a number or a truth value.
_TEXTS = ("id", "source", "type", "time", "subject", "dataschema")
_VERSION = re.compile(r"(?:.*[/:#])?v?([0-9]+(?:\.[0-9]+){0,2})")


def is_cloudevent(headers: Mapping[str, str], media_type: str) -> bool:
    """Whether a request holds CloudEvents, by its content type or by the headers of the binary form."""
    return media_type in (STRUCTURED, BATCH) or "ce-specversion" in headers


def candidates(body: bytes, headers: Mapping[str, str], media_type: str) -> list[Candidate]:
    """The events of a request; `headers` in lower case.

    Raises:
        Problem: 400 nothing in it, 413 more events than the limit.
    """
    if media_type in (STRUCTURED, BATCH):
        return [_mapped(candidate) for candidate in parse.candidates(body, parse.JSON)]
    return [_binary(body, headers)]


def _binary(body: bytes, headers: Mapping[str, str]) -> Candidate:
    attributes = {
        name.removeprefix(_HEADER): value for name, value in headers.items() if name.startswith(_HEADER)
    }
    sent: dict[str, Any] = {name: _decoded(value) for name, value in attributes.items()}
    if unread := sorted(name for name, value in sent.items() if value is None):
        # As they came, so that what is kept of it is what was sent.
        kept = {name: value.encode("utf-8", "replace").decode() for name, value in attributes.items()}
        error = FieldError(f"/{unread[0]}", "malformed", "is not text in UTF-8, percent-encoded")
        return Candidate(0, kept, raw=body or None, error=error)
    sent["datacontenttype"] = headers.get("content-type", "")
    if not body or not _is_json(sent["datacontenttype"]):
        return replace(_mapped(Candidate(0, sent)), raw=body or None)
    data = parse.parse_one(0, body)
    if data.event is None and data.error is not None:
        return replace(_mapped(Candidate(0, sent)), raw=body, error=data.error)
    return _mapped(parse.exact(Candidate(0, {**sent, "data": data.event})))


def _decoded(value: str) -> str | None:
    """The text of a header's percent-encoding; None where that is not UTF-8, or half a surrogate pair, which no JSON can hold."""
    try:
        return unquote(value, errors="strict").encode().decode()
    except UnicodeError:
        return None


def _mapped(candidate: Candidate) -> Candidate:
    """The event as ours; one that was refused while it was read stays as it came."""
    sent = candidate.event
    if candidate.error is not None or not isinstance(sent, dict):
        return candidate
    problem = _problem(sent)
    if problem is not None:
        return replace(candidate, error=problem)
    data, problem = _data(sent)
    event: dict[str, Any] = {}
    metadata: dict[str, Any] = {}
    for name, value in sent.items():
        if name in _ENVELOPE:
            event[_ENVELOPE[name]] = _text(value)
        elif name == "dataschema" and value.__class__ is str and (version := _VERSION.fullmatch(value)):
            event["version"] = version[1]
        elif name not in _OF_THE_FORM and value is not None:
            metadata[name] = value
    if isinstance(data, dict) and isinstance(data.get("payload"), dict):
        own = data.get("metadata")
        event["data"] = {**data, "metadata": {**metadata, **own}} if isinstance(own, dict) else data
        if metadata and own is None:
            event["data"] = {**data, "metadata": metadata}
    else:
        event["data"] = {"payload": data, "metadata": metadata} if metadata else {"payload": data}
    return replace(candidate, event=event, raw=None, error=problem)


def _problem(sent: Mapping[str, Any]) -> FieldError | None:
    """Why this is not a CloudEvent with JSON in it."""
    if "specversion" not in sent:
        return FieldError("/specversion", "missing", "is required")
    if sent["specversion"] != SPECVERSION:
        return FieldError("/specversion", "enum", f"must be {SPECVERSION}")
    for name in _TEXTS:
        if sent.get(name) is not None and not isinstance(sent[name], str):
            return FieldError(f"/{name}", "type", "must be a text")
    if sent.get("data") is not None and sent.get("data_base64") is not None:
        return FieldError("/data_base64", "malformed", "stands beside data; an event has one of them")
    kind = sent.get("datacontenttype")
    if kind is not None and not _is_json(kind):
        return FieldError("/datacontenttype", "format", "must be JSON, such as application/json")
    return None


def _is_json(kind: Any) -> bool:
    if not isinstance(kind, str):
        return False
    media_type = kind.partition(";")[0].strip().lower()
    return media_type == parse.JSON or media_type.endswith("+json")


def _data(sent: Mapping[str, Any]) -> tuple[Any, FieldError | None]:
    """The event's data, and what is wrong with it; JSON in base64 is read as JSON."""
    encoded = sent.get("data_base64")
    if encoded is None:
        return sent.get("data"), None
    try:
        data, is_long = exact_json.loads(base64.b64decode(encoded, validate=True))
    except (orjson.JSONDecodeError, ValueError, TypeError):
        return encoded, FieldError("/data_base64", "malformed", "is not JSON in base64")
    return data, FieldError("/data_base64", "malformed", exact_json.TOO_LONG) if is_long else None


def _text(value: Any) -> Any:
    """An attribute of the envelope, which is text there; CloudEvents also has numbers and truth values."""
    return orjson.dumps(value).decode() if isinstance(value, (bool, int)) else value
