"""Events by id, lists by index, traces."""

from collections.abc import Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any

import orjson

from millrace.api.personal import Personal
from millrace.api.route import Call
from millrace.api.story import Story
from millrace.api.user_ids import UserIds
from millrace.contracts.contract import Contract
from millrace.contracts.stored_form import user_pointers
from millrace.core import sizes
from millrace.core.http import JSON, Document, Problem
from millrace.eventstore import order
from millrace.eventstore.reader import EventReader, Index
from millrace.eventstore.trace import Tracer
from millrace.privacy.reading import StoredBody

# What DynamoDB takes as a partition key; characters of a filter are bounded by the API's document.
_KEY_BYTES = 2048
# The index of a contract that each filter needs.
_NEEDED = {
    "eventType": "type",
    "userId": "user",
    "correlationId": "correlation",
    "sessionId": "session",
    "entity": "entity",
}
# Types that a story names of those that its filter does not find.
_MOST_TYPES = 100


class EventsApi:
    """Answers of the calls under `/v1/events`."""

    def __init__(
        self,
        reader: EventReader,
        tracer: Tracer,
        story: Story,
        contracts: Sequence[Contract],
        personal: Personal,
        user_ids: UserIds,
    ) -> None:
        """`contracts`: those in force."""
        self._reader, self._tracer, self._story, self._contracts = reader, tracer, story, contracts
        self._personal, self._user_ids = personal, user_ids
        self._indexes: dict[str, Callable[[str, str], Index]] = {
            "eventType": reader.of_type,
            "userId": self._of_user,
            "correlationId": reader.of_correlation,
            "sessionId": reader.of_session,
            "entity": self._of_entity,
        }

    def get(self, call: Call) -> Document:
        """The stored envelope with `platform`, as the bytes that were stored where nothing in it is protected."""
        event = self._reader.one(call.org, call.values["eventId"])
        if event is None:
            raise _no_event()
        (body,) = self._personal.shown(call, [StoredBody(event.event_type, event.body)])
        return Document(body, JSON)

    def trace(self, call: Call) -> dict[str, Any]:
        """The steps an event has taken."""
        event = self._reader.get(call.org, call.values["eventId"])
        if event is None:
            raise _no_event()
        return self._tracer.trace(event)

    def list(self, call: Call) -> dict[str, Any]:
        """Whole stored envelopes by exactly one of the filters: newest first, or as a story."""
        index, limit = self._index(call), call.values["limit"]
        since, until = call.values.get("from"), call.values.get("to")
        after = call.after(order.is_position)
        if call.values.get("story"):
            sees_alerts = "alerts:read" in call.request.authenticated.scopes
            told, position, without = self._story.page(
                call.org,
                index,
                since,
                until,
                after,
                limit,
                with_alerts=sees_alerts,
                personal=partial(self._personal.shown, call),
            )
            left_out = {**without, "types": _not_found(self._given(call), call, self._contracts)}
            return {"items": told, "cursor": call.cursor(position), "leftOut": left_out}
        listed = self._reader.listed(call.org, index, since, until, after, limit + 1)
        page, more = sizes.fitting(listed, limit, lambda event: event.body)
        # What was stored stands in the answer as it is, unless something in it is protected: nothing parses it, whatever it
        # holds. What is shown of a protected event is shorter than what is stored of it.
        bodies = self._personal.shown(call, [StoredBody(event.event_type, event.body) for event in page])
        items = [*map(orjson.Fragment, bodies)]
        return {"items": items, "cursor": call.cursor(page[-1].position if more else None)}

    def _of_user(self, org: str, user: str) -> Index:
        return self._reader.of_user(org, *reversed(self._user_ids.keys(org, user)))

    def _of_entity(self, org: str, value: str) -> Index:
        entity, name = value.split(":", 1)
        is_person = any(one.entity.get(entity) in user_pointers(one) for one in self._contracts)
        stored = reversed(self._user_ids.keys(org, name)) if is_person else (name,)
        return self._reader.of_entity(org, entity, *stored)

    def _given(self, call: Call) -> str:
        given = [name for name in self._indexes if name in call.values]
        if len(given) != 1:
            raise Problem(HTTPStatus.BAD_REQUEST, f"give exactly one of {', '.join(self._indexes)}")
        return given[0]

    def _index(self, call: Call) -> Index:
        name = self._given(call)
        index = self._indexes[name](call.org, call.values[name])
        if any(len(key.encode()) > _KEY_BYTES for key in index.values):
            raise Problem(HTTPStatus.BAD_REQUEST, f"{name} is too long")
        return index


def _not_found(name: str, call: Call, contracts: Sequence[Contract]) -> list[str]:
    """The tenant's types whose contract has no index for the filter of that name, sorted."""
    asked = call.values.get("eventType")
    types = {
        one.event_type
        for one in contracts
        if one.tenant in {None, call.org}
        and asked in {None, one.event_type}
        and _NEEDED[name] not in one.indexes
    }
    return sorted(types)[:_MOST_TYPES]


def _no_event() -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, "there is no such event")
