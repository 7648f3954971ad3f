"""Confluent's registry clients, with the settings that they come with and a key as the password."""

import json
from typing import Any

import pytest

from tests.interop.clients.conftest import Api
from tests.interop.clients.environments import run_node, run_python
from tests.support import events

pytestmark = pytest.mark.interop


def test_confluent_kafka(api: Api) -> None:
    event: dict[str, Any] = events.order()
    found = run_python("confluent_kafka", URL=api.url, KEY=api.key, EVENT=json.dumps(event))
    assert found["subjects"] > 50
    assert (found["compatibility"], found["refused"], found["unknown"]) == (
        "NONE",
        [422, 42205],
        [404, 40401],
    )
    assert found["topic"] is found["record"] is found["topic and record"] is True
    assert (found["json"], found["json id"]) == (True, True)
    assert (found["avro"]["eventId"], found["avro"]["eventType"]) == (event["eventId"], "order.created")


@pytest.mark.parametrize("name", ["confluent_schemaregistry", "kafkajs_registry"])
def test_clients_in_javascript(api: Api, name: str) -> None:
    event: dict[str, Any] = events.order()
    found = run_node(name, URL=api.url, KEY=api.key, EVENT=json.dumps(event))
    assert found["same"] is True
    assert found["eventId"] == event["eventId"]


def test_apicurios_clients(api: Api) -> None:
    event: dict[str, Any] = events.order()
    found = run_python("apicurio", URL=api.url, KEY=api.key, EVENT=json.dumps(event))
    assert found == {
        "same": True,
        "content": True,
        "unknown": "not found",
        "eventId": event["eventId"],
        "avrocurio": True,
    }
