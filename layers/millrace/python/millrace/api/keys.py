"""Keys of a tenant over the API: listed, made, replaced, revoked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from http import HTTPStatus
from typing import Any

from millrace.access import giving, keys, rows
from millrace.access.credentials import Action, create_api_key, revoke_digest
from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.errors import PermanentError
from millrace.core.http import Problem
from millrace.core.table import Table

LONGEST_LIFE = timedelta(days=36_500)


class KeysApi:
    """Answers of `/v1/keys`."""

    def __init__(self, metadata: Table) -> None:
        """Makes no call."""
        self._metadata = metadata

    def list(self, call: Call) -> dict[str, Any]:
        """Keys of the caller's tenant, in the order of their ids; the keys themselves are not stored."""
        limit = call.values["limit"]
        found = keys.listed(self._metadata, call.org, call.after(), limit)
        # A key that expired while the page was read may be missing; the position stands for all before it.
        more = found[-1].id if len(found) == limit else None
        return {"items": [one.to_json() for one in found], "cursor": call.cursor(more)}

    def create(self, call: Call) -> dict[str, Any]:
        """A new key, shown this once."""
        given, caller = call.body, call.request.authenticated
        scopes, expires = sorted(set(given["scopes"])), self._expiry(given.get("expiresAt"))
        _refuse_beyond(caller.scopes, scopes)
        ends = None if expires is None else clock.utc_text(expires)
        told = {"name": given["name"], "scopes": scopes, "expiresAt": ends}
        try:
            key = create_api_key(
                self._metadata,
                org=call.org,
                name=given["name"],
                scopes=scopes,
                expires_at=expires,
                origins=given["origins"],
                write=partial(self._audit, call, "keys.create", told),
            )
        except PermanentError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        return self._shown(call, key)

    def rotate(self, call: Call) -> dict[str, Any]:
        """A key with the rights of another, which is refused after an overlap."""
        old, caller = self._key(call), call.request.authenticated
        _refuse_beyond(caller.scopes, old.scopes)
        hours = call.body["overlapHours"]
        told = {"id": old.id, "overlapHours": hours}
        write = partial(self._audit, call, "keys.rotate", told)
        key = keys.rotate(self._metadata, old, timedelta(hours=hours), write)
        if key is None:
            raise Problem(HTTPStatus.CONFLICT, "the key was revoked, has expired, or has a successor already")
        return self._shown(call, key)

    def revoke(self, call: Call) -> dict[str, Any]:
        """Has a key refused within 60 seconds."""
        old = self._key(call)
        self._audit(call, "keys.revoke", {"id": old.id})
        revoke_digest(self._metadata, old.id)
        return self._key(call).to_json()

    def _key(self, call: Call) -> keys.KeyRecord:
        found = keys.get(self._metadata, call.org, call.values["id"])
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such key")
        return found

    def _shown(self, call: Call, key: str) -> dict[str, Any]:
        made = keys.get(self._metadata, call.org, rows.digest(key))
        return {"key": key, **(made.to_json() if made is not None else {})}

    def _audit(self, call: Call, action: str, detail: dict[str, Any], also: Sequence[Action] = ()) -> bool:
        """Writes a line with what it tells of, or neither; False where a condition of that does not hold."""
        who, request = call.request.authenticated, call.request
        return audit.write(
            self._metadata, call.org, action, who.principal, detail, request.request_id, also=also
        )

    def _expiry(self, at: datetime | None) -> datetime | None:
        if at is None:
            return None
        now = clock.now()
        if not now < at <= now + LONGEST_LIFE:
            raise Problem(HTTPStatus.BAD_REQUEST, "expiresAt must lie ahead, within 100 years")
        return clock.as_utc(at)


def _refuse_beyond(held: frozenset[str], scopes: Any) -> None:
    lacking = giving.beyond(held, scopes)
    if lacking:
        raise Problem(
            HTTPStatus.FORBIDDEN, f"a key cannot have rights that its maker lacks: {', '.join(lacking[:5])}"
        )
