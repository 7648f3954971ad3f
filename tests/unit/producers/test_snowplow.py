"""Payloads of Snowplow's trackers become events: each kind, its contexts, and what is not readable."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import clock
from millrace.intake.parse import Candidate
from millrace.producers.snowplow import candidates

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
MS = clock.epoch_millis(AT)
COMMON = {
    "aid": "mk_a",
    "eid": "0b9f6f0e-6c6c-4a52-9a5e-3d8c3f3f5b01",
    "dtm": str(MS - 2000),
    "stm": str(MS),
    "uid": "usr_1",
    "sid": "ses_1",
    "duid": "anon-1",
    "tv": "py-1.1.0",
    "p": "web",
}
EVENT = {"schema": "iglu:com.acme/viewed/jsonschema/2-0-1", "data": {"productId": "sku"}}
WRAPPED = {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": EVENT}
CONTEXTS = {"schema": "iglu:…", "data": [{"schema": "iglu:com.acme/user/jsonschema/1-0-0", "data": {"a": 1}}]}


def one(**fields: str) -> Candidate:
    (only,) = candidates([Candidate(0, {**COMMON, **fields})], AT)
    return only


def packed(value: Any, *, padded: bool = True) -> str:
    text = base64.urlsafe_b64encode(json.dumps(value).encode()).decode()
    return text if padded else text.rstrip("=")


def test_a_page_view() -> None:
    event = one(e="pv", url="https://x/?ü", page="Shop", refr="https://y/").event
    assert event == {
        "eventId": COMMON["eid"],
        "eventType": "page.viewed",
        "timestamp": "2026-11-21T05:59:58.000Z",
        "userId": "usr_1",
        "sessionId": "ses_1",
        "data": {
            "payload": {
                "url": "https://x/?ü",
                "title": "Shop",
                "referrer": "https://y/",
                "anonymousId": "anon-1",
            },
            "metadata": {"tracker": {"tv": "py-1.1.0", "p": "web"}},
        },
    }


@pytest.mark.parametrize(
    "field",
    [{"ue_pr": json.dumps(WRAPPED)}, {"ue_px": packed(WRAPPED)}, {"ue_px": packed(WRAPPED, padded=False)}],
)
def test_a_self_describing_event_is_of_its_model(field: dict[str, str]) -> None:
    event = one(e="ue", co=json.dumps(CONTEXTS), **field).event
    assert event["eventType"] == "iglu:com.acme/viewed/2"
    assert event["data"]["payload"] == {"productId": "sku"}
    assert event["data"]["metadata"]["schema"] == EVENT["schema"]
    assert event["data"]["metadata"]["contexts"] == CONTEXTS["data"]


def test_a_structured_event_and_what_has_no_kind_of_ours() -> None:
    event = one(e="se", se_ca="shop", se_ac="add", se_la="sku", se_va="2.5", cx=packed(CONTEXTS)).event
    assert event["eventType"] == "structured:shop/add"
    assert event["data"]["payload"] == {"category": "shop", "action": "add", "label": "sku", "value": 2.5}
    assert event["data"]["metadata"]["contexts"] == CONTEXTS["data"]
    assert one(e="pp", url="https://x/").event["eventType"] == "iglu:com.snowplowanalytics.snowplow/pp/1"


def test_a_wrong_clock_is_corrected_but_a_true_moment_is_not() -> None:
    off = timedelta(days=9)
    late = {"dtm": str(clock.epoch_millis(AT - off) - 2000)}
    first = one(e="pv", stm=str(clock.epoch_millis(AT - off)), **late)
    again = one(e="pv", stm=str(clock.epoch_millis(AT - off) - 5000), **late)
    assert first.event["timestamp"] == "2026-11-21T05:59:58.000Z"
    assert first.sent == again.sent
    assert first.event != again.event
    assert one(e="pv", ttm=late["dtm"], stm="0").event["timestamp"] == "2026-11-12T05:59:58.000Z"


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"ue_px": "%%%"}, "/ue_px"),
        ({"ue_px": packed("x")}, "/ue_px"),
        ({"ue_pr": "{"}, "/ue_pr"),
        ({}, "/ue_pr"),
        ({"ue_pr": json.dumps({"data": {"schema": "iglu:a/b/jsonschema/1"}})}, "/ue_pr"),
        ({"ue_pr": json.dumps({"data": [1]})}, "/ue_pr"),
        ({"ue_pr": json.dumps(WRAPPED), "cx": "{"}, "/cx"),
    ],
)
def test_what_cannot_be_read_is_refused_as_it_came(fields: dict[str, str], pointer: str) -> None:
    refused = one(e="ue", **fields)
    assert refused.error is not None
    assert (refused.error.pointer, refused.error.code) == (pointer, "malformed")
    assert json.loads(refused.raw_bytes()) == {**COMMON, "e": "ue", **fields}


def test_a_request_is_of_one_application() -> None:
    payloads = [
        Candidate(0, {**COMMON, "e": "pv"}),
        Candidate(1, {**COMMON, "e": "pv", "aid": "mk_b"}),
        Candidate(2, 7),
    ]
    found = candidates(payloads, AT)
    assert [one.error.code if one.error else None for one in found] == [None, "rule", None]


@given(
    st.dictionaries(
        st.sampled_from([*COMMON, "e", "ttm", "ue_pr", "ue_px", "co", "cx", "se_ca", "se_va", "url"]),
        st.text(max_size=9)
        | st.integers()
        | st.none()
        | st.sampled_from(["pv", "ue", "se", "{}", "[]", "e30="]),
    )
)
def test_nothing_raises(payload: dict[str, Any]) -> None:
    assert len(candidates([Candidate(0, payload)], AT)) == 1
