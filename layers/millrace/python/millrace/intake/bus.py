"""Events that EventBridge brings: a binding names the tenant, the rule's input transformer writes it into the message."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import orjson

from millrace.core import exact_json
from millrace.core.errors import PermanentError
from millrace.eventstore.derived_ids import event_id
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate, parse_one

KIND = "eventbridge"


def read_message(body: str, message_id: str, received_at: datetime) -> tuple[Candidate, Origin]:
    """The event of a queue message, and where it is from.

    A binding without an event type brings an event of ours as `detail`. With one, `detail` is of another producer and becomes
    the payload: its id is cut from tenant and EventBridge id, its moment is EventBridge's `time`.

    Args:
        body: `{"org", "binding", "eventType", "id", "source", "time", "detail"}`, as the rules of the stack write it.
        message_id: the queue's id, the same in every delivery, so that a repeated delivery is not a duplicate.
        received_at: when this delivery came.

    Raises:
        PermanentError: the message is none that a rule of the stack wrote.
    """
    try:
        message, written = _read(body)
        origin = Origin(
            org=_text(message, "org"),
            principal=_text(message, "binding"),
            request_id=message_id,
            received_at=received_at,
            kind=KIND,
        )
        detail = message["detail"]
        event = _wrapped(message, origin.org) if message.get("eventType") else detail
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise PermanentError(f"no message of a binding: {type(error).__name__}: {error}") from error
    # Written and parsed once more, so that an event from the bus is read as exactly as a posted one.
    return parse_one(0, written(event)), origin


def _read(body: str) -> tuple[Any, Callable[[Any], bytes]]:
    """A message, and how its event is written to be parsed once more.

    A detail that no parser of ours takes (half a surrogate pair, a number beyond all doubles) is an event that is refused
    and kept, as a posted one is; around it stands what the rule wrote.
    """
    try:
        return exact_json.loads(body.encode("utf-8", "surrogatepass"))[0], exact_json.dumps
    except orjson.JSONDecodeError:
        return json.loads(body), lambda event: json.dumps(event).encode()


def _wrapped(message: dict[str, Any], org: str) -> dict[str, Any]:
    return {
        "eventId": event_id(org, KIND, _text(message, "id")),
        "eventType": message["eventType"],
        "eventSource": _text(message, "source"),
        "timestamp": _text(message, "time"),
        "data": {"payload": message["detail"]},
    }


def _text(message: dict[str, Any], name: str) -> str:
    value = message[name]
    if not isinstance(value, str) or not value:
        raise TypeError(f"{name} is not text")
    return value
