"""Producers that exist already, with the settings that they come with, sending to the API."""

import json
from typing import Any

import pytest

from cli import bootstrap
from tests.interop.clients.conftest import Api
from tests.interop.clients.environments import (
    BUILD,
    HERE,
    python_environment,
    run,
    run_node,
    run_python,
)
from tests.support import events
from tests.support.doors import write_key

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


def test_our_own_client_as_a_package(api: Api) -> None:
    """Installed as a producer installs it: without the platform, with two packages beside it."""
    python = python_environment("millrace")
    bootstrap.install(python, ["--no-deps", "--reinstall", "./clients/python"])
    payload = events.order()["data"]["payload"]
    script = HERE / "scripts" / "use_millrace.py"
    found = run([python, script], BUILD, {"URL": api.url, "KEY": api.key, "PAYLOAD": json.dumps(payload)})
    ends = found.pop("ends")
    assert found == {"whole": True, "taken": 600, "refused": True}
    assert [stored(api, one)["data"]["payload"] for one in ends] == [payload, payload]


def test_cloudevents_in_javascript(api: Api) -> None:
    sent = [events.order(), events.order()]
    found = run_node("cloudevents_js", URL=api.url, KEY=api.key, EVENTS=json.dumps(sent))
    assert found == [[202, ["accepted"]]] * 2
    for order in sent:
        envelope = stored(api, order["eventId"])
        assert envelope["timestamp"] == order["timestamp"]
        assert envelope["data"]["payload"] == order["data"]["payload"]


@pytest.fixture
def emptied(api: Api) -> Api:
    """Without events, refusals and keys of others."""
    api.platform.empty()
    api.platform.restart_all()
    return api


def types(api: Api) -> list[str]:
    """The types of all events, in order."""
    items = api.platform.get("/v1/events", query={"userId": "usr_1"})["body"]["items"]
    return sorted(item["eventType"] for item in items)


def waiting(api: Api) -> list[str]:
    """The types under which refused events wait, in order."""
    return sorted(item["eventType"] for item in api.platform.get("/v1/quarantine")["body"]["items"])


ALL = ["group.joined", "page.viewed", "product.viewed", "screen.viewed", "user.aliased", "user.identified"]


@pytest.mark.parametrize("name", ["segment", "rudderstack"])
def test_segment_and_rudderstack_in_python(emptied: Api, name: str) -> None:
    found = run_python(name, URL=emptied.url, KEY=write_key(emptied.platform))
    assert found == {"problems": [], "refused": [[401, "unauthorized"]]}
    assert (types(emptied), waiting(emptied)) == (ALL, [])
    assert len(emptied.platform.rows("Events")) == len(ALL) + 100


@pytest.mark.parametrize("name", ["segment_node", "rudderstack_node"])
def test_segment_and_rudderstack_in_node(emptied: Api, name: str) -> None:
    found = run_node(name, URL=emptied.url, KEY=write_key(emptied.platform))
    assert found == {"problems": []}
    assert (types(emptied), waiting(emptied)) == (ALL, [])


def test_snowplow_in_python(emptied: Api) -> None:
    found = run_python("snowplow", URL=emptied.url, KEY=write_key(emptied.platform))
    assert found == {"failed": []}
    assert types(emptied) == ["page.viewed"] * 2 + ["product.viewed"] * 2
    assert waiting(emptied) == ["structured:shop/click"] * 2
    items = emptied.platform.get("/v1/events", query={"eventType": "page.viewed"})["body"]["items"]
    contexts = [item["data"]["metadata"]["contexts"][0]["data"]["kind"] for item in items]
    assert sorted(contexts) == ["get", "post"]


def test_snowplow_in_node(emptied: Api) -> None:
    found = run_node("snowplow_node", URL=emptied.url, KEY=write_key(emptied.platform))
    assert found == {"problems": []}
    assert types(emptied) == ["page.viewed", "product.viewed"]
    assert waiting(emptied) == ["structured:shop/click"]
