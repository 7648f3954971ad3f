"""API keys of one tenant: listed, replaced with an overlap, and when each was used last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from millrace.access import credentials, rows
from millrace.access.credentials import Action, Write
from millrace.core import clock, keys
from millrace.core.table import Item, Table, is_expired

ACTIVE, EXPIRED = "active", "expired"
LONGEST_OVERLAP = timedelta(days=30)
# How exact the moment of the last use is: more would be a write for every minute of every key.
USE_KEPT = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """What is stored of a key; the key itself is not."""

    id: str
    org: str
    name: str
    # Its first characters; None of a key of an earlier version that was not used since.
    prefix: str | None
    scopes: tuple[str, ...]
    origins: tuple[str, ...]
    # `expired` holds before what the item says.
    status: str
    created_at: str
    expires_at: datetime | None
    last_used_at: str | None
    # The key that takes its place.
    replaced_by: str | None

    def to_json(self) -> dict[str, Any]:
        """As the API answers it."""
        return {
            "id": self.id,
            "org": self.org,
            "name": self.name,
            "prefix": self.prefix,
            "scopes": list(self.scopes),
            "origins": list(self.origins),
            "status": self.status,
            "createdAt": self.created_at,
            "expiresAt": None if self.expires_at is None else clock.utc_text(self.expires_at),
            "lastUsedAt": self.last_used_at,
            "replacedBy": self.replaced_by,
        }


def read(item: Item) -> KeyRecord:
    """The record of a credential's item."""
    expires = item.get("expiresAt")
    return KeyRecord(
        id=item["entityId"]["S"],
        org=item["orgId"]["S"],
        name=item["name"]["S"],
        prefix=item.get("prefix", {}).get("S"),
        scopes=tuple(sorted(item["scopes"]["SS"])),
        origins=tuple(sorted(item["origins"]["SS"])) if "origins" in item else (),
        status=EXPIRED if is_expired(item) else item["status"]["S"],
        created_at=item["createdAt"]["S"],
        expires_at=clock.from_epoch_millis(int(expires["N"]) * 1000) if expires else None,
        last_used_at=item.get("lastUsedAt", {}).get("S"),
        replaced_by=item.get("replacedBy", {}).get("S"),
    )


def get(metadata: Table, org: str, digest: str) -> KeyRecord | None:
    """A key of a tenant by its id; None where there is none, or it is another tenant's.

    Raises:
        RetryableError: the table did not answer.
    """
    item = metadata.get(rows.credential(digest), consistent=True, doing="read API key")
    return None if item is None or not _is_key(item, org) else read(item)


def find(metadata: Table, digest: str) -> KeyRecord | None:
    """What is stored of a key or a token, whose soever; None where there is none.

    Raises:
        RetryableError: the table did not answer.
    """
    item = metadata.get(rows.credential(digest), doing="read credential")
    return None if item is None else read(item)


def listed(metadata: Table, org: str, after: str | None = None, most: int | None = None) -> list[KeyRecord]:
    """The keys of a tenant, in the order of their ids; of keys of earlier versions, those that were used since.

    Args:
        metadata: the table.
        org: the tenant.
        after: the id behind which the list begins.
        most: keys at most; None for all.

    Raises:
        MillraceError: the table did not answer.
    """
    values = {":keys": {"S": keys.metadata(org, rows.KEY)}}
    start = None if after is None else rows.listed(org, after)
    found = metadata.query(
        "entityTypeKey = :keys", values, after=start, most=most, projection="entityId", doing="list API keys"
    )
    wanted = [rows.credential(one["entityId"]["S"]) for one in found]
    held = [item for item in metadata.batch_get(wanted, doing="list API keys") if _is_key(item, org)]
    return sorted(map(read, held), key=lambda one: one.id)


def in_partition(metadata: Table, beginning: str) -> list[Item]:
    """The items of keys whose ids begin with two hex digits, of every tenant.

    Raises:
        MillraceError: the table did not answer.
    """
    values = {":key": rows.credential(beginning)["entityTypeKey"]}
    found = metadata.query("entityTypeKey = :key", values, doing="list API keys")
    return [item for item in found if _is_key(item, item["orgId"]["S"])]


def list_older(metadata: Table, items: Iterable[Item]) -> None:
    """Puts keys of earlier versions into their tenants' lists; repeats change nothing.

    Raises:
        MillraceError: the table did not take it.
    """
    older = [_listed_as(item) for item in items if "prefix" not in item]
    if older:
        metadata.write_all(older, doing="list API keys")


def rotate(metadata: Table, old: KeyRecord, overlap: timedelta, write: Write | None = None) -> str | None:
    """Makes a key with the same holder and rights; the old one is refused after the overlap.

    One that expires has a successor of the same life.

    Args:
        metadata: the table.
        old: as it was read.
        overlap: for which the old one is still good.
        write: of the table, where more is written with the key, such as a line of the audit.

    Returns:
        The new key, this once; None if the old one is not active any more, or was replaced already.

    Raises:
        MillraceError: the table did not take it, and the old key is as it was.
    """
    now = clock.now()
    held: Item = {
        "orgId": {"S": old.org},
        "name": {"S": old.name},
        "scopes": {"SS": list(old.scopes)},
        "replaces": {"S": old.id},
    }
    if old.origins:
        held["origins"] = {"SS": list(old.origins)}
    life = None if old.expires_at is None else old.expires_at - clock.parse(old.created_at)
    key, actions = credentials.new_key(old.org, held, None if life is None else now + life)
    ends = now + min(overlap, LONGEST_OVERLAP)
    last = {"N": str(clock.epoch(ends if old.expires_at is None else min(ends, old.expires_at)))}
    replaced = {
        "Key": rows.credential(old.id),
        "UpdateExpression": "SET expiresAt = :last, replacedBy = :new",
        "ConditionExpression": "#status = :active AND attribute_not_exists(replacedBy)"
        " AND (attribute_not_exists(expiresAt) OR expiresAt > :now)",
        "ExpressionAttributeNames": {"#status": "status"},
        "ExpressionAttributeValues": {
            ":last": last,
            ":new": {"S": rows.digest(key)},
            ":active": {"S": ACTIVE},
            ":now": {"N": str(clock.epoch(now))},
        },
    }
    # So that no list names a key that is gone.
    pointer: Item = {**rows.listed(old.org, old.id), "expiresAt": last}
    writes: list[Action] = [*actions, {"Update": replaced}, {"Put": {"Item": pointer}}]
    done = metadata.transact(writes, doing="rotate API key") if write is None else write(writes)
    return key if done else None


def note_use(metadata: Table, key: str, item: Item) -> None:
    """Writes that a key was used, at most once an hour; a key of an earlier version is in its tenant's list from then on.

    Args:
        metadata: the table.
        key: the key itself.
        item: what is stored of it.

    Raises:
        MillraceError: the table did not take it.
    """
    now = clock.now()
    last = item.get("lastUsedAt", {}).get("S")
    if last is not None and last > clock.utc_text(now - USE_KEPT):
        return
    digest = item["entityId"]["S"]
    if "prefix" not in item:
        metadata.put(_listed_as(item), doing="list API key")
    metadata.update(
        rows.credential(digest),
        "SET lastUsedAt = :now, #prefix = :prefix",
        condition="attribute_exists(entityId)",
        names={"#prefix": "prefix"},
        values={
            ":now": {"S": clock.utc_text(now)},
            ":prefix": {"S": key[: credentials.SHOWN_CHARACTERS]},
        },
        doing="note use of API key",
    )


def _listed_as(item: Item) -> Item:
    """What the tenant's list has of a key: it is gone when the key is."""
    ends: Item = {"expiresAt": item["expiresAt"]} if "expiresAt" in item else {}
    return {**rows.listed(item["orgId"]["S"], item["entityId"]["S"]), **ends}


def _is_key(item: Item, org: str) -> bool:
    """Tokens, which live for minutes, are in no list."""
    return item["orgId"] == {"S": org} and "kind" not in item
