"""The journey with its stores."""

from collections.abc import Callable
from datetime import datetime
from functools import cache
from typing import Any

import orjson

from millrace.canary.caller import ApiCaller, new_key
from millrace.canary.events import BUS_SOURCE, ORG
from millrace.canary.journey import Journey
from millrace.core.aws import calling
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.eventstore import receipts


def journey(
    metadata: Table,
    events: Any,
    *,
    api_url: str,
    event_bus: str,
    seconds: float,
    timer: Callable[[], float],
    sleep: Callable[[float], object],
    name: str = "canary",
) -> Journey:
    """A journey through the platform at this address.

    Args:
        metadata: where keys and manifests are.
        events: the client of EventBridge.
        api_url: of the HTTP API.
        event_bus: the platform's bus.
        seconds: how long it may take.
        timer: seconds that only go forward.
        sleep: pauses for seconds.
        name: who holds the key that is made for it.
    """

    @cache
    def key() -> str:
        return new_key(metadata, name)

    def archived(event_id: str, day: str, since: datetime) -> bool:
        return receipts.find(metadata, ORG, receipts.MANIFEST, day, event_id, since) is not None

    def publish(event: dict[str, Any]) -> None:
        entry = {
            "EventBusName": event_bus,
            "Source": BUS_SOURCE,
            "DetailType": event["eventType"],
            "Detail": orjson.dumps(event).decode(),
        }
        with calling("put the canary on the bus"):
            answer = events.put_events(Entries=[entry])
        if answer.get("FailedEntryCount"):
            raise RetryableError(f"the bus did not take the canary: {answer['Entries']}")

    return Journey(
        call=ApiCaller(api_url, key),
        archived=archived,
        publish=publish,
        seconds=seconds,
        timer=timer,
        sleep=sleep,
    )
