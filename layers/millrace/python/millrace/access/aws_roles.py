"""Roles of AWS that may call without a key: bound to a tenant and rights, and exchanged for a token of a quarter of an hour.

- `platform#aws-role` / `<account>/<role>`: a binding. The names of roles are unique in an account, whatever their paths, and
  the ARN of a session has no path.
- A token is a credential (`access.rows`) of the kind `token`.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace.access import actions, rows, tenants
from millrace.access.credentials import TOKEN_PREFIX
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table

AWS_ROLE = "aws-role"
TOKEN = "token"  # noqa: S105  a kind of credential
LIFE = timedelta(minutes=15)
_ACCOUNT = r"arn:aws[a-z-]*:(?:iam|sts)::(?P<account>[0-9]{12})"
_NAME = r"(?P<name>[A-Za-z0-9_+=,.@-]{1,64})"
_ROLE = re.compile(rf"{_ACCOUNT}:role/(?:[!-.0-~]{{1,64}}/){{0,8}}{_NAME}")
_SESSION = re.compile(rf"{_ACCOUNT}:assumed-role/{_NAME}/[A-Za-z0-9_+=,.@-]{{1,64}}")


@dataclass(frozen=True, slots=True)
class Binding:
    """What a role of AWS may; `role` is `<account>/<name>`."""

    role: str
    org: str
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Token:
    """A token, shown this once."""

    token: str
    org: str
    scopes: tuple[str, ...]
    expires_at: datetime


def bind(metadata: Table, arn: str, org: str, scopes: Sequence[str]) -> Binding:
    """Lets a role of AWS call for a tenant; a second binding of the same role replaces the first.

    Raises:
        PermanentError: this is no role, no tenant, or no right.
        MillraceError: the table did not take it.
    """
    tenants.check_org(org)
    unknown = sorted(scope for scope in set(scopes) if scope == actions.PUBLIC or not actions.is_scope(scope))
    if unknown or not scopes:
        raise PermanentError(f"a role needs rights of {', '.join(actions.ACTIONS)}; unknown: {unknown}")
    binding = Binding(_named(arn), org, tuple(sorted(set(scopes))))
    item: Item = {**_at(binding.role), "orgId": {"S": org}, "scopes": {"SS": list(binding.scopes)}}
    metadata.put(item, doing="bind role")
    return binding


def bound(metadata: Table, arn: str) -> Binding | None:
    """The binding of a role; None if there is none.

    Raises:
        PermanentError: this is no role.
        RetryableError: the table did not answer.
    """
    item = metadata.get(_at(_named(arn)), consistent=True, doing="read role")
    return None if item is None else _read(item)


def unbind(metadata: Table, arn: str) -> bool:
    """Ends a binding, and its tokens with it within a quarter of an hour; False if there was none.

    Raises:
        PermanentError: this is no role.
        MillraceError: the table did not take it.
    """
    return metadata.delete(_at(_named(arn)), condition="attribute_exists(entityId)", doing="unbind role")


def listed(metadata: Table) -> list[Binding]:
    """Every binding.

    Raises:
        MillraceError: the table did not answer.
    """
    values = {":roles": {"S": keys.metadata(rows.PLATFORM, AWS_ROLE)}}
    return [_read(item) for item in metadata.query("entityTypeKey = :roles", values, doing="list roles")]


def find(metadata: Table, session: str) -> Binding | None:
    """The binding of whoever called, by the ARN that the gateway found out; None if there is none, or the tenant is suspended.

    Raises:
        RetryableError: the table did not answer.
    """
    match = _SESSION.fullmatch(session)
    if match is None:
        return None
    item = metadata.get(_at(f"{match['account']}/{match['name']}"), consistent=True, doing="look up role")
    if item is None or tenants.is_suspended(metadata, item["orgId"]["S"]):
        return None
    return _read(item)


def new_token(metadata: Table, binding: Binding) -> Token:
    """A token with the rights of a binding.

    Raises:
        MillraceError: the table did not take it.
    """
    # An expiry is stored in whole seconds.
    now = clock.now().replace(microsecond=0)
    made = Token(TOKEN_PREFIX + secrets.token_urlsafe(32), binding.org, binding.scopes, now + LIFE)
    item: Item = {
        **rows.credential(rows.digest(made.token)),
        "kind": {"S": TOKEN},
        "orgId": {"S": binding.org},
        "name": {"S": f"aws/{binding.role}"},
        "scopes": {"SS": list(binding.scopes)},
        "status": {"S": "active"},
        "createdAt": {"S": clock.utc_text(now)},
        "expiresAt": {"N": str(clock.epoch(made.expires_at))},
    }
    metadata.put(item, doing="give out token")
    return made


def _named(arn: str) -> str:
    match = _ROLE.fullmatch(arn)
    if match is None:
        raise PermanentError(
            f"{arn[:200]!r} is no role of AWS, such as arn:aws:iam::111122223333:role/loader"
        )
    return f"{match['account']}/{match['name']}"


def _at(role: str) -> Item:
    return {"entityTypeKey": {"S": keys.metadata(rows.PLATFORM, AWS_ROLE)}, "entityId": {"S": role}}


def _read(item: Item) -> Binding:
    return Binding(item["entityId"]["S"], item["orgId"]["S"], tuple(sorted(item["scopes"]["SS"])))
