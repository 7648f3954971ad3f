"""Access by request: what was asked for, who has to approve it, and what became of it. Pure; the policies decide who may do what to it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal

from millrace.access.actions import DATASET
from millrace.access.cedar import Entity, Question
from millrace.access.policies import moment, tenant
from millrace.access.roles import PRIVACY, ROLES, SERVICE_ACCOUNT
from millrace.access.visibility import PERSONAL
from millrace.core import clock

State = Literal["requested", "approved", "refused", "revoked"]
REQUESTED: State = "requested"
APPROVED: State = "approved"
REVOKED: State = "revoked"
# What a request is in answers, where its end has passed; it is stored nowhere, because nobody writes it at that moment.
EXPIRED = "expired"
STATES = ("requested", "approved", "refused", "revoked", EXPIRED)
LONGEST = timedelta(days=90)
# Personal data is given for these only, as `schemas/policies/grants.cedar` has it.
PERSONAL_PURPOSES = ("customer-support", "data-quality", "fraud-investigation", "legal-obligation")
PURPOSES = (
    *PERSONAL_PURPOSES,
    "marketing",
    "product-analytics",
    "research",
)


@dataclass(frozen=True, slots=True)
class Approval:
    """One approval: of which role, by whom, when."""

    role: str
    by: str
    name: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A request for access, and the access itself once it is approved.

    Attributes:
        id: unique in the tenant, in the order of time.
        org: the tenant.
        holder: id of the user or key that asked, and has it.
        name: of the holder.
        kind: `user` or `key`.
        dataset: such as `silver.transaction_created_v1` or `silver.*`; None for personal data.
        purpose: of `PURPOSES`.
        reason: in the holder's words.
        needs: the roles that approve it.
        approvals: those that were given.
        state: as it is stored.
        created_at: when it was asked for.
        until: when it ends.
        closed: who refused or revoked it, when, and why.
        version: rises with each change.
    """

    id: str
    org: str
    holder: str
    name: str
    kind: str
    dataset: str | None
    purpose: str
    reason: str
    needs: tuple[str, ...]
    created_at: datetime
    until: datetime
    approvals: tuple[Approval, ...] = ()
    state: State = REQUESTED
    closed: dict[str, str] | None = None
    version: int = 1

    @property
    def lacks(self) -> tuple[str, ...]:
        """Roles whose approval is still needed."""
        given = {one.role for one in self.approvals}
        return tuple(role for role in self.needs if role not in given)

    @property
    def scope(self) -> str:
        """What it adds to the scopes of its holder."""
        return PERSONAL if self.dataset is None else f"{DATASET}{self.dataset}"

    def shown_state(self, now: datetime) -> str:
        """Its state for people: what was not decided by its end, and what has ended, is `expired`."""
        return EXPIRED if self.state in (REQUESTED, APPROVED) and self.until <= now else self.state

    def approved(self, role: str, by: str, name: str, now: datetime) -> "Grant":
        """With one more approval; the last one makes it hold."""
        one = replace(self, approvals=(*self.approvals, Approval(role, by, name, now)))
        return replace(one, state=REQUESTED if one.lacks else APPROVED, version=self.version + 1)

    def ended(self, state: State, name: str, reason: str | None, now: datetime) -> "Grant":
        """Refused or revoked."""
        closed = {"by": name, "at": clock.utc_text(now)} | ({"reason": reason} if reason else {})
        return replace(self, state=state, closed=closed, version=self.version + 1)

    def to_json(self, now: datetime) -> dict[str, Any]:
        """As the API answers it."""
        closed = self.closed or {}
        return {
            "id": self.id,
            "holder": {"kind": self.kind, "id": self.holder, "name": self.name},
            "dataset": self.dataset,
            "personal": self.dataset is None,
            "purpose": self.purpose,
            "reason": self.reason,
            "state": self.shown_state(now),
            "needs": list(self.needs),
            "approvals": [
                {"role": one.role, "by": one.name, "at": clock.utc_text(one.at)} for one in self.approvals
            ],
            "createdAt": clock.utc_text(self.created_at),
            "until": clock.utc_text(self.until),
            "closedBy": closed.get("by"),
            "closedAt": closed.get("at"),
            "closedReason": closed.get("reason"),
        }


def needs(kind: str, roles: Iterable[str], *, personal: bool) -> tuple[str, ...]:
    """The roles that approve what a holder of these roles asks for; an approval of each, by different people.

    A service account's roles are those of a key, whichever others it has.
    """
    held = [*sorted(set(roles) & ROLES.keys()), *(() if kind == "user" else (SERVICE_ACCOUNT,))]
    wanted = [approver for role in held for approver in ROLES[role].approvers]
    return tuple(dict.fromkeys((*wanted, *((PRIVACY,) if personal else ()))))


def question(action: str, grant: Grant, caller_id: str, now: datetime) -> Question:
    """Whether a caller may do this to a grant, for the policies: `use`, `approve`, `refuse` or `revoke`."""
    resource = Entity(
        "Grant",
        f"{grant.org}/{grant.id}",
        {
            "tenant": tenant(grant.org).reference,
            "holder": grant.holder,
            "state": grant.state,
            "until": moment(grant.until),
            "personal": grant.dataset is None,
            "purpose": grant.purpose,
            "lacks": list(grant.lacks),
            "approvedBy": sorted({one.by for one in grant.approvals}),
        },
    )
    return Question(f"grant:{action}", resource, {"id": caller_id, "now": moment(now)})


def role_of(grant: Grant, roles: Iterable[str]) -> str | None:
    """The role that an approver with these roles gives an approval for: one, even if they have several of those that lack."""
    held = set(roles)
    return next((role for role in grant.lacks if role in held), None)


def refusal(action: str, grant: Grant, caller_id: str, roles: Sequence[str]) -> str:
    """Why the policies say no, in words for the caller."""
    if action == "revoke":
        return "a grant is revoked by its holder, by those who approve grants, or by an administrator of the tenant"
    if grant.holder == caller_id and action == "approve":
        return "nobody approves what they asked for themselves"
    if any(one.by == caller_id for one in grant.approvals):
        return "you have approved it already; the other approval is somebody else's"
    if role_of(grant, roles) is None:
        return f"it needs the approval of {' and '.join(grant.lacks)}"
    if grant.dataset is None and action == "approve":
        return f"personal data is not given for the purpose {grant.purpose}"
    return "the policies do not permit it"
