"""Access by request: asked for, approved by the right people, refused, revoked, listed."""

from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any

from millrace.access import grants, users, visibility
from millrace.access.actions import LAYERS
from millrace.access.cedar import Policies
from millrace.access.grant_store import MOST_HELD, MOST_WAITING, Action, GrantStore, changes, new_id
from millrace.access.grants import APPROVED, REQUESTED, Grant
from millrace.access.policies import entity
from millrace.access.visibility import EVENTS, PERSONAL
from millrace.api.route import Call
from millrace.core import audit, clock
from millrace.core.errors import RetryableError
from millrace.core.http import Caller, Problem
from millrace.core.table import Table

# Whoever has one of these sees what others ask for, and why.
_SEE_ALL = frozenset({"grants:approve", "users:read"})
# Somebody else decides about the same request, or its holder asks for more, between reading and writing.
_TRIES = 5
_AUDITED = {
    "request": "grants.request",
    "approve": "grants.approve",
    "refuse": "grants.deny",
    "revoke": "grants.revoke",
}


class GrantsApi:
    """Answers of `/v1/grants`."""

    def __init__(
        self,
        store: GrantStore,
        metadata: Table,
        policies: Policies,
        tables: Callable[[], frozenset[str]],
    ) -> None:
        """Makes it.

        Args:
            store: of requests.
            metadata: takes the audit.
            policies: say who may do what to a request.
            tables: names of the lake's tables.
        """
        self._store, self._metadata, self._policies, self._tables = store, metadata, policies, tables

    def list(self, call: Call) -> dict[str, Any]:
        """Requests, the newest first: all of the tenant for those who decide, their own for others."""
        caller, given = call.request.authenticated, call.values
        own = given["mine"] or _SEE_ALL.isdisjoint(caller.scopes)
        limit = given["limit"]
        found = self._store.listed(
            call.org, call.after(), caller.id if own else None, given.get("state"), limit + 1
        )
        page, now = found[:limit], clock.now()
        cursor = call.cursor(page[-1].id if len(found) > limit else None)
        return {"items": [one.to_json(now) for one in page], "cursor": cursor}

    def request(self, call: Call) -> dict[str, Any]:
        """Asks for access; the answer says who has to approve it."""
        caller, given, now = call.request.authenticated, call.body, clock.now()
        grant = self._new(caller, given, now)
        said = {"dataset": grant.dataset, "purpose": grant.purpose, "reason": grant.reason}
        for _ in range(_TRIES):
            standing = self._store.standing(grant.org, grant.holder)
            known = standing.same(grant)
            before = None if known is None else self._store.get(grant.org, known)
            if before is not None:
                return before.to_json(now)
            if sum(end > now for end, _ in standing.waiting.values()) >= MOST_WAITING:
                raise Problem(
                    HTTPStatus.CONFLICT, f"{MOST_WAITING} of your requests wait already: revoke one of them"
                )
            if self._audit(call, "request", grant, said, changes([grant], standing, now)):
                return grant.to_json(now)
        raise RetryableError("grants of one holder change too often")

    def approve(self, call: Call) -> dict[str, Any]:
        """One approval; the last one that is needed makes the access hold."""

        def approved(grant: Grant, caller: Caller, now: datetime) -> Grant:
            role = grants.role_of(grant, caller.roles)
            if role is None:
                raise Problem(HTTPStatus.FORBIDDEN, grants.refusal("approve", grant, caller.id, ()))
            return grant.approved(role, caller.id, caller.principal, now)

        return self._decide(call, "approve", approved)

    def refuse(self, call: Call) -> dict[str, Any]:
        """Says no, for good: whoever still wants it asks anew."""
        return self._end(call, "refuse", "refused")

    def revoke(self, call: Call) -> dict[str, Any]:
        """Takes back what was given or asked for; it holds within 60 seconds."""
        return self._end(call, "revoke", "revoked")

    def _new(self, caller: Caller, given: dict[str, Any], now: datetime) -> Grant:
        dataset, personal, until = given.get("dataset"), given["personal"], clock.as_utc(given["until"])
        if (dataset is None) != personal:
            raise _bad("name either a dataset or personal: true")
        # Nobody could approve it.
        if personal and given["purpose"] not in grants.PERSONAL_PURPOSES:
            raise _bad(
                f"personal data is given for {', '.join(grants.PERSONAL_PURPOSES)}, and not for {given['purpose']}"
            )
        if not now < until <= now + grants.LONGEST:
            raise _bad(f"until must lie within {grants.LONGEST.days} days")
        if dataset is not None:
            self._check_dataset(caller, dataset)
        elif PERSONAL in caller.scopes:
            raise _bad("you have the right to personal data already")
        elif visibility.column(caller, EVENTS, "public") == "absent":
            raise _bad("personal data is shown where events are read, and you lack the right events:read")
        wanted = grants.needs(caller.kind, caller.roles, personal=personal)
        if not wanted:
            raise Problem(HTTPStatus.FORBIDDEN, "you have no role, so nobody could approve what you ask for")
        return Grant(
            new_id(now),
            caller.org,
            caller.id,
            caller.principal,
            caller.kind,
            dataset,
            given["purpose"],
            given["reason"],
            wanted,
            now,
            until,
        )

    def _check_dataset(self, caller: Caller, dataset: str) -> None:
        layer, _, name = dataset.partition(".")
        # Views of staging and raw are in no contract.
        if name != "*" and layer not in ("staging", "raw") and dataset not in self._tables():
            raise _bad(f"there is no dataset {dataset}; layers are {', '.join(LAYERS)}")
        scopes = visibility.scopes_of("dataset:", layer, dataset)
        if not scopes.isdisjoint(caller.scopes):
            raise _bad(f"you may read {dataset} already")

    def _end(self, call: Call, action: str, state: grants.State) -> dict[str, Any]:
        reason = call.body.get("reason")
        return self._decide(
            call, action, lambda grant, caller, now: grant.ended(state, caller.principal, reason, now)
        )

    def _decide(
        self, call: Call, action: str, change: Callable[[Grant, Caller, datetime], Grant]
    ) -> dict[str, Any]:
        caller, now = call.request.authenticated, clock.now()
        for _ in range(_TRIES):
            grant = self._store.get(call.org, call.values["id"])
            if grant is None:
                raise Problem(HTTPStatus.NOT_FOUND, "there is no such request")
            self._check(call, action, grant, now)
            if action == "approve":
                self._check_holder(grant)
            after, standing = change(grant, caller, now), self._store.standing(grant.org, grant.holder)
            held = [one for one in standing.held.values() if one.until > now]
            if after.state == APPROVED and len(held) >= MOST_HELD:
                raise Problem(
                    HTTPStatus.CONFLICT, f"its holder has {MOST_HELD} grants already: revoke one of them"
                )
            said = {"state": after.state, **(after.closed or {})}
            if self._audit(call, action, after, said, changes([after], standing, now)):
                return after.to_json(now)
        raise RetryableError("a grant changes too often")

    def _check(self, call: Call, action: str, grant: Grant, now: datetime) -> None:
        """Whether the policies permit it; 404 for what the caller may not even see.

        Raises:
            Problem: 404, 403, or 409 where it is too late for anybody.
        """
        caller = call.request.authenticated
        if grant.holder != caller.id and _SEE_ALL.isdisjoint(caller.scopes):
            raise Problem(HTTPStatus.NOT_FOUND, "there is no such request")
        state, open_ = grant.shown_state(now), (REQUESTED,) if action != "revoke" else (REQUESTED, APPROVED)
        if state not in open_:
            raise Problem(HTTPStatus.CONFLICT, f"it is {state}")
        if not self._policies.may(entity(caller), grants.question(action, grant, caller.id, now)):
            sentence = grants.refusal(action, grant, caller.id, sorted(caller.roles))
            self._audit(call, action, grant, {"denied": sentence})
            raise Problem(HTTPStatus.FORBIDDEN, sentence)

    def _check_holder(self, grant: Grant) -> None:
        """Whether a user who asked is still what they were then: who decides it follows from their roles.

        Raises:
            Problem: 409, they are removed or disabled, or the roles that they have now want another approval.
        """
        if grant.kind != "user":
            return
        member = users.get(self._metadata, grant.org, grant.holder)
        if member is None or member.status != users.ACTIVE:
            raise Problem(HTTPStatus.CONFLICT, "its holder is no active user of the tenant")
        wanted = grants.needs(grant.kind, member.roles, personal=grant.dataset is None)
        if not set(wanted) <= set(grant.needs):
            raise Problem(HTTPStatus.CONFLICT, "the roles of its holder have changed: they ask anew")

    def _audit(
        self, call: Call, action: str, grant: Grant, detail: dict[str, Any], also: Sequence[Action] = ()
    ) -> bool:
        """Writes a line with what it tells of, or neither; False where something has changed since it was read."""
        caller = call.request.authenticated
        named = _AUDITED[action] if "denied" not in detail else "access.denied"
        whole = {"grant": grant.id, "holder": grant.holder, "scope": grant.scope, **detail}
        return audit.write(
            self._metadata, call.org, named, caller.principal, whole, call.request.request_id, also=also
        )


def _bad(sentence: str) -> Problem:
    return Problem(HTTPStatus.BAD_REQUEST, sentence)
