"""Who of the user pool belongs to which tenant, with which roles: rows of ours, which the pool's groups cannot change.

- `platform#user#<id>` / org: a membership, as a sign-in looks it up.
- `<org>#user` / id: says that the tenant has the user, so that a list reads one partition.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from millrace.access import rows
from millrace.contracts import formats
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table

USER = "user"
ACTIVE, DISABLED = "active", "disabled"
# More memberships than this are not looked at when somebody signs in.
MOST_ORGS = 50
MOST_ROLES = 10
# Of a transaction, as `Table.transact` takes it.
Action = dict[str, dict[str, Any]]
_EMAIL = re.compile(
    rf"[^@\s{formats.UNPRINTABLE}\ud800-\udfff]{{1,64}}@[a-z0-9](?:[a-z0-9.-]{{0,250}}[a-z0-9])?"
)
_ROLE = re.compile(r"[a-z][a-z-]{0,62}")


class UserPool(Protocol):
    """Where users have their passwords."""

    def ensure(self, email: str) -> str:
        """The id of the user with this address, who is invited if there is none."""

    def remove(self, user: str) -> None:
        """Deletes a user, if there is one."""


@dataclass(frozen=True, slots=True)
class Membership:
    """That a user belongs to a tenant."""

    org: str
    user: str
    email: str
    # How audit and events call the user; the id where nobody said.
    name: str
    roles: tuple[str, ...]
    status: str
    created_at: str
    # Sign-ins before this moment, in seconds since 1970, are void for this tenant.
    not_before: int = 0

    @property
    def audited(self) -> dict[str, Any]:
        """How a line of the audit names the user: it is kept for years, so it has no address."""
        return {"id": self.user, **({"name": self.name} if self.name != self.user else {})}

    def to_json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "id": self.user,
            "org": self.org,
            "email": self.email,
            "name": self.name,
            "roles": list(self.roles),
            "status": self.status,
            "createdAt": self.created_at,
        }


def known(pool: UserPool, org: str, email: str, roles: Sequence[str], name: str = "") -> Membership:
    """The membership of a user, whom the pool knows, and tells by e-mail, from now on; `adding` has the writes that make it.

    Args:
        pool: of the users. One who is there already, perhaps of another tenant, stays as they are.
        org: the tenant.
        email: by which the user signs in.
        roles: at least one.
        name: of the user in audit and in events, where an address would be kept for years; the id if empty.

    Raises:
        PermanentError: the address or the roles are none.
        MillraceError: the pool did not take it; the same call may be repeated.
    """
    mail = address(email)
    check_roles(roles)
    user = pool.ensure(mail)
    return Membership(
        org, user, mail, name or user, tuple(sorted(set(roles))), ACTIVE, clock.utc_text(clock.now())
    )


def adding(member: Membership) -> list[Action]:
    """The writes of one transaction that make a membership, on the condition that the user has none of this tenant."""
    row = {"Item": _item(member), "ConditionExpression": "attribute_not_exists(entityId)"}
    return [{"Put": row}, {"Put": {"Item": of_org(member.org, member.user)}}]


def address(email: str) -> str:
    """An e-mail address in the one spelling that it is kept in.

    Raises:
        PermanentError: it is none.
    """
    spelt = email.strip().lower()
    if not _EMAIL.fullmatch(spelt):
        raise PermanentError("this is not an e-mail address such as ana@example.com")
    return spelt


def check_roles(roles: Sequence[str]) -> None:
    """Returns if a member can have these roles.

    Raises:
        PermanentError: they are none, too many, or not names of roles.
    """
    if not 0 < len(set(roles)) <= MOST_ROLES or not all(_ROLE.fullmatch(role) for role in roles):
        raise PermanentError(f"a user has 1 to {MOST_ROLES} roles, such as analyst")


def get(metadata: Table, org: str, user: str) -> Membership | None:
    """A member of a tenant; None if the user is none, whether of another tenant or of no one.

    Raises:
        RetryableError: the table did not answer.
    """
    item = metadata.get(membership(user, org), consistent=True, doing="read user")
    return None if item is None else _read(item)


def listed(metadata: Table, org: str, after: str | None = None, most: int | None = None) -> list[Membership]:
    """The members of a tenant, in the order of their ids.

    Args:
        metadata: the table.
        org: the tenant.
        after: the id behind which the list begins.
        most: members at most; None for all.

    Raises:
        MillraceError: the table did not answer.
    """
    values = {":users": {"S": keys.metadata(org, USER)}}
    start = None if after is None else of_org(org, after)
    found = metadata.query(
        "entityTypeKey = :users", values, after=start, most=most, projection="entityId", doing="list users"
    )
    wanted = [membership(one["entityId"]["S"], org) for one in found]
    return sorted(map(_read, metadata.batch_get(wanted, doing="list users")), key=lambda one: one.user)


def of_user(metadata: Table, user: str, *, consistent: bool = False) -> list[Membership]:
    """The memberships of a user, in the order of the tenants' names.

    Raises:
        RetryableError: the table did not answer.
    """
    values = {":user": {"S": keys.metadata(rows.PLATFORM, USER, user)}}
    found = metadata.query(
        "entityTypeKey = :user", values, most=MOST_ORGS, consistent=consistent, doing="look up user"
    )
    return [_read(item) for item in found]


def changing(
    member: Membership,
    *,
    roles: Sequence[str] | None = None,
    status: str | None = None,
    signed_out_at: datetime | None = None,
) -> list[Action]:
    """The writes that change a membership, on the condition that its roles are as they were read. It holds within 60 seconds.

    Args:
        member: as it was read.
        roles: all that the user has from now on.
        status: `active` or `disabled`.
        signed_out_at: the user has to sign in again for this tenant, wherever they did before this moment.

    Raises:
        PermanentError: the roles are none.
    """
    values: Item = {}
    if roles is not None:
        check_roles(roles)
        values["roles"] = {"SS": sorted(set(roles))}
    if status is not None:
        values["status"] = {"S": status}
    if signed_out_at is not None:
        values["notBefore"] = {"N": str(clock.epoch(signed_out_at))}
    if not values:
        return []
    return [
        {
            "Update": {
                "Key": membership(member.user, member.org),
                "UpdateExpression": "SET " + ", ".join(f"#{name} = :{name}" for name in values),
                "ConditionExpression": "#roles = :before",
                "ExpressionAttributeNames": {"#roles": "roles"} | {f"#{name}": name for name in values},
                "ExpressionAttributeValues": {
                    ":before": {"SS": list(member.roles)},
                    **{f":{name}": value for name, value in values.items()},
                },
            }
        }
    ]


def removing(member: Membership) -> list[Action]:
    """The writes that end a membership, on the condition that there is one; `forget` comes behind them."""
    row, pointer = _keys(member)
    return [
        {"Delete": {"Key": row, "ConditionExpression": "attribute_exists(entityId)"}},
        {"Delete": {"Key": pointer}},
    ]


def forget(metadata: Table, pool: UserPool, user: str) -> None:
    """Deletes a user from the pool where no tenant has them any more.

    Raises:
        MillraceError: the table or the pool did not take it.
    """
    if not of_user(metadata, user, consistent=True):
        pool.remove(user)


def membership(user: str, org: str) -> Item:
    """Where a membership lies."""
    return {
        "entityTypeKey": {"S": keys.metadata(rows.PLATFORM, USER, user)},
        "entityId": {"S": org},
    }


def of_org(org: str, user: str) -> Item:
    """Where it is said that the tenant has the user."""
    return {"entityTypeKey": {"S": keys.metadata(org, USER)}, "entityId": {"S": user}}


def _keys(member: Membership) -> tuple[Item, Item]:
    return membership(member.user, member.org), of_org(member.org, member.user)


def _item(member: Membership) -> Item:
    return {
        **membership(member.user, member.org),
        "email": {"S": member.email},
        "name": {"S": member.name},
        "roles": {"SS": list(member.roles)},
        "status": {"S": member.status},
        "createdAt": {"S": member.created_at},
    }


def _read(item: Item) -> Membership:
    return Membership(
        org=item["entityId"]["S"],
        user=keys.unescape(item["entityTypeKey"]["S"].rpartition(keys.SEPARATOR)[2]),
        email=item["email"]["S"],
        name=item["name"]["S"],
        roles=tuple(sorted(item["roles"]["SS"])),
        status=item["status"]["S"],
        created_at=item["createdAt"]["S"],
        not_before=int(item.get("notBefore", {}).get("N", "0")),
    )
