"""Refused events: listed and read."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from millrace.api import params
from millrace.core import clock
from millrace.core.http import Problem, Request
from millrace.eventstore import cursor as cursors
from millrace.quarantine.entry import KEPT_DAYS, moment_of
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
        after = None
        if "cursor" in request.query:
            try:
                after = cursors.decode(org, query, request.query["cursor"])
                moment_of(after)
            except (ValueError, OverflowError) as error:
                raise Problem(HTTPStatus.BAD_REQUEST, "the cursor is not of this query") from error
        until = params.moment(request, "to") or clock.now() + timedelta(minutes=1)
        wanted = Filter(
            since=params.moment(request, "from") or clock.now() - timedelta(days=KEPT_DAYS),
            until=until,
            event_type=request.query.get("eventType"),
            code=request.query.get("code"),
            after=after,
        )
        found = self._store.find(org, wanted, limit + 1)
        following = (
            cursors.encode(org, query, found[limit - 1]["quarantineId"]) if len(found) > limit else None
        )
        return {"items": found[:limit], "cursor": following}

    def get(self, request: Request) -> dict[str, Any]:
        """One refused event with its `raw`."""
        params.only(request, ())
        found = self._store.get(request.authenticated.org, request.path.get("id", ""))
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such refused event")
        return found
