"""From the bytes of a request to one candidate per event, without judging what an event says."""

import io
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import orjson

from millrace.contracts import pointers
from millrace.contracts.validator import FieldError
from millrace.core import exact_json, limits
from millrace.core.http import Problem
from millrace.intake import array

JSON = "application/json"
NDJSON = "application/x-ndjson"
LINES = frozenset({NDJSON, "application/ndjson", "application/jsonl"})
# RFC 7464: a record separator before each text, in place of a line's end behind it.
SEQUENCE = "application/json-seq"
# The JSON form of Protocol Buffers, as IANA has registered it.
PROTOBUF = "application/protobuf+json"
# Each member is a copy of what is left; nobody who writes a file needs more than a few.
GZIP_MEMBERS = 256
# What JSON knows as white space; bytes.strip would take more away than stands around an event sent alone.
_SPACE = b" \t\r\n"


@dataclass(slots=True)
class Candidate:
    """One event of a request: what was parsed, or why it could not be. Nothing changes it."""

    index: int
    event: Any
    raw: bytes | None = None
    error: FieldError | None = None
    principal: str | None = None  # who sent it first, where that is not who sends it now
    sent: Any = None  # what every delivery of it says, where a mapping has filled in what it says of this one
    form: str | None = None  # the media type of what is to be translated before it is judged

    def raw_bytes(self) -> bytes:
        """The event as it came; for one of an array, written again by the parser that read it."""
        return self.raw if self.raw is not None else exact_json.dumps(self.event)


def body_of(body: bytes, headers: Mapping[str, str], most: int = limits.BYTES_PER_REQUEST) -> bytes:
    """The request's body, inflated; `most` bytes of it.

    Raises:
        Problem: 413 over the size limit (inflated or not), 415 an encoding other than gzip, 400 broken gzip.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if len(body) > most:
        raise _too_large(most)
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-encoding {encoding[:40]!r} is not taken: use gzip"
        )
    return _inflate(body, most)


def _inflate(body: bytes, most: int) -> bytes:
    inflated = io.BytesIO()
    rest = body
    try:
        for _ in range(GZIP_MEMBERS):
            if not rest:
                break
            # A gzip file may have several members; the limit counts them together and stops inflating there.
            member = zlib.decompressobj(wbits=31)
            inflated.write(member.decompress(rest, most + 1 - inflated.tell()))
            if inflated.tell() > most:
                raise _too_large(most)
            if not member.eof:
                raise Problem(HTTPStatus.BAD_REQUEST, "the gzip body ends too early")
            rest = member.unused_data
        else:
            raise Problem(HTTPStatus.BAD_REQUEST, f"the gzip body has more than {GZIP_MEMBERS} members")
    except zlib.error as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "the body is not gzip, though content-encoding says so"
        ) from error
    return inflated.getvalue()


def _too_large(most: int) -> Problem:
    size = f"{most // 1024**2} MB" if most >= 1024**2 else f"{most // 1024} KB"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request holds at most {size}, inflated")


def candidates(body: bytes, content_type: str) -> list[Candidate]:
    """The events of a body: one object, an array, one a line, or a sequence of texts.

    A body that is not JSON at all is one malformed candidate, so that it is kept.

    Raises:
        Problem: 415 another media type, 400 nothing in it, 413 more events than the limit.
    """
    media_type = media_type_of(content_type)
    if media_type == JSON:
        parsed = _document(body)
    elif media_type in LINES:
        parsed = _texts(body, b"\n")
    elif media_type == SEQUENCE:
        parsed = _texts(body, b"\x1e")
    elif media_type == PROTOBUF:
        # What is refused is kept as it was sent, so an item of an array is written again before it is translated.
        parsed = [replace(one, raw=one.raw_bytes(), form=PROTOBUF) for one in _document(body)]
    else:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send {JSON}, {NDJSON} or {PROTOBUF}, not {media_type[:80] or 'nothing'!r}",
        )
    if not parsed:
        raise Problem(HTTPStatus.BAD_REQUEST, "there is no event in this request")
    return parsed


def media_type_of(content_type: str) -> str:
    """The media type in lower case, without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def _check_number(events: int) -> None:
    """Before any of them is looked at: a body of brackets and commas is many."""
    if events > limits.EVENTS_PER_REQUEST:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a request holds at most {limits.EVENTS_PER_REQUEST} events, got {events}",
        )


def _document(body: bytes) -> list[Candidate]:
    if not body.strip():
        return []
    try:
        value, is_long = exact_json.loads(body)
    except orjson.JSONDecodeError as error:
        items = array.items(body)
        if items is None:
            return [_malformed(0, body, error)]
        _check_number(len(items))
        return [parse_one(index, item) for index, item in enumerate(items)]
    if isinstance(value, list):
        return of_items(value, is_long=is_long)
    return [exact(Candidate(0, value, body)) if is_long else Candidate(0, value, body)]


def of_items(items: list[Any], *, is_long: bool) -> list[Candidate]:
    """The events of a list that was parsed; `is_long`: there may be integers beyond 64 bits in it.

    Raises:
        Problem: 413, more events than the limit.
    """
    _check_number(len(items))
    candidates = [Candidate(index, event) for index, event in enumerate(items)]
    return [exact(candidate) for candidate in candidates] if is_long else candidates


def _texts(body: bytes, separator: bytes) -> list[Candidate]:
    texts = [text for text in body.split(separator) if text.strip()]
    _check_number(len(texts))
    return [parse_one(index, text.strip(_SPACE)) for index, text in enumerate(texts)]


def parse_one(index: int, raw: bytes) -> Candidate:
    """The event of some bytes; bytes that are not JSON are a malformed candidate."""
    try:
        event, is_long = exact_json.loads(raw)
    except orjson.JSONDecodeError as error:
        return _malformed(index, raw, error)
    candidate = Candidate(index, event, raw)
    return exact(candidate) if is_long else candidate


def exact(candidate: Candidate) -> Candidate:
    """Refuses an event with an integer beyond 64 bits: kept as a float it would be another number."""
    path = exact_json.beyond(candidate.event)
    if path is None:
        return candidate
    return replace(candidate, error=FieldError(pointers.write(path), "malformed", exact_json.TOO_LONG))


def _malformed(index: int, raw: bytes, error: orjson.JSONDecodeError) -> Candidate:
    return Candidate(
        index, None, raw, FieldError("", "malformed", f"not JSON: {error.msg} at byte {error.pos}")
    )
