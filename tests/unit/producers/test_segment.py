"""Messages of Segment's SDKs become events: what each kind holds, and what two deliveries share."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import clock
from millrace.intake.parse import Candidate
from millrace.producers.segment import TYPES, candidates

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
SENT = {"sentAt": clock.utc_text(AT)}
MESSAGE: dict[str, Any] = {
    "messageId": "node-next-1-a",
    "anonymousId": "anon-1",
    "userId": "usr_1",
    "timestamp": "2026-11-21T05:59:58Z",
    "context": {"library": {"name": "x"}, "sessionId": 17},
    "_metadata": {"retryCount": 3},
    "channel": "server",
}


def one(kind: str, batch: dict[str, Any] | None = None, **fields: Any) -> Candidate:
    (only,) = candidates([Candidate(0, {"type": kind, **MESSAGE, **fields})], None, batch or SENT, AT)
    return only


def test_track_keeps_its_properties_and_waits_under_its_name() -> None:
    found = one("track", event="Order Paid", properties={"orderId": "A-1"})
    assert found.error is None
    assert found.sent is None, "nothing was filled in"
    assert found.event == {
        "eventId": "node-next-1-a",
        "eventType": "track:Order Paid",
        "timestamp": "2026-11-21T05:59:58Z",
        "userId": "usr_1",
        "sessionId": "17",
        "data": {
            "payload": {"orderId": "A-1"},
            "metadata": {
                "anonymousId": "anon-1",
                "context": MESSAGE["context"],
                "channel": "server",
                "event": "Order Paid",
            },
        },
    }


@pytest.mark.parametrize(
    ("kind", "fields", "payload"),
    [
        ("identify", {"traits": {"plan": "pro"}}, {"traits": {"plan": "pro"}, "anonymousId": "anon-1"}),
        (
            "page",
            {"name": "Home", "properties": {"url": "https://x/", "path": 7, "a": 1}},
            {"name": "Home", "url": "https://x/", "properties": {"path": 7, "a": 1}, "anonymousId": "anon-1"},
        ),
        ("screen", {"name": "Home"}, {"name": "Home", "anonymousId": "anon-1"}),
        ("group", {"groupId": 7, "traits": {}}, {"groupId": "7", "traits": {}, "anonymousId": "anon-1"}),
        ("alias", {"previousId": "anon-1"}, {"previousId": "anon-1"}),
    ],
)
def test_the_others_are_types_of_ours(kind: str, fields: dict[str, Any], payload: dict[str, Any]) -> None:
    event = one(kind, **fields).event
    assert event["eventType"] == TYPES[kind]
    assert event["data"]["payload"] == {"userId": "usr_1", **payload}


def test_a_wrong_clock_is_corrected_and_two_deliveries_are_the_same() -> None:
    off = timedelta(days=3)
    shown = clock.utc_text(AT - off - timedelta(seconds=2))
    found = [
        one(
            "track",
            {"sentAt": clock.utc_text(AT - off - timedelta(seconds=late))},
            event="A",
            timestamp=shown,
        )
        for late in (0, 30)
    ]
    assert found[0].event["timestamp"] == "2026-11-21T05:59:58.000Z"
    assert found[0].event["data"]["metadata"]["originalTimestamp"] == shown
    assert found[0].event != found[1].event
    assert found[0].sent == found[1].sent
    assert found[0].sent["timestamp"] == shown


def test_without_a_moment_it_is_when_it_came() -> None:
    found = one("track", event="A", timestamp=None)
    assert found.event["timestamp"] == clock.utc_text(AT)
    assert "timestamp" not in found.sent


def test_the_context_of_a_batch_is_that_of_each() -> None:
    event = one("track", {**SENT, "context": {"app": 1, "library": 2}}, event="A").event
    assert event["data"]["metadata"]["context"] == {"app": 1, **MESSAGE["context"]}


@pytest.mark.parametrize("kind", ["", "delete", None, 7, ["track"]])
def test_an_unknown_kind_is_refused_alone(kind: Any) -> None:
    good = {**MESSAGE, "type": "identify"}
    found = candidates([Candidate(0, good), Candidate(1, {"type": kind}), Candidate(2, 7)], None, SENT, AT)
    assert [one.error.code if one.error else None for one in found] == [None, "enum", None]
    assert found[2].event == 7, "which intake refuses"


VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)
NAMES = st.sampled_from([*MESSAGE, "type", "event", "properties", "traits", "groupId", "name", "sentAt"])


@given(
    st.dictionaries(NAMES, VALUES | st.dictionaries(st.text(max_size=9), VALUES)),
    st.dictionaries(NAMES, VALUES),
)
def test_nothing_raises(message: dict[str, Any], batch: dict[str, Any]) -> None:
    for kind in (None, "track", *TYPES):
        assert len(candidates([Candidate(0, message)], kind, batch, AT)) == 1
