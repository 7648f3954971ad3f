"""Messages of Segment's and RudderStack's SDKs as events of ours.

| message | becomes |
|---|---|
| `messageId` | `eventId` |
| `track` with `event` | the type that `schemas/producers/segment.yaml` names; else `track:<event>`, which waits in quarantine |
| `identify`, `page`, `screen`, `group`, `alias` | `user.identified`, `page.viewed`, `screen.viewed`, `group.joined`, `user.aliased` |
| `originalTimestamp`, `timestamp`, else when it came | `timestamp`, corrected by `sentAt` (`producers.skew`) |
| `userId`, `context.sessionId` | `userId`, `sessionId` |
| `properties` of `track` | `data.payload` |
| `traits`, `properties`, `name`, `category`, `groupId`, `previousId` of the others | a field of `data.payload` |
| `anonymousId`, `context`, any other field | `data.metadata`, by its name; `anonymousId` is in the payload of the others |

A second delivery has another `sentAt`, so what is made of it is not part of what makes two deliveries the same event.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from millrace.contracts.errors import FieldError
from millrace.contracts.type_names import KINDS
from millrace.core import clock
from millrace.intake.parse import Candidate
from millrace.producers import skew

TRACK = "track"
TYPES = {
    "identify": "user.identified",
    "page": "page.viewed",
    "screen": "screen.viewed",
    "group": "group.joined",
    "alias": "user.aliased",
}
# What of the properties of a page is a field of its own.
_PAGE = ("url", "path", "title", "referrer", "search")
_IDS = ("userId", "anonymousId", "groupId", "previousId")
_PAYLOAD = {
    "identify": ("userId", "anonymousId", "traits"),
    "page": ("userId", "anonymousId", "name", "category", "properties"),
    "screen": ("userId", "anonymousId", "name", "category", "properties"),
    "group": ("userId", "anonymousId", "groupId", "traits"),
    "alias": ("userId", "previousId"),
}
_READ = frozenset(
    {"type", "messageId", "timestamp", "originalTimestamp", "sentAt", "receivedAt", "writeKey", "userId"}
)


def candidates(
    messages: Sequence[Candidate], kind: str | None, batch: Mapping[str, Any], received_at: datetime
) -> list[Candidate]:
    """The messages of a request as events.

    Args:
        messages: as they were parsed.
        kind: of all of them, such as `track`, where the path says it; else each says its own.
        batch: what stands beside them: when they were sent, and a context of all.
        received_at: when they came.
    """
    sent_at, context = skew.moment(batch.get("sentAt")), _object(batch.get("context"))
    return [_mapped(message, kind, sent_at, context, received_at) for message in messages]


def _mapped(
    candidate: Candidate,
    kind: str | None,
    sent_at: datetime | None,
    context: Mapping[str, Any],
    received_at: datetime,
) -> Candidate:
    message = candidate.event
    if candidate.error is not None or not isinstance(message, dict):
        return candidate
    kind = kind or message.get("type")
    if not isinstance(kind, str) or (kind != TRACK and kind not in TYPES):
        known = ", ".join((TRACK, *TYPES))
        return replace(candidate, error=FieldError("/type", "enum", f"must be one of {known}"))
    said = {name: value for name, value in message.items() if value is not None and value != ""}
    for name in _IDS:
        if name in said:
            said[name] = _text(said[name])
    if context:
        said["context"] = {**context, **_object(said.get("context"))}
    event = _event(kind, said)
    if "sentAt" in said:
        sent_at = skew.moment(said["sentAt"]) or sent_at
    return replace(candidate, **timed(event, sent_at, received_at), raw=None)


def timed(event: dict[str, Any], sent_at: datetime | None, received_at: datetime) -> dict[str, Any]:
    """The fields of a candidate whose event has a moment: corrected where the client's clock was wrong."""
    timestamp = event.get("timestamp")
    if timestamp is None:
        return {"event": {**event, "timestamp": clock.utc_text(received_at)}, "sent": event}
    right = skew.corrected(timestamp, sent_at, received_at) if isinstance(timestamp, str) else timestamp
    if right == timestamp:
        return {"event": event}
    data = event["data"]
    noted = {**data, "metadata": {**data["metadata"], "originalTimestamp": timestamp}}
    return {"event": {**event, "timestamp": right, "data": noted}, "sent": event}


def _event(kind: str, said: Mapping[str, Any]) -> dict[str, Any]:
    fields = _PAYLOAD.get(kind, ("properties",))
    payload: Any = {name: said[name] for name in fields if name in said}
    if kind == TRACK:
        payload = payload.get("properties", {})
    elif kind == "page":
        payload = _page(payload)
    named = {
        "eventId": said.get("messageId"),
        "eventType": TYPES.get(kind) or f"{KINDS[TRACK]}{said.get('event', '')}",
        "timestamp": said.get("originalTimestamp") or said.get("timestamp"),
        "userId": said.get("userId"),
        "sessionId": _text(_object(said.get("context")).get("sessionId")),
    }
    event: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    # What begins with `_` counts the deliveries, among other things of the SDK alone.
    rest = {
        name: value
        for name, value in said.items()
        if name not in _READ and name not in fields and not name.startswith("_")
    }
    event["data"] = {"payload": payload, "metadata": rest}
    return event


def _page(payload: dict[str, Any]) -> dict[str, Any]:
    properties = payload.get("properties")
    if not isinstance(properties, dict):
        return payload
    own = {name: properties[name] for name in _PAGE if isinstance(properties.get(name), str)}
    rest = {name: value for name, value in properties.items() if name not in own}
    return {**payload, **own, "properties": rest}


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: Any) -> Any:
    """An id as text; some SDKs take numbers, too."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value
