"""Tenants in the Metadata table: made, listed, suspended and resumed.

A tenant without a status is active: so are those that a key made, also of earlier versions.
"""

import re
from dataclasses import dataclass

from millrace.access import rows
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table

ACTIVE, SUSPENDED = "active", "suspended"
# Of the platform itself, which has no data: whoever holds a key of it may have the rights to tenants.
OPERATOR = "millrace-operator"
_ORG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant; `name` is for people, and `region` where its data must be, if that was said."""

    org: str
    name: str
    region: str | None
    status: str
    created_at: str | None

    def to_json(self) -> dict[str, str | None]:
        """As the API answers it."""
        return {
            "org": self.org,
            "name": self.name,
            "region": self.region,
            "status": self.status,
            "createdAt": self.created_at,
        }


def check_org(org: str) -> None:
    """Returns if a tenant may be called so.

    Raises:
        PermanentError: it may not.
    """
    if not _ORG.fullmatch(org) or org == rows.PLATFORM:
        raise PermanentError(f"{org!r} is not an org: use 1 to 63 of a-z, 0-9, _ and -, and not 'platform'")


def create(metadata: Table, org: str, *, name: str = "", region: str | None = None) -> Tenant | None:
    """Makes a tenant without keys; None if there is one of that org already, whatever its name.

    Raises:
        PermanentError: no tenant may be called so.
        MillraceError: the table did not take it.
    """
    check_org(org)
    made = Tenant(org, name or org, region, ACTIVE, clock.utc_text(clock.now()))
    item: Item = {**rows.tenant(org), "name": {"S": made.name}, "createdAt": {"S": str(made.created_at)}}
    if region:
        item["region"] = {"S": region}
    if metadata.insert(item, "entityTypeKey", doing="create tenant") is not None:
        return None
    return made


def suspend(metadata: Table, org: str) -> bool:
    """Has every credential of a tenant refused, within 60 seconds at the gateway; False if there is no such tenant.

    Raises:
        MillraceError: the table did not take it.
    """
    return _set_status(metadata, org, SUSPENDED)


def resume(metadata: Table, org: str) -> bool:
    """Lets a tenant's credentials in again; False if there is no such tenant.

    Raises:
        MillraceError: the table did not take it.
    """
    return _set_status(metadata, org, ACTIVE)


def is_suspended(metadata: Table, org: str) -> bool:
    """Whether credentials of a tenant are refused.

    Raises:
        RetryableError: the table did not answer.
    """
    item = metadata.get(rows.tenant(org), doing="look up tenant")
    return item is not None and _read(item).status == SUSPENDED


def get(metadata: Table, org: str) -> Tenant | None:
    """A tenant; None if there is none of that org.

    Raises:
        RetryableError: the table did not answer.
    """
    item = metadata.get(rows.tenant(org), consistent=True, doing="read tenant")
    return None if item is None else _read(item)


def listed(metadata: Table, after: str | None = None, most: int | None = None) -> list[Tenant]:
    """Tenants in the order of their orgs.

    Args:
        metadata: the table.
        after: the org behind which the list begins.
        most: tenants at most; None for all.

    Raises:
        MillraceError: the table did not answer.
    """
    values = {":tenants": {"S": keys.metadata(rows.PLATFORM, rows.TENANT)}}
    start = None if after is None else rows.tenant(after)
    found = metadata.query("entityTypeKey = :tenants", values, after=start, most=most, doing="list tenants")
    return [_read(item) for item in found]


def orgs(metadata: Table) -> list[str]:
    """The org of every tenant, the suspended ones too.

    Raises:
        MillraceError: the table did not answer.
    """
    return [one.org for one in listed(metadata)]


def _set_status(metadata: Table, org: str, status: str) -> bool:
    return metadata.update(
        rows.tenant(org),
        "SET #status = :status",
        condition="attribute_exists(entityId)",
        names={"#status": "status"},
        values={":status": {"S": status}},
        doing=f"set tenant {status}",
    )


def _read(item: Item) -> Tenant:
    org = item["entityId"]["S"]
    return Tenant(
        org=org,
        name=item["name"]["S"] if "name" in item else org,
        region=item.get("region", {}).get("S"),
        status=item.get("status", {}).get("S", ACTIVE),
        created_at=item.get("createdAt", {}).get("S"),
    )
