"""Events in the forms of other producers, through the handlers: results, duplicates, conflicts and quarantine as ever."""

import json
from typing import Any

import pytest

from tests.support import events
from tests.support.platform import GLOBEX, Platform

STRUCTURED, BATCH = "application/cloudevents+json", "application/cloudevents-batch+json"


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied."""
    warm.empty()
    return warm


def cloudevent(order: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {
        "specversion": "1.0",
        "id": order["eventId"],
        "type": order["eventType"],
        "source": "shop",
        "time": order["timestamp"],
        "data": order["data"]["payload"],
        **changes,
    }


def outcomes(answer: dict[str, Any]) -> list[str]:
    return [one["status"] for one in answer["body"]["results"]]


def test_cloudevents_are_events(running: Platform) -> None:
    one, two = cloudevent(events.order()), cloudevent(events.order())
    assert running.post(one, content_type=STRUCTURED)["status"] == 202
    other = {**one, "data": {**one["data"], "currency": "USD"}}
    answer = running.post([one, two, other, {**two, "id": "7"}, 7, {}], content_type=BATCH)
    assert answer["status"] == 207
    assert outcomes(answer) == ["duplicate", "accepted", "conflict", "rejected", "rejected", "rejected"]
    assert running.get("/v1/events/{eventId}", eventId=two["id"], org=GLOBEX)["status"] == 404
    running.settle()
    trace = running.get("/v1/events/{eventId}/trace", eventId=one["id"])["body"]
    assert "archived" in [step["step"] for step in trace["steps"]]


def test_what_is_refused_waits_as_an_event_of_ours(running: Platform) -> None:
    sent = cloudevent(events.order(), time=events.moment())
    del sent["time"]
    answer = running.post(sent, content_type=STRUCTURED)
    (refused,) = answer["body"]["results"]
    assert [(one["pointer"], one["code"]) for one in refused["errors"]] == [("/timestamp", "missing")]
    patch = [{"op": "add", "path": "/timestamp", "value": events.moment()}]
    body = {"filter": {"all": True}, "patch": patch}
    assert running.call("/v1/quarantine/replay", body)["body"]["replayed"] == 1
    assert running.stored("org_acme", sent["id"])


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"[]", BATCH, 400),
        (b"", STRUCTURED, 400),
        (b"{", STRUCTURED, 400),
        (json.dumps([{}] * 501).encode(), BATCH, 413),
        (b" " * (5 * 1024 * 1024), STRUCTURED, 413),
        (b"{}", "application/cloudevents+avro", 415),
        (b"\x1e", "application/json-seq", 400),
    ],
)
def test_bad_requests(running: Platform, body: bytes, kind: str, status: int) -> None:
    assert running.post(body, content_type=kind)["status"] == status
