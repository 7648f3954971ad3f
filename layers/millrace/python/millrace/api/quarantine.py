"""Refused events: listed and read."""

from collections.abc import Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson

from millrace.api.route import Call
from millrace.core import clock, sizes
from millrace.core.http import Problem
from millrace.quarantine.entry import KEPT_DAYS, is_id
from millrace.quarantine.store import Filter, QuarantineStore


class QuarantineApi:
    """Answers of the reads under `/v1/quarantine`."""

    def __init__(self, store: QuarantineStore) -> None:
        self._store = store

    def list(self, call: Call) -> dict[str, Any]:
        """Refused events, newest first; without `from` as far back as they are kept."""
        matching = self._store.find(call.org, refused(call.values, call.after(is_id)))
        items, more = sizes.fitting(matching, call.values["limit"], orjson.dumps)
        return {"items": items, "cursor": call.cursor(items[-1]["quarantineId"] if more else None)}

    def get(self, call: Call) -> dict[str, Any]:
        """One refused event with its `raw`."""
        event = self._store.get(call.org, call.values["id"])
        if event is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such refused event")
        return event


def refused(given: Mapping[str, Any], after: str | None) -> Filter:
    """Which refused events are meant by the values of a query or of a body's `filter`."""
    return Filter(
        since=given.get("from") or clock.now() - timedelta(days=KEPT_DAYS),
        until=given.get("to") or clock.now() + timedelta(minutes=1),
        event_type=given.get("eventType"),
        code=given.get("code"),
        status=given.get("status"),
        only=given.get("quarantineId"),
        after=after,
    )
