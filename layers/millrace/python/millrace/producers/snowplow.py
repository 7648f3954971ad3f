"""Payloads of Snowplow's trackers (tracker protocol 2) as events of ours.

| payload | becomes |
|---|---|
| `eid` | `eventId` |
| `ttm`, else `dtm` | `timestamp`, `dtm` corrected by `stm` (`producers.skew`) |
| `uid`, `sid` | `userId`, `sessionId` |
| `e=pv` | `page.viewed` with `url`, `title` (`page`), `referrer` (`refr`) and `anonymousId` (`duid`) |
| `e=ue` with `ue_pr` or `ue_px` | the type that `schemas/producers/snowplow.yaml` names; else `iglu:<vendor>/<name>/<model>`, which waits in quarantine |
| `e=se` | likewise by `structured:<category>/<action>`, with `category`, `action`, `label`, `property` and `value` |
| any other `e` | likewise by `iglu:com.snowplowanalytics.snowplow/<e>/1` |
| `co`, `cx` | `data.metadata.contexts`, as they came |
| any other | `data.metadata.tracker`, by its name |
"""

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.contracts.type_names import KINDS
from millrace.core import clock, exact_json
from millrace.intake.parse import Candidate
from millrace.producers.segment import timed

PAGE_VIEW = "page.viewed"
APPLICATION = "aid"
_SCHEMA = re.compile(r"iglu:([a-zA-Z0-9._-]+/[a-zA-Z0-9_-]+)/[a-zA-Z0-9_-]+/([0-9]+)-[0-9]+-[0-9]+")
_PAGE = {"url": "url", "page": "title", "refr": "referrer", "duid": "anonymousId"}
_STRUCTURED = {
    "se_ca": "category",
    "se_ac": "action",
    "se_la": "label",
    "se_pr": "property",
    "se_va": "value",
}
_ENVELOPE = {"eid": "eventId", "uid": "userId", "sid": "sessionId"}
# `stm` says when this delivery was sent, and the application is the write key.
_READ = frozenset({*_ENVELOPE, "e", "dtm", "ttm", "stm", APPLICATION, "co", "cx", "ue_pr", "ue_px"})


def candidates(payloads: Sequence[Candidate], received_at: datetime) -> list[Candidate]:
    """The payloads of a request as events; all of them are of the application of the first."""
    first = payloads[0].event.get(APPLICATION) if payloads and isinstance(payloads[0].event, dict) else None
    return [_mapped(payload, first, received_at) for payload in payloads]


def _mapped(candidate: Candidate, application: Any, received_at: datetime) -> Candidate:
    sent = candidate.event
    if candidate.error is not None or not isinstance(sent, dict):
        return candidate
    if sent.get(APPLICATION) != application:
        return replace(candidate, error=FieldError("/aid", "rule", "is not that of the first event"))
    try:
        event, used = _event(sent)
        event["data"]["metadata"] = _metadata(sent, used, event["data"]["metadata"])
    except _UnreadableError as error:
        return replace(candidate, error=FieldError(f"/{error}", "malformed", "is not self-describing JSON"))
    for name, ours in _ENVELOPE.items():
        if name in sent:
            event[ours] = sent[name]
    if "ttm" in sent:
        return replace(candidate, event={**event, "timestamp": _moment(sent["ttm"])}, raw=None)
    event["timestamp"] = _moment(sent.get("dtm"))
    if event["timestamp"] is None:
        del event["timestamp"]
    stm = _millis(sent.get("stm"))
    return replace(candidate, **timed(event, stm, received_at), raw=None)


class _UnreadableError(Exception):
    """A field that should hold self-describing JSON and does not; its name."""


def _event(sent: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Type and data of a payload, and the fields that the payload of ours has taken."""
    kind = sent.get("e")
    if kind == "pv":
        return _with(PAGE_VIEW, _taken(sent, _PAGE)), _PAGE
    if kind == "se":
        name = f"{sent.get('se_ca', '')}/{sent.get('se_ac', '')}"
        payload = _taken(sent, _STRUCTURED)
        if "value" in payload:
            payload["value"] = _number(payload["value"])
        return _with(f"{KINDS['structured']}{name}", payload), _STRUCTURED
    if kind == "ue":
        field = "ue_px" if "ue_px" in sent else "ue_pr"
        described = _described(sent, field).get("data")
        match = _SCHEMA.fullmatch(str(described.get("schema"))) if isinstance(described, dict) else None
        if match is None or not isinstance(described, dict):
            raise _UnreadableError(field)
        event = _with(f"{KINDS['self-describing']}{match[1]}/{match[2]}", described.get("data"))
        event["data"]["metadata"] = {"schema": described["schema"]}
        return event, {}
    return _with(
        f"{KINDS['self-describing']}com.snowplowanalytics.snowplow/{kind}/1", _taken(sent, _PAGE)
    ), _PAGE


def _with(event_type: str, payload: Any) -> dict[str, Any]:
    return {"eventType": event_type, "data": {"payload": payload, "metadata": {}}}


def _metadata(sent: Mapping[str, Any], used: Mapping[str, str], known: Mapping[str, Any]) -> dict[str, Any]:
    tracker = {name: value for name, value in sent.items() if name not in _READ and name not in used}
    metadata = {**known, "tracker": tracker}
    field = "cx" if "cx" in sent else "co"
    if field in sent:
        metadata["contexts"] = _described(sent, field).get("data")
    return metadata


def _described(sent: Mapping[str, Any], field: str) -> dict[str, Any]:
    """The self-describing JSON of a field, in base64 where its name ends in `x`.

    Raises:
        _UnreadableError: it is none.
    """
    text = sent.get(field)
    try:
        raw = str(text).encode()
        if field.endswith("x"):
            # Some trackers leave the padding out.
            raw = base64.b64decode(
                raw.rstrip(b"=") + b"=" * (-len(raw.rstrip(b"=")) % 4), altchars=b"-_", validate=True
            )
        described, is_long = exact_json.loads(raw)
    except (orjson.JSONDecodeError, ValueError) as error:
        raise _UnreadableError(field) from error
    if not isinstance(described, dict) or is_long:
        raise _UnreadableError(field)
    return described


def _taken(sent: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {ours: sent[name] for name, ours in names.items() if name in sent}


def _number(value: Any) -> Any:
    """A value of a structured event, which is a number as text."""
    try:
        return orjson.loads(str(value))
    except orjson.JSONDecodeError:
        return value


def _millis(value: Any) -> datetime | None:
    try:
        return clock.from_epoch_millis(int(value))
    except (TypeError, ValueError, OverflowError):
        return None


def _moment(value: Any) -> Any:
    """Milliseconds since 1970 as UTC text; what is none stays, and its contract refuses it."""
    moment = _millis(value)
    return value if moment is None else clock.utc_text(moment)
