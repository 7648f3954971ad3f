"""Events by id, lists by index, traces."""

from http import HTTPStatus
from typing import Any

import orjson

from millrace.api import params
from millrace.core import keys
from millrace.core.http import Problem, Request
from millrace.eventstore import cursor as cursors
from millrace.eventstore.reader import EventReader, Index, Page
from millrace.eventstore.row import StoredEvent
from millrace.eventstore.trace import Tracer

# A function answers at most 6 MB, in which the body stands as escaped text.
BYTES = 4 * 1024 * 1024
FILTERS = ("eventType", "userId", "correlationId", "sessionId", "entity")


class EventsApi:
    """Answers of the calls under `/v1/events`."""

    def __init__(self, reader: EventReader, tracer: Tracer) -> None:
        self._reader, self._tracer = reader, tracer

    def get(self, request: Request) -> dict[str, Any]:
        """The stored envelope with `platform`."""
        params.only(request, ())
        return self._event(request).envelope

    def trace(self, request: Request) -> dict[str, Any]:
        """The steps an event has taken."""
        params.only(request, ())
        return self._tracer.trace(self._event(request))

    def list(self, request: Request) -> dict[str, Any]:
        """Whole stored envelopes, newest first, by exactly one of the filters."""
        params.only(request, (*FILTERS, "from", "to", "limit", "cursor"))
        given = [name for name in FILTERS if name in request.query]
        if len(given) != 1 or not request.query[given[0]]:
            raise Problem(HTTPStatus.BAD_REQUEST, f"give exactly one of {', '.join(FILTERS)}")
        org = request.authenticated.org
        query = {name: request.query.get(name) for name in (given[0], "from", "to")}
        after = None
        if "cursor" in request.query:
            try:
                after = cursors.decode(org, query, request.query["cursor"])
            except cursors.BadCursorError as error:
                raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        page = self._reader.page(
            org,
            self._index(org, given[0], request.query[given[0]]),
            params.moment(request, "from"),
            params.moment(request, "to"),
            params.limit(request),
            after,
        )
        events, after = _fitting(page)
        following = cursors.encode(org, query, after) if after is not None else None
        return {"items": [event.envelope for event in events], "cursor": following}

    def _event(self, request: Request) -> StoredEvent:
        identifier = request.path.get("eventId", "")
        event = self._reader.get(request.authenticated.org, identifier) if len(identifier) == 36 else None
        if event is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such event")
        return event

    def _index(self, org: str, name: str, value: str) -> Index:
        if len(value) > 512:
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} is too long")
        if name == "eventType":
            return self._reader.of_type(org, value)
        if name == "userId":
            return self._reader.of_user(org, value)
        if name == "correlationId":
            return self._reader.of_correlation(org, value)
        if name == "sessionId":
            return self._reader.of_session(org, value)
        entity, _, identifier = value.partition(":")
        if not entity or not identifier:
            raise Problem(HTTPStatus.BAD_REQUEST, "entity is a name and an id, like order:A-17")
        return self._reader.of_entity(org, entity, identifier)


def _fitting(page: Page) -> tuple[list[StoredEvent], str | None]:
    """As many events as an answer can carry, and where the next page starts. One event always fits."""
    size = 0
    for number, event in enumerate(page.events):
        size += len(orjson.dumps(event.envelope))
        if size > BYTES and number:
            last = page.events[number - 1]
            return page.events[:number], keys.sort(last.happened_at, last.event_id)
    return page.events, page.next
