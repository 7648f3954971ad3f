"""Sources over the API: what feeds intake for a tenant, and whether it is paused."""

from http import HTTPStatus
from typing import Any

from millrace.api.route import Call
from millrace.api.router import Function
from millrace.cdc.states import State as Place
from millrace.cdc.states import States as Places
from millrace.core import audit, clock
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.feeders import binding, states
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
            "POST /v1/sources/{name}/pause": self.pause,
            "POST /v1/sources/{name}/resume": self.resume,
        }

    def list(self, call: Call) -> dict[str, Any]:
        """The tenant's sources, by name."""
        known, mine = states.listed(self._metadata, call.org), self._mine(call)
        has_database = any(one.postgres is not None for one in mine)
        places = Places(self._metadata).listed(call.org) if has_database else {}
        items = [_shown(one, known.get(one.name, State()), places.get(one.name)) for one in mine]
        return {"items": items, "cursor": None}

    def pause(self, call: Call) -> dict[str, Any]:
        """Has a webhook's deliveries answered 503, within half a minute, so that they come again later; a database is not read."""
        return self._change(call, PAUSED)

    def resume(self, call: Call) -> dict[str, Any]:
        """Takes a webhook's deliveries, and reads a database, again."""
        return self._change(call, ACTIVE)

    def _change(self, call: Call, wanted: str) -> dict[str, Any]:
        found = [one for one in self._mine(call) if one.name == call.values["name"]]
        if not found:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such source")
        (source,) = found
        if source.webhook is None and source.postgres is None:
            sentence = (
                f"a source of kind {source.kind} cannot be paused: what it brings meanwhile would be lost"
            )
            raise Problem(HTTPStatus.CONFLICT, sentence)
        now = states.listed(self._metadata, call.org).get(source.name, State())
        place = None if source.postgres is None else Places(self._metadata).read(call.org, source.name)
        if now.state == wanted:
            return _shown(source, now, place)
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
        return _shown(source, state, place)

    def _mine(self, call: Call) -> tuple[Binding, ...]:
        """The tenant's sources, by name."""
        return tuple(one for one in binding.load(self._environment) if one.org == call.org)


def _shown(source: Binding, state: State, place: Place | None) -> dict[str, Any]:
    path = f"/v1/webhooks/{source.name}" if source.webhook is not None else None
    scheme = source.webhook.scheme if source.webhook is not None else None
    return {
        "name": source.name,
        "kind": source.kind,
        "scheme": scheme,
        "path": path,
        **state.to_json(),
        "reading": None if place is None else _reading(place),
    }


def _reading(place: Place) -> dict[str, Any]:
    """How far a database is read."""
    return {
        "status": place.status,
        "reason": place.message or None,
        "lagBytes": place.lag_bytes if place.read_at else None,
        "readAt": place.read_at or None,
    }
