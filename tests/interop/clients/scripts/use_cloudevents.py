"""The CloudEvents SDK for Python, as its documentation uses it, in all three forms."""

import json
import os
from datetime import datetime
from typing import Any

import requests
from cloudevents.core.bindings.http import to_binary_event, to_structured_event
from cloudevents.core.v1.event import CloudEvent

key = {"Authorization": f"Bearer {os.environ['KEY']}"}


def made(order: dict[str, Any]) -> CloudEvent:
    attributes = {
        "id": order["eventId"],
        "type": order["eventType"],
        "source": "/shop/lisbon",
        "time": datetime.fromisoformat(order["timestamp"]),
        "subject": order["data"]["payload"]["orderId"],
        "correlationid": order["correlationId"],
        "specversion": "1.0",
        "datacontenttype": "application/json",
    }
    return CloudEvent(attributes=attributes, data=order["data"]["payload"])


def post(headers: Any, body: Any) -> Any:
    answer = requests.post(
        f"{os.environ['URL']}/v1/events", headers={**headers, **key}, data=body, timeout=60
    )
    return [answer.status_code, [one["status"] for one in answer.json()["results"]]]


one, two = (made(order) for order in json.loads(os.environ["EVENTS"]))
structured, binary = to_structured_event(one), to_binary_event(two)
again = to_binary_event(one)
batch = b"[%b,%b]" % (structured.body, to_structured_event(two).body)
found = {
    "structured": post(structured.headers, structured.body),
    "binary": post(binary.headers, binary.body),
    "the other form": post(again.headers, again.body),
    "batch": post({"content-type": "application/cloudevents-batch+json"}, batch),
}
print(json.dumps(found))
