"""A line of the gateway's access log as an event, so that Sigma rules and patterns ask it as they ask events. Pure.

`stacks/constructs/http_api.py` says what the gateway writes: every value is a text, and `-` stands for none.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from millrace.access.tenants import OPERATOR
from millrace.core import clock
from millrace.eventstore import derived_ids
from millrace.eventstore.row import StoredEvent
from millrace.sigma.line_source import LineSource, line_contract, line_event

# What a rule names as its `service`, beside `product: millrace`.
SERVICE = "gateway"
EVENT_TYPE = "gateway.line"
# Of a text that a client writes, such as the name of its program.
MOST_TEXT = 2_000
# Lines of so long before a new one are read again for correlations.
LONGEST = timedelta(hours=6)
_NUMBERS = ("status", "bytes", "latencyMs")
_TEXTS = ("principal", "kind", "agent", "authorizerError", "integrationError")
# What is read of a line, as the gateway calls it.
READ = frozenset({"requestId", "time", "method", "route", "org", *_NUMBERS, *_TEXTS})
_NONE = ("", "-")
_ORG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_TIME = re.compile(r"(\d{2})/([A-Z][a-z]{2})/(\d{4}):(\d{2}):(\d{2}):(\d{2}) ([+-]\d{2})(\d{2})")
_PROPERTIES: dict[str, Any] = {
    **{name: {"type": "string"} for name in ("request", "method", "route", "caller", *_TEXTS)},
    **{name: {"type": "integer", "minimum": 0, "maximum": 2**53 - 1} for name in _NUMBERS},
}
CONTRACT = line_contract(EVENT_TYPE, "A line of the gateway's access log.", _PROPERTIES, ["caller"])
NO_ROUTE = "no route"


def event(line: Any, hour: datetime, place: str) -> StoredEvent | None:
    """A line as an event; None of what is no line of a call.

    Args:
        line: as its JSON is read.
        hour: under which it lies, for a line that says no moment.
        place: where it lies, which tells a line from others where it says no request.
    """
    if not isinstance(line, Mapping):
        return None
    known = {name: text for name in ("requestId", "route", "org", *_TEXTS) if (text := _text(line.get(name)))}
    numbers = {name: number for name in _NUMBERS if (number := _number(line.get(name))) is not None}
    if "status" not in numbers:
        return None
    method, path = _route(known.get("route"), _text(line.get("method")))
    payload: dict[str, Any] = {
        "request": known.get("requestId"),
        "method": method,
        "route": path,
        # Who calls; of calls that nobody was recognised in, what was called.
        "caller": known.get("principal") or known.get("route") or NO_ROUTE,
        **{name: known.get(name) for name in _TEXTS},
        **numbers,
    }
    org = known.get("org", "")
    return line_event(
        CONTRACT,
        SERVICE,
        derived_ids.event_id(EVENT_TYPE, known.get("requestId") or place),
        _moment(_text(line.get("time")) or "", hour),
        org if _ORG.fullmatch(org) else OPERATOR,
        known.get("requestId", ""),
        {name: value for name, value in payload.items() if value is not None},
    )


def _text(value: Any) -> str | None:
    return value[:MOST_TEXT] if isinstance(value, str) and value not in _NONE else None


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 15:
        return int(value)
    return value if type(value) is int and 0 <= value < 2**53 else None


def _route(route: str | None, method: str | None) -> tuple[str | None, str | None]:
    """The method and the path of `POST /v1/events`; of a call without a route only the method, if the line says it."""
    if route is None:
        return method, None
    first, _, path = route.partition(" ")
    return (first, path) if path else (method, route)


@lru_cache(maxsize=4096)
def _moment(text: str, hour: datetime) -> str:
    """Of `30/Nov/2026:12:00:00 +0000`; else the hour's beginning."""
    found = _TIME.fullmatch(text)
    if found is None or found[2] not in _MONTHS:
        return clock.utc_text(hour)
    day, month, year, hours, minutes, seconds, east, east_minutes = found.groups()
    ahead = timedelta(hours=int(east), minutes=int(east[0] + east_minutes))
    try:
        local = datetime(
            int(year), _MONTHS[month], int(day), int(hours), int(minutes), int(seconds), tzinfo=UTC
        )
        return clock.utc_text(local - ahead)
    except (ValueError, OverflowError):
        return clock.utc_text(hour)


def _told(event: StoredEvent) -> str:
    line = event.envelope["data"]["payload"]
    what = f"{line.get('method', '')} {line.get('route', NO_ROUTE)}".strip()
    return f"Request {line.get('request', 'without an id')}, {what} with status {line['status']} by {line['caller']}"


GATEWAY = LineSource(
    service=SERVICE,
    called="the access log",
    contract=CONTRACT,
    subject=lambda event: f"caller:{event.envelope['data']['payload']['caller']}",
    told=_told,
    longest=LONGEST,
)
