"""From the bytes of a request to one candidate per event, without judging what an event says."""

import io
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

import orjson

from millrace.contracts.validator import FieldError
from millrace.core.http import Problem
from millrace.intake import limits

NDJSON = "application/x-ndjson"
JSON_TYPES = ("application/json",)
# An integer of 64 bits has at most 20 digits with its sign; orjson silently turns longer ones into floats. Looked for
# as nineteen zeros among digits made zeros: a sixteenth of the time that a regular expression takes for each body.
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG_INTEGER = b"0" * 19
# Each member is a copy of what is left; nobody who writes a file needs more than a few.
GZIP_MEMBERS = 256
_LARGEST = 2**63 - 1


@dataclass(slots=True)
class Candidate:
    """One event of a request: what was parsed, or why it could not be. Nothing changes it."""

    index: int
    event: Any
    raw: bytes | None = None
    error: FieldError | None = None
    principal: str | None = None  # who sent it first, where that is not who sends it now

    def raw_bytes(self) -> bytes:
        """The event as it came; for one of an array, written again by the parser that read it."""
        return self.raw if self.raw is not None else write(self.event)


def write(value: Any) -> bytes:
    """JSON of a parsed value, also of one that nests deeper than orjson writes."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return b"".join(_pieces(value))


def _pieces(value: Any) -> Iterator[bytes]:
    """Without recursion: bytes on the stack are text, everything else is still to be written."""
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if isinstance(item, bytes):
            yield item
        elif isinstance(item, dict):
            yield b"{"
            left.append(b"}")
            for number, (name, inner) in reversed(list(enumerate(item.items()))):
                left += [inner, (b"," if number else b"") + orjson.dumps(name) + b":"]
        elif isinstance(item, list):
            yield b"["
            left.append(b"]")
            for number, inner in reversed(list(enumerate(item))):
                left += [inner, b","] if number else [inner]
        else:
            yield orjson.dumps(item)


def body_of(body: bytes, headers: Mapping[str, str]) -> bytes:
    """The request's body, inflated.

    Raises:
        Problem: 413 over the size limit (inflated or not), 415 an encoding other than gzip, 400 broken gzip.
    """
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if len(body) > limits.BYTES_PER_REQUEST:
        raise _too_large()
    if encoding in ("", "identity"):
        return body
    if encoding != "gzip":
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"content-encoding {encoding[:40]!r} is not taken: use gzip"
        )
    return _inflate(body)


def _inflate(body: bytes) -> bytes:
    inflated = io.BytesIO()
    rest = body
    try:
        for _ in range(GZIP_MEMBERS):
            if not rest:
                break
            # A gzip file may have several members; the limit counts them together and stops inflating there.
            member = zlib.decompressobj(wbits=31)
            inflated.write(member.decompress(rest, limits.BYTES_PER_REQUEST + 1 - inflated.tell()))
            if inflated.tell() > limits.BYTES_PER_REQUEST:
                raise _too_large()
            if not member.eof:
                raise Problem(HTTPStatus.BAD_REQUEST, "the gzip body ends too early")
            rest = member.unused_data
        else:
            raise Problem(HTTPStatus.BAD_REQUEST, f"the gzip body has more than {GZIP_MEMBERS} members")
    except zlib.error as error:
        raise Problem(
            HTTPStatus.BAD_REQUEST, "the body is no gzip, though content-encoding says so"
        ) from error
    return inflated.getvalue()


def _too_large() -> Problem:
    size = limits.BYTES_PER_REQUEST // (1024 * 1024)
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a request holds at most {size} MB, inflated")


def candidates(body: bytes, content_type: str) -> list[Candidate]:
    """The events of a body: one object, an array, or one a line.

    A body that is no JSON at all is one malformed candidate, so that it is kept.

    Raises:
        Problem: 415 another media type, 400 nothing in it, 413 more events than the limit.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == NDJSON:
        found = _lines(body)
    elif media_type in JSON_TYPES:
        found = _document(body)
    else:
        raise Problem(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"send application/json or {NDJSON}, not {media_type[:80] or 'nothing'!r}",
        )
    if not found:
        raise Problem(HTTPStatus.BAD_REQUEST, "there is no event in this request")
    if len(found) > limits.EVENTS_PER_REQUEST:
        raise Problem(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"a request holds at most {limits.EVENTS_PER_REQUEST} events, got {len(found)}",
        )
    return found


def _document(body: bytes) -> list[Candidate]:
    if not body.strip():
        return []
    parsed = parse_one(0, body)
    if parsed.error is not None or not isinstance(parsed.event, list):
        return [parsed]
    items = [Candidate(index, event) for index, event in enumerate(parsed.event)]
    if _may_be_inexact(body):
        return [_exact(item) for item in items]
    return items


def _lines(body: bytes) -> list[Candidate]:
    lines = [line for line in body.split(b"\n") if line.strip()]
    if len(lines) > limits.EVENTS_PER_REQUEST:
        return [Candidate(index, None) for index in range(len(lines))]
    return [parse_one(index, line.strip()) for index, line in enumerate(lines)]


def parse_one(index: int, raw: bytes) -> Candidate:
    """The event of some bytes; bytes that are no JSON are a malformed candidate."""
    try:
        event = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        return Candidate(
            index, None, raw, FieldError("", "malformed", f"not JSON: {error.msg} at byte {error.pos}")
        )
    parsed = Candidate(index, event, raw)
    if not isinstance(event, list) and _may_be_inexact(raw):
        return _exact(parsed)
    return parsed


def _may_be_inexact(raw: bytes) -> bool:
    """Whether some bytes hold a run of digits that may be an integer beyond 64 bits."""
    return _LONG_INTEGER in raw.translate(_DIGITS_TO_ZEROS)


def _exact(candidate: Candidate) -> Candidate:
    """Refuses an event with an integer beyond 64 bits: kept as a float it would be another number."""
    pointer = _beyond(candidate.event, "")
    if pointer is None:
        return candidate
    message = "an integer beyond 64 bits cannot be kept exactly: send it as text"
    return replace(candidate, error=FieldError(pointer, "malformed", message))


def _beyond(value: Any, pointer: str) -> str | None:
    stack = [(value, pointer)]
    while stack:
        found, where = stack.pop()
        if isinstance(found, dict):
            stack.extend((item, f"{where}/{_escape(name)}") for name, item in found.items())
        elif isinstance(found, list):
            stack.extend((item, f"{where}/{number}") for number, item in enumerate(found))
        elif _is_too_long(found):
            return where
    return None


def _is_too_long(value: Any) -> bool:
    if isinstance(value, float):
        return abs(value) >= _LARGEST and value.is_integer()
    return isinstance(value, int) and value > _LARGEST


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
