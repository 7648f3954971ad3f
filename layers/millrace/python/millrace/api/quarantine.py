"""Refused events: listed and read."""

import base64
from collections.abc import Iterable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import orjson

from millrace.access.visibility import PERSONAL
from millrace.api.personal import READ_PERSONAL
from millrace.api.route import Call
from millrace.contracts.registry import Registry
from millrace.core import audit, clock, sizes
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.privacy import places
from millrace.privacy.person import of_user
from millrace.privacy.subjects import ERASED, ERASING, RESTRICTED, Subjects
from millrace.quarantine.entry import KEPT_DAYS, is_id
from millrace.quarantine.mentions import Mentions
from millrace.quarantine.store import Filter, QuarantineStore

HIDDEN = frozenset({RESTRICTED, ERASING, ERASED})


class QuarantineApi:
    """Answers of the reads under `/v1/quarantine`."""

    def __init__(
        self, store: QuarantineStore, registry: Registry, metadata: Table, subjects: Subjects
    ) -> None:
        """`metadata`: where the audit is; `subjects`: people, of whom some are restricted."""
        self._store, self._registry, self._metadata, self._subjects = store, registry, metadata, subjects
        self._mentions = Mentions(registry)

    def list(self, call: Call) -> dict[str, Any]:
        """Refused events, newest first; without `from` as far back as they are kept."""
        matching = self._store.find(call.org, refused(call.values, call.after(is_id)))
        items, more = sizes.fitting(matching, call.values["limit"], orjson.dumps)
        return {"items": items, "cursor": call.cursor(items[-1]["quarantineId"] if more else None)}

    def get(self, call: Call) -> dict[str, Any]:
        """One refused event with its `raw`, which may be personal in any place unless its contract protects nothing.

        Who reads such a one in clear is written down before. Nobody reads one that names a person who is restricted, is being
        erased, or was erased and has not come back.
        """
        event = self._store.get(call.org, call.values["id"])
        if event is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such refused event")
        raw = event["raw"]
        text = base64.b64decode(raw) if event["rawEncoding"] == "base64" else raw.encode()
        named = self._mentions.of(text)
        if self._is_hidden(call.org, named.users):
            return {**event, "raw": None, "rawEncoding": None}
        contract = self._registry.described(event)
        if contract is not None and not places.of(contract) and named.whole:
            return event
        caller = call.request.authenticated
        if PERSONAL not in caller.scopes:
            return {**event, "raw": None, "rawEncoding": None}
        detail = {"call": call.request.route, "quarantineId": event["quarantineId"]}
        audit.write(
            self._metadata, call.org, READ_PERSONAL, caller.principal, detail, call.request.request_id
        )
        return event

    def _is_hidden(self, org: str, users: Iterable[str]) -> bool:
        people = self._subjects.known(org, map(of_user, users))
        return any(person.state in HIDDEN for person in people.values())


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
