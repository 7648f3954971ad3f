"""Producers that exist already, with the settings that they come with, sending to the API."""

import json
from typing import Any

import pytest

from tests.interop.clients.conftest import Api
from tests.interop.clients.environments import run_node, run_python
from tests.support import events

pytestmark = pytest.mark.interop


def stored(api: Api, event_id: str) -> dict[str, Any]:
    """The envelope without what the platform adds."""
    envelope: dict[str, Any] = api.platform.get("/v1/events/{eventId}", eventId=event_id)["body"]
    return {name: value for name, value in envelope.items() if name != "platform"}


def test_cloudevents_in_python(api: Api) -> None:
    sent = [events.order(), events.order()]
    found = run_python("cloudevents", URL=api.url, KEY=api.key, EVENTS=json.dumps(sent))
    assert found == {
        "structured": [202, ["accepted"]],
        "binary": [202, ["accepted"]],
        "the other form": [202, ["duplicate"]],
        "batch": [202, ["duplicate", "duplicate"]],
    }
    payload = sent[0]["data"]["payload"]
    envelope = stored(api, sent[0]["eventId"])
    assert envelope["eventSource"] == "/shop/lisbon"
    assert envelope["correlationId"] == sent[0]["correlationId"]
    assert envelope["data"] == {"payload": payload, "metadata": {"subject": payload["orderId"]}}


def test_cloudevents_in_javascript(api: Api) -> None:
    sent = [events.order(), events.order()]
    found = run_node("cloudevents_js", URL=api.url, KEY=api.key, EVENTS=json.dumps(sent))
    assert found == [[202, ["accepted"]]] * 2
    for order in sent:
        envelope = stored(api, order["eventId"])
        assert envelope["timestamp"] == order["timestamp"]
        assert envelope["data"]["payload"] == order["data"]["payload"]
