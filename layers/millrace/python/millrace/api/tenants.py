"""Tenants over the API, for the platform's operator; and who calls, for everybody."""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from millrace.access import keys, tenants, users
from millrace.api.route import Call
from millrace.core import audit
from millrace.core.errors import PermanentError
from millrace.core.http import Caller, Problem
from millrace.core.table import Table

FIRST_ROLES = ("tenant-admin",)


class TenantsApi:
    """Answers of `/v1/tenants` and `/v1/me`."""

    def __init__(self, metadata: Table, pool: users.UserPool) -> None:
        """Makes no call."""
        self._metadata, self._pool = metadata, pool

    def list(self, call: Call) -> dict[str, Any]:
        """Every tenant, for the operator; for others their own."""
        if call.org != tenants.OPERATOR:
            own = tenants.get(self._metadata, call.org)
            return {"items": [own.to_json()] if own else [], "cursor": None}
        limit = call.values["limit"]
        found = tenants.listed(self._metadata, call.after(), limit)
        more = found[-1].org if len(found) == limit else None
        return {"items": [one.to_json() for one in found], "cursor": call.cursor(more)}

    def create(self, call: Call) -> dict[str, Any]:
        """Makes a tenant, and its first user, who administers it."""
        given, who = call.body, call.request.authenticated
        if call.org != tenants.OPERATOR:
            raise Problem(HTTPStatus.FORBIDDEN, f"tenants are made with a credential of {tenants.OPERATOR}")
        org, admin = given["org"], given.get("admin")
        try:
            tenants.check_org(org)
            address = None if admin is None else users.address(admin)
        except PermanentError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        taken = Problem(HTTPStatus.CONFLICT, f"there is a tenant {org} already")
        if tenants.get(self._metadata, org) is not None:
            raise taken
        audit.write(
            self._metadata, call.org, "tenants.create", who.principal, {"org": org}, call.request.request_id
        )
        # First, so that the call can be repeated until both are there.
        if address is not None:
            member = users.known(self._pool, org, address, FIRST_ROLES)
            told = {**member.audited, "roles": list(member.roles)}
            also = users.adding(member)
            audit.write(self._metadata, org, "users.invite", who.principal, told, also=also)
        made = tenants.create(self._metadata, org, name=given.get("name", ""), region=given.get("region"))
        if made is None:
            raise taken
        return made.to_json()

    def me(self, call: Call) -> dict[str, Any]:
        """Who calls, and what they may."""
        caller = call.request.authenticated
        return {
            "kind": caller.kind,
            "id": caller.id,
            "name": caller.principal,
            "org": caller.org,
            "roles": sorted(caller.roles),
            "rights": sorted(caller.scopes),
            "orgs": self._orgs(caller),
            "expiresAt": self._expiry(caller),
        }

    def _orgs(self, caller: Caller) -> Sequence[str]:
        if caller.kind != "user":
            return [caller.org]
        found = users.of_user(self._metadata, caller.id)
        return [one.org for one in found if one.status == users.ACTIVE]

    def _expiry(self, caller: Caller) -> str | None:
        """Of a key; the token of a user says it itself."""
        if caller.kind != "key" or not caller.id:
            return None
        held = keys.find(self._metadata, caller.id)
        ends = None if held is None else held.to_json()["expiresAt"]
        return None if ends is None else str(ends)
