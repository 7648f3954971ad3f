"""CloudEvents become events of ours: every form, and what is not one."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.intake.parse import JSON, Candidate
from millrace.producers import cloudevents
from millrace.producers.cloudevents import BATCH, STRUCTURED, candidates

SENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "3f2b8c1e-5d74-4a6b-9e0f-7c1d2a3b4c5d",
    "type": "order.created",
    "source": "/shop",
    "time": "2026-11-21T06:00:00Z",
}


def read(body: Any, kind: str = STRUCTURED, **headers: str) -> list[Candidate]:
    given_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return candidates(raw, {"content-type": kind, **given_headers}, kind)


def test_a_structured_event_is_one_of_ours() -> None:
    extensions = {
        "correlationid": "c-1",
        "userid": 7,
        "sessionid": "s-1",
        "region": "eu",
        "traceparent": "00-1",
    }
    (only,) = read(
        {
            **SENT,
            **extensions,
            "subject": "A-1",
            "dataschema": "https://x/order.created/1.2.0",
            "data": {"a": 1},
        }
    )
    assert only.error is None
    assert only.event == {
        "eventId": SENT["id"],
        "eventType": "order.created",
        "eventSource": "/shop",
        "timestamp": SENT["time"],
        "version": "1.2.0",
        "correlationId": "c-1",
        "userId": "7",
        "sessionId": "s-1",
        "region": "eu",
        "data": {"payload": {"a": 1}, "metadata": {"subject": "A-1", "traceparent": "00-1"}},
    }


def test_data_with_a_payload_is_ours_as_a_whole() -> None:
    data = {"payload": {"a": 1}, "metadata": {"subject": "own"}}
    (whole,) = read({**SENT, "subject": "A-1", "trace": "t", "data": data})
    assert whole.event["data"] == {"payload": {"a": 1}, "metadata": {"subject": "own", "trace": "t"}}
    (bare,) = read({**SENT, "data": {"payload": {"a": 1}}})
    assert bare.event["data"] == {"payload": {"a": 1}}
    (other,) = read({**SENT, "data": {"payload": "a field of this name"}})
    assert other.event["data"] == {"payload": {"payload": "a field of this name"}}


def test_json_in_base64_is_read() -> None:
    (only,) = read({**SENT, "data_base64": base64.b64encode(b'{"a": 1}').decode()})
    assert only.event["data"] == {"payload": {"a": 1}}
    for broken in ("%%%", base64.b64encode(b"<a/>").decode(), 7):
        (refused,) = read({**SENT, "data_base64": broken})
        assert refused.error is not None
        assert (refused.error.pointer, refused.error.code) == ("/data_base64", "malformed")


def test_a_binary_event_is_the_same_as_a_structured_one() -> None:
    (structured,) = read({**SENT, "subject": "Zürich", "data": {"a": 1}})
    headers = {f"ce_{name}": value for name, value in SENT.items()}
    (binary,) = read({"a": 1}, "application/json; charset=utf-8", **headers, ce_subject="Z%C3%BCrich")
    assert binary.event == structured.event


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"specversion": "0.3"}, "/specversion", "enum"),
        ({"specversion": None}, "/specversion", "enum"),
        ({"datacontenttype": "application/xml"}, "/datacontenttype", "format"),
        ({"datacontenttype": 7}, "/datacontenttype", "format"),
        ({"id": False}, "/id", "type"),
        ({"id": 12345}, "/id", "type"),
        ({"source": 1}, "/source", "type"),
        ({"data_base64": "e30="}, "/data_base64", "malformed"),
    ],
)
def test_other_forms_are_refused_as_they_came(changes: dict[str, Any], pointer: str, code: str) -> None:
    sent = {**SENT, **changes, "data": {}}
    (only,) = read(sent)
    assert only.error is not None
    assert (only.error.pointer, only.error.code) == (pointer, code)
    assert json.loads(only.raw_bytes()) == sent


@pytest.mark.parametrize("value", ["q%ff", "q%E9", "q%C3%28", "q\ud800"])
def test_a_header_that_is_no_utf8_is_refused_as_it_came(value: str) -> None:
    """Written otherwise, two ids would be one, and the second event a duplicate of the first."""
    headers = {f"ce_{name}": text for name, text in SENT.items()}
    (only,) = read({"a": 1}, "application/json", **{**headers, "ce_id": value})
    assert only.error is not None
    assert (only.error.pointer, only.error.code) == ("/id", "malformed")
    assert only.event["id"] == value.encode("utf-8", "replace").decode()


def test_a_binary_body_that_is_no_json_is_kept_with_its_id() -> None:
    headers = {f"ce_{name}": value for name, value in SENT.items()}
    for body, kind, code in ((b"{", JSON, "malformed"), (b"<a/>", "application/xml", "format")):
        (only,) = read(body, kind, **headers)
        assert only.error is not None
        assert only.error.code == code
        assert only.raw_bytes() == body
    (long,) = read(b'{"a": 9223372036854775808}', JSON, **headers)
    assert long.error is not None
    assert long.error.pointer == "/data/a"


def test_one_bad_event_of_a_batch_leaves_the_others_alone() -> None:
    found = read([{**SENT, "data": {}}, 7, {**SENT, "specversion": "2"}], BATCH)
    assert [one.error.code if one.error else None for one in found] == [None, None, "enum"]
    assert found[1].event == 7  # which intake refuses


def test_requests_are_known_by_type_or_header() -> None:
    assert cloudevents.is_cloudevent({}, BATCH)
    assert cloudevents.is_cloudevent({"ce-specversion": "1.0"}, JSON)
    assert not cloudevents.is_cloudevent({"ce-id": "1"}, JSON)


@given(
    st.dictionaries(
        st.sampled_from([*SENT, "data", "userid", "dataschema", "x", "data_base64"]),
        st.none()
        | st.booleans()
        | st.integers()
        | st.text(max_size=9)
        | st.dictionaries(st.sampled_from(["payload", "metadata"]), st.none() | st.just({"a": 1})),
    )
)
def test_nothing_raises(sent: dict[str, Any]) -> None:
    assert (
        len(read(sent))
        == len(read({}, JSON, **{f"ce_{name}": str(value) for name, value in sent.items()}))
        == 1
    )
