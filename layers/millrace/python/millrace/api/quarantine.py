"""Refused events: listed and read."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson

from millrace.api import params
from millrace.core import clock, sizes
from millrace.core.http import Problem, Request
from millrace.quarantine.entry import KEPT_DAYS, is_id
from millrace.quarantine.store import Filter, QuarantineStore


class QuarantineApi:
    """Answers of the calls under `/v1/quarantine`."""

    def __init__(self, store: QuarantineStore) -> None:
        self._store = store

    def list(self, request: Request) -> dict[str, Any]:
        """Refused events, newest first; without `from` as far back as they are kept."""
        params.only(request, ("eventType", "code", "from", "to", "limit", "cursor"))
        org, limit = request.authenticated.org, params.limit(request)
        query = {name: request.query.get(name) for name in ("eventType", "code", "from", "to")}
        cursor = params.Cursor(org, query)
        wanted = Filter(
            since=params.moment(request, "from") or clock.now() - timedelta(days=KEPT_DAYS),
            until=params.moment(request, "to") or clock.now() + timedelta(minutes=1),
            event_type=request.query.get("eventType"),
            code=request.query.get("code"),
            after=cursor.read(request, is_id),
        )
        items, more = sizes.fitting(self._store.find(org, wanted), limit, orjson.dumps)
        return {"items": items, "cursor": cursor.write(items[-1]["quarantineId"]) if more else None}

    def get(self, request: Request) -> dict[str, Any]:
        """One refused event with its `raw`."""
        params.only(request, ())
        found = self._store.get(request.authenticated.org, request.path.get("id", ""))
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such refused event")
        return found
