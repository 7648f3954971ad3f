"""Bodies to candidates: every form, every limit, nothing silently changed."""

import gzip
import json
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import limits
from millrace.core.http import Problem
from millrace.intake.parse import body_of, candidates, parse_one

JSON, NDJSON = "application/json", "application/x-ndjson"


def test_object_array_and_lines_are_the_same_events() -> None:
    events = [{"a": 1}, {"b": [2, 3]}]
    array = candidates(json.dumps(events).encode(), JSON)
    lines = candidates(b"\n".join(json.dumps(event).encode() for event in events) + b"\r\n\n", NDJSON)
    assert [c.event for c in array] == [c.event for c in lines] == events
    assert [c.index for c in array] == [c.index for c in lines] == [0, 1]
    assert [c.event for c in candidates(b'{"a": 1}', "application/json; charset=utf-8")] == [{"a": 1}]


@pytest.mark.parametrize("kind", ["application/ndjson", "application/jsonl; charset=utf-8"])
def test_other_names_of_lines(kind: str) -> None:
    assert [c.event for c in candidates(b'{"a":1}\n{"a":2}\n', kind)] == [{"a": 1}, {"a": 2}]


def test_a_sequence_of_texts_has_a_separator_before_each() -> None:
    found = candidates(b'\x1e{"a":\n1}\n\x1e{"a":\n\x1e\n\x1e{"a":2}\n', "application/json-seq")
    assert [c.event for c in found] == [{"a": 1}, None, {"a": 2}]
    assert [c.error.code if c.error else None for c in found] == [None, "malformed", None]


def test_one_broken_line_is_one_malformed_candidate_with_its_bytes() -> None:
    found = candidates(b'{"a":1}\n{"a":\n{"a":2}', NDJSON)
    assert [c.error.code if c.error else None for c in found] == [None, "malformed", None]
    assert found[1].raw_bytes() == b'{"a":'


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nul",
        b"NaN",
        b'"\\ud800"',
        b"\xff\xfe",
        b'{"a":' * 1100 + b"1" + b"}" * 1100,
        b'[{"a":"]',
        b'{"a":Infinity}',
        b"\x00",
    ],
)
def test_what_is_no_json_is_kept_whole(body: bytes) -> None:
    (only,) = candidates(body, JSON)
    assert only.error is not None
    assert only.error.code == "malformed"
    assert only.raw_bytes() == body


def test_the_last_of_duplicate_keys_wins_before_anything_else_sees_it() -> None:
    (only,) = candidates(b'{"a": 1, "a": 2}', JSON)
    assert only.event == {"a": 2}


@pytest.mark.parametrize("number", [2**63, 2**64, 10**30, -(2**63) - 1])
def test_an_integer_that_a_column_cannot_hold_is_refused_where_it_stands(number: int) -> None:
    (only,) = candidates(json.dumps({"data": {"payload": {"ids~/": [1, number]}}}).encode(), JSON)
    assert only.error is not None
    assert (only.error.code, only.error.pointer) == ("malformed", "/data/payload/ids~0~1/1")


@pytest.mark.parametrize("number", [2**63 - 1, -(2**63), 1234567890123456789])
def test_integers_of_64_bits_stay_exact(number: int) -> None:
    (only,) = candidates(json.dumps({"id": number, "text": "9" * 30}).encode(), JSON)
    assert only.error is None
    assert only.event["id"] == number


@pytest.mark.parametrize(("body", "kind"), [(b"", JSON), (b"  \n", JSON), (b"[]", JSON), (b"\n\n", NDJSON)])
def test_nothing_is_400(body: bytes, kind: str) -> None:
    with pytest.raises(Problem) as raised:
        candidates(body, kind)
    assert raised.value.status == 400


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/xml", "application/jsonx", "multipart/form-data"]
)
def test_other_media_types_are_415(kind: str) -> None:
    with pytest.raises(Problem) as raised:
        candidates(b"{}", kind)
    assert raised.value.status == 415


@pytest.mark.parametrize("kind", [JSON, NDJSON])
def test_one_event_over_the_limit_is_413(kind: str) -> None:
    def body(count: int) -> bytes:
        return b"[" + b",".join([b"{}"] * count) + b"]" if kind == JSON else b"{}\n" * count

    assert len(candidates(body(limits.EVENTS_PER_REQUEST), kind)) == 500
    with pytest.raises(Problem) as raised:
        candidates(body(limits.EVENTS_PER_REQUEST + 1), kind)
    assert raised.value.status == 413


def test_an_event_too_deep_for_the_writer_is_written_by_itself() -> None:
    deep = b'{"a":1,"b":[],"c":{"d":"x\\u0000\xc3\xa9","e":[true,null,1.5,' + b"[" * 500 + b"]" * 500 + b"]}}"
    found = candidates(b"[" + deep + b"," + deep + b"]", JSON)
    assert [json.loads(candidate.raw_bytes()) for candidate in found] == [json.loads(deep)] * 2
    assert found[0].raw_bytes() == deep


def test_gzip_is_inflated_and_a_bomb_is_not() -> None:
    assert body_of(gzip.compress(b"{}"), {"content-encoding": "gzip"}) == b"{}"
    two_members = gzip.compress(b"[1,") + gzip.compress(b"2]")
    assert body_of(two_members, {"content-encoding": "GZIP"}) == b"[1,2]"
    bomb = gzip.compress(b" " * (500 * 1024 * 1024), compresslevel=1)
    with pytest.raises(Problem) as raised:
        body_of(bomb, {"content-encoding": "gzip"})
    assert raised.value.status == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"x" * (limits.BYTES_PER_REQUEST + 1), "identity", 413),
        (b"not gzip", "gzip", 400),
        (gzip.compress(b"{}" * 100)[:-12], "gzip", 400),
        (gzip.compress(b"") * 1000, "gzip", 400),
        (zlib.compress(b"{}"), "deflate", 415),
        (b"{}", "br", 415),
    ],
    ids=["too large", "no gzip", "cut gzip", "a thousand members", "deflate", "brotli"],
)
def test_bodies_that_cannot_be_taken(body: bytes, encoding: str, status: int) -> None:
    with pytest.raises(Problem) as raised:
        body_of(body, {"content-encoding": encoding})
    assert raised.value.status == status


@given(st.binary(max_size=200), st.sampled_from([JSON, NDJSON]))
def test_any_bytes_are_answered(body: bytes, kind: str) -> None:
    try:
        found = candidates(body, kind)
    except Problem as problem:
        status, found = problem.status, []
    else:
        status = 202
    assert status in (202, 400)
    assert all(isinstance(candidate.raw_bytes(), bytes) for candidate in found)


BROKEN_TEXTS = [
    b'"\xff"',
    b'"\xc3"',
    b'"\xc0\xaf"',
    b'"\xed\xa0\x80"',
    b'"\xf4\x90\x80\x80"',
    b'"\xe2\x82"',
    b'"\\ud800"',
    b'"\\udc00\\ud800"',
]


@pytest.mark.parametrize("text", BROKEN_TEXTS)
def test_a_text_that_is_no_unicode_is_malformed_and_drags_no_line_along(text: bytes) -> None:
    bad, good = b'{"eventId":"x","data":{"a":' + text + b"}}", b'{"a":1}'
    for body in (bad, gzip.compress(bad)):
        raw = body_of(body, {"content-encoding": "gzip"}) if body[:1] == b"\x1f" else body
        (only,) = candidates(raw, JSON)
        assert only.error is not None
        assert only.error.code == "malformed"
        assert only.raw_bytes() == raw
    for body, kind in ((b"\n".join([good, bad, good]), NDJSON), (b"[%b,%b,%b]" % (good, bad, good), JSON)):
        found = candidates(body, kind)
        assert [c.error.code if c.error else None for c in found] == [None, "malformed", None]
        assert found[1].raw_bytes() == bad


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "latin-1"])
def test_json_is_utf_8_without_a_byte_order_mark(encoding: str) -> None:
    body = '{"a":"é"}'.encode(encoding)
    for kind in (JSON, NDJSON):
        assert {c.error.code if c.error else None for c in candidates(body, kind)} == {"malformed"}


@pytest.mark.parametrize("number", ["100000000000000000000", "-9223372036854775809", "18446744073709551615"])
def test_a_long_integer_is_refused_where_it_stands_and_nowhere_else(number: str) -> None:
    bad = f'{{"a":[1e20,"{number}"],"b":{number}}}'.encode()
    good = [b'{"a":1e20}', b'{"a":"12345678901234567890"}', b'{"a":100000000000000000000.0}', b"7", b"[]"]
    array = candidates(b"[" + b",".join([*good, bad, *good]) + b"]", JSON)
    lines = candidates(b"\n".join([*good, bad, *good]), NDJSON)
    alone = [candidates(raw, JSON)[0] for raw in [*good[:3], bad]]
    for found in (array, lines):
        pointers = [candidate.error.pointer if candidate.error else None for candidate in found]
        assert pointers == [None] * 5 + ["/b"] + [None] * 5
        # Its digits are kept, so that it is judged alike when it is replayed.
        assert json.loads(found[5].raw_bytes())["b"] == int(number)
        assert parse_one(0, found[5].raw_bytes()).error == found[5].error
    assert [c.error.pointer if c.error else None for c in alone] == [None, None, None, "/b"]


def test_white_space_around_a_line_is_what_json_says_it_is() -> None:
    found = candidates(b' {"a":1}\t\r\n\x0b{"a":1}\x0c\n', NDJSON)
    assert [c.error.code if c.error else None for c in found] == [None, "malformed"]
