"""Events by id, lists by index, traces."""

from http import HTTPStatus
from typing import Any

import orjson

from millrace.api import params
from millrace.core import sizes
from millrace.core.http import JSON, Document, Problem, Request
from millrace.eventstore import order
from millrace.eventstore.reader import EventReader, Index
from millrace.eventstore.trace import Tracer

FILTERS = ("eventType", "userId", "correlationId", "sessionId", "entity")
# What DynamoDB takes as a partition key.
_KEY_BYTES = 2048
# Characters; no event that was ever taken in is found by more.
_LONGEST = 512


class EventsApi:
    """Answers of the calls under `/v1/events`."""

    def __init__(self, reader: EventReader, tracer: Tracer) -> None:
        self._reader, self._tracer = reader, tracer

    def get(self, request: Request) -> Document:
        """The stored envelope with `platform`, as the bytes that were stored."""
        params.only(request, ())
        identifier = _identifier(request)
        body = self._reader.body(request.authenticated.org, identifier) if identifier else None
        if body is None:
            raise _no_event()
        return Document(body, JSON)

    def trace(self, request: Request) -> dict[str, Any]:
        """The steps an event has taken."""
        params.only(request, ())
        identifier = _identifier(request)
        event = self._reader.get(request.authenticated.org, identifier) if identifier else None
        if event is None:
            raise _no_event()
        return self._tracer.trace(event)

    def list(self, request: Request) -> dict[str, Any]:
        """Whole stored envelopes, newest first, by exactly one of the filters."""
        params.only(request, (*FILTERS, "from", "to", "limit", "cursor"))
        given = [name for name in FILTERS if name in request.query]
        if len(given) != 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"give exactly one of {', '.join(FILTERS)}")
        (name,) = given
        org, limit = request.authenticated.org, params.limit(request)
        index = self._index(org, name, request.query[name])
        cursor = params.Cursor(org, {name: request.query.get(name) for name in (name, "from", "to")})
        after = cursor.read(request, order.is_position)
        since, until = params.moment(request, "from"), params.moment(request, "to")
        found = self._reader.listed(org, index, since, until, after, limit + 1)
        page, more = sizes.fitting(found, limit, lambda one: one.body)
        # What was stored stands in the answer as it is: nothing reads it, whatever it holds.
        items = [orjson.Fragment(one.body) for one in page]
        return {"items": items, "cursor": cursor.write(page[-1].position) if more else None}

    def _index(self, org: str, name: str, value: str) -> Index:
        index = self._named(org, name, value)
        if len(value) > _LONGEST or any(len(key.encode()) > _KEY_BYTES for key in index.values):
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} is too long")
        return index

    def _named(self, org: str, name: str, value: str) -> Index:
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


def _identifier(request: Request) -> str | None:
    """The id that is asked for; None for a text that no event can have as its id."""
    identifier = request.path.get("eventId", "")
    return identifier if len(identifier) == 36 and identifier.isascii() else None


def _no_event() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "there is no such event")
