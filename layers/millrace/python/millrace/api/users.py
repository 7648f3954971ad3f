"""Users of a tenant over the API: invited, listed, given roles, disabled, signed out, removed."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from millrace.access import giving, users
from millrace.access.credentials import Principal
from millrace.access.grant_store import GrantStore
from millrace.access.roles import ROLES
from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.http import Problem
from millrace.core.table import Table

Rights = Callable[[Principal], Collection[str]]
# Somebody else changes the same user, or what they were granted, between reading and writing.
_TRIES = 5


class UsersApi:
    """Answers of `/v1/users` and `/v1/roles`."""

    def __init__(self, metadata: Table, pool: users.UserPool, rights: Rights) -> None:
        """Makes no call.

        Args:
            metadata: the table.
            pool: of the users.
            rights: what a principal may, by the policies in force.
        """
        self._metadata, self._pool, self._rights = metadata, pool, rights
        self._grants = GrantStore(metadata)

    def list(self, call: Call) -> dict[str, Any]:
        """Users of the caller's tenant, in the order of their ids."""
        limit = call.values["limit"]
        found = users.listed(self._metadata, call.org, call.after(), limit)
        more = found[-1].user if len(found) == limit else None
        return {"items": [one.to_json() for one in found], "cursor": call.cursor(more)}

    def invite(self, call: Call) -> dict[str, Any]:
        """Makes a user a member of the tenant; the pool mails those who are new to it."""
        given = call.body
        self._check_roles(call, given["roles"])
        try:
            member = users.known(self._pool, call.org, given["email"], given["roles"], given.get("name", ""))
        except PermanentError as error:
            raise Problem(HTTPStatus.BAD_REQUEST, str(error)) from error
        told = {**member.audited, "roles": list(member.roles)}
        if not self._audit(call, "users.invite", told, users.adding(member)):
            raise Problem(HTTPStatus.CONFLICT, "this user belongs to the tenant already")
        return member.to_json()

    def change(self, call: Call) -> dict[str, Any]:
        """Sets roles or status of a user, or has them sign in again."""
        given = call.body
        for _ in range(_TRIES):
            member, now = self._member(call), clock.now()
            if "roles" in given:
                self._check_roles(call, given["roles"])
            if self._is_caller(call, member) and given.keys() & {"roles", "status"}:
                raise Problem(HTTPStatus.FORBIDDEN, "nobody changes their own roles or status")
            writes = users.changing(
                member,
                roles=given.get("roles"),
                status=given.get("status"),
                signed_out_at=now if given.get("signOut") else None,
            )
            told = {**member.audited, **given}
            # What was granted was approved for what the user was.
            if set(member.roles) - set(given.get("roles", member.roles)):
                more, ends = self._ending(call, member, "a role of its holder was taken away", now)
                told |= more
                writes += ends
            if self._audit(call, "users.change", told, writes):
                return self._member(call).to_json()
        raise RetryableError("a user changes too often")

    def remove(self, call: Call) -> dict[str, Any]:
        """Ends a user's membership."""
        for _ in range(_TRIES):
            member = self._member(call)
            if self._is_caller(call, member):
                raise Problem(HTTPStatus.FORBIDDEN, "nobody removes themselves")
            told, ends = self._ending(call, member, "its holder was removed", clock.now())
            writes = [*users.removing(member), *ends]
            if self._audit(call, "users.remove", {**member.audited, **told}, writes):
                users.forget(self._metadata, self._pool, member.user)
                return {**member.to_json(), "status": "removed"}
        raise RetryableError("a user changes too often")

    def roles(self, call: Call) -> dict[str, Any]:
        """Roles that a user can have, and what each may."""
        return {
            "items": [
                {
                    "name": name,
                    "title": role.title,
                    "description": role.description,
                    "rights": sorted(self._of_role(call.org, name)),
                }
                for name, role in ROLES.items()
            ]
        }

    def _check_roles(self, call: Call, roles: Collection[str]) -> None:
        if unknown := sorted(set(roles) - ROLES.keys()):
            raise Problem(
                HTTPStatus.BAD_REQUEST, f"unknown roles: {', '.join(unknown)}; there are {', '.join(ROLES)}"
            )
        caller = call.request.authenticated
        asked = {role: self._of_role(call.org, role) for role in roles}
        if sentence := giving.refusal(caller.kind, caller.roles, caller.scopes, asked):
            raise Problem(HTTPStatus.FORBIDDEN, sentence)

    def _of_role(self, org: str, role: str) -> Collection[str]:
        return self._rights(Principal(org, role, (), kind="user", id=role, roles=(role,)))

    def _member(self, call: Call) -> users.Membership:
        found = users.get(self._metadata, call.org, call.values["id"])
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such user")
        return found

    def _is_caller(self, call: Call, member: users.Membership) -> bool:
        caller = call.request.authenticated
        return (caller.kind, caller.id) == ("user", member.user)

    def _ending(
        self, call: Call, member: users.Membership, reason: str, now: datetime
    ) -> tuple[dict[str, Any], Sequence[users.Action]]:
        """What the audit tells of the end of a user's grants and requests, and the writes that end them."""
        by = call.request.authenticated.principal
        ended, writes = self._grants.ending(call.org, member.user, by, reason, now)
        return {"grantsEnded": ended} if ended else {}, writes

    def _audit(self, call: Call, action: str, detail: dict[str, Any], also: Sequence[users.Action]) -> bool:
        """Writes a line with what it tells of, or neither; False where something has changed since it was read."""
        who, request = call.request.authenticated, call.request
        return audit.write(
            self._metadata, call.org, action, who.principal, detail, request.request_id, also=also
        )
