"""Sources over the API: what feeds intake for a tenant, and whether it is paused."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.api.router import Function
from millrace.cdc.states import State as Place
from millrace.cdc.states import States as Places
from millrace.core import audit, clock
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.feeders import binding, hours, states
from millrace.feeders.binding import Binding
from millrace.feeders.states import ACTIVE, PAUSED, State


class SourcesApi:
    """Answers of `/v1/sources`."""

    def __init__(self, metadata: Table, environment: str) -> None:
        """Makes no call; `environment` says which sources there are."""
        self._metadata, self._environment = metadata, environment

    def functions(self) -> dict[str, Function]:
        """By route."""
        return {
            "GET /v1/sources": self.list,
            "GET /v1/sources/{name}": self.show,
            "POST /v1/sources/{name}/pause": self.pause,
            "POST /v1/sources/{name}/resume": self.resume,
        }

    def list(self, call: Call) -> dict[str, Any]:
        """The tenant's sources, by name."""
        known = states.listed(self._metadata, call.org)
        mine = [one for one in self._sources() if one.org == call.org]
        databases = [one.name for one in mine if one.postgres is not None]
        places = dict.fromkeys(databases, Place())
        if databases:
            places |= Places(self._metadata).listed(call.org)
        items = [self._shown(one, known.get(one.name, State()), places.get(one.name)) for one in mine]
        return {"items": items, "cursor": None}

    def show(self, call: Call) -> dict[str, Any]:
        """A source, with what it has brought in each hour, the newest first; hours in which nothing came are left out."""
        source, now = self._source(call), clock.now()
        back = timedelta(hours=call.values["hours"] - 1)
        found = hours.read(self._metadata, call.org, source.name, now - back, now)
        state = states.listed(self._metadata, call.org).get(source.name, State())
        by_hour = [{"hour": f"{hour}:00:00Z", **one.to_json()} for hour, one in reversed(found.items())]
        return {**self._shown(source, state, self._place(source)), "hours": by_hour}

    def pause(self, call: Call) -> dict[str, Any]:
        """Has a webhook's deliveries answered 503, within half a minute, so that they come again later; a database is not read."""
        return self._change(call, PAUSED)

    def resume(self, call: Call) -> dict[str, Any]:
        """Takes a webhook's deliveries, and reads a database, again."""
        return self._change(call, ACTIVE)

    def _change(self, call: Call, wanted: str) -> dict[str, Any]:
        source = self._source(call)
        if source.kind not in states.PAUSABLE:
            why = states.NOT_PAUSED.get(source.kind, "its sender does not bring later what is not taken now")
            raise Problem(HTTPStatus.CONFLICT, f"a source of kind {source.kind} cannot be paused: {why}")
        now = states.listed(self._metadata, call.org).get(source.name, State())
        if now.state == wanted:
            return self._shown(source, now, self._place(source))
        who = call.request.authenticated
        state = State(wanted, clock.utc_text(clock.now()), who.principal)
        written = audit.write(
            self._metadata,
            call.org,
            "sources.pause" if wanted == PAUSED else "sources.resume",
            who.principal,
            {"source": source.name},
            also=[{"Put": {"Item": states.row(call.org, source.name, state)}}],
        )
        if not written:
            raise Problem(HTTPStatus.CONFLICT, "the source was changed at the same time: look, and try again")
        return self._shown(source, state, self._place(source))

    def _source(self, call: Call) -> Binding:
        """The tenant's source that a call names.

        Raises:
            Problem: 404.
        """
        found = [one for one in self._sources() if (one.org, one.name) == (call.org, call.values["name"])]
        if not found:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such source")
        return found[0]

    def _sources(self) -> tuple[Binding, ...]:
        return binding.load(self._environment)

    def _place(self, source: Binding) -> Place | None:
        """How far a database is read."""
        return None if source.postgres is None else Places(self._metadata).read(source.org, source.name)

    def _shown(self, source: Binding, state: State, place: Place | None) -> dict[str, Any]:
        path = f"/v1/webhooks/{source.name}" if source.webhook is not None else None
        scheme = source.webhook.scheme if source.webhook is not None else None
        seen = hours.last_at(self._metadata, source.org, source.name)
        return {
            "name": source.name,
            "kind": source.kind,
            "scheme": scheme,
            "path": path,
            **state.to_json(),
            "lastSeenAt": seen,
            "freshnessSeconds": source.freshness,
            "late": state.state == ACTIVE and hours.is_late(seen, source.freshness, clock.now()),
            "reading": None if place is None else _reading(place),
        }


def _reading(place: Place) -> dict[str, Any]:
    return {
        "status": place.status,
        "reason": place.message or None,
        "lagBytes": place.lag_bytes if place.read_at else None,
        "readAt": place.read_at or None,
    }
