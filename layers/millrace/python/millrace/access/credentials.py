"""API keys in the Metadata table, below the SHA-256 of each (`access.rows`).

The key itself is shown once, when it is made, and stored nowhere; its first characters are, so that people know it again.
"""

import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from millrace.access import actions, rows, tenants
from millrace.contracts import formats
from millrace.contracts.contract import RESERVED_NAMES
from millrace.core import clock
from millrace.core.errors import PermanentError, RetryableError
from millrace.core.table import Item, Table, is_expired

PREFIX = "mk_"
# Of a token: it lives for minutes, and is looked up as a key is.
TOKEN_PREFIX = "mt_"  # noqa: S105  the beginning of each
# Of a key, what is kept to know it again: 48 of its 256 bits.
SHOWN_CHARACTERS = len(PREFIX) + 8
DATA_SCOPES = (*actions.DATA, actions.ALL_DATASETS)
ALL_SCOPES = (*actions.DATA, *actions.ADMINISTRATION, actions.ALL_DATASETS)
PUBLIC_SCOPE = actions.PUBLIC
# Of a transaction, as `Table.transact` takes it.
Action = dict[str, dict[str, Any]]
# Makes all of these writes or none; False where a condition did not hold.
Write = Callable[[list[Action]], bool]
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:([1-9][0-9]{0,4}))?")
_LAST_PORT = 65535
_NAME = formats.FORMATS["identifier"]
# `$` would match before a line's end as well; and half a surrogate pair is not text.
_PRINTABLE = re.compile(_NAME["pattern"].replace(formats.UNPRINTABLE, rf"{formats.UNPRINTABLE}\ud800-\udfff"))
CREDENTIAL = re.compile(rf"({PREFIX}|{TOKEN_PREFIX})[A-Za-z0-9_-]{{43}}")
_PREFIX = re.compile(r"[0-9a-f]{2,64}")


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a credential."""

    org: str
    name: str
    scopes: tuple[str, ...]
    # Of the pages that may send with a public key.
    origins: tuple[str, ...] = ()
    # `key` or `user`; and which one: the key's digest, or the user's id.
    kind: str = "key"
    id: str = ""
    roles: tuple[str, ...] = ()


def create_api_key(
    metadata: Table,
    *,
    org: str,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    origins: Sequence[str] = (),
    write: Write | None = None,
) -> str:
    """Makes a key of 256 random bits for a tenant and returns it; only its hash is stored.

    Args:
        metadata: the table.
        org: the tenant.
        name: of the holder.
        scopes: rights and datasets (`actions.is_scope`), or `PUBLIC_SCOPE` alone.
        expires_at: from when on it is refused.
        origins: of pages that may send with it, such as `https://shop.example`; for a public key only.
        write: of the table, where more is written with the key, such as a line of the audit.

    Raises:
        PermanentError: the org, a scope, an origin or the name is none we know how to write.
        MillraceError: the table did not take it.
    """
    tenants.check_org(org)
    unknown = sorted(scope for scope in set(scopes) if not actions.is_scope(scope))
    if unknown or not scopes or not name:
        known = ", ".join(ALL_SCOPES)
        raise PermanentError(f"a key needs a name and scopes of {known}, dataset:NAME; unknown: {unknown}")
    if sentence := actions.too_many(scopes):
        raise PermanentError(sentence)
    is_public = PUBLIC_SCOPE in scopes
    if is_public and set(scopes) != {PUBLIC_SCOPE}:
        raise PermanentError(f"a key with {PUBLIC_SCOPE} is read by everybody: it has no other scope")
    if wrong := [one for one in origins if not is_public or not _is_origin(one)]:
        raise PermanentError(f"{wrong[0]!r} is not an origin of a public key, such as https://shop.example")
    _check_name(name)
    held: Item = {"orgId": {"S": org}, "name": {"S": name}, "scopes": {"SS": sorted(set(scopes))}}
    if origins:
        held["origins"] = {"SS": sorted(set(origins))}
    key, writes = new_key(org, held, expires_at)
    # A tenant that is there stays as it is, suspended or not.
    metadata.insert(
        {**rows.tenant(org), "createdAt": {"S": clock.utc_text(clock.now())}},
        "entityTypeKey",
        doing="create tenant",
    )
    made = metadata.transact(writes, doing="create API key") if write is None else write(writes)
    if not made:
        raise RetryableError("create API key: the same call was answered already")
    return key


def new_key(org: str, held: Item, expires_at: datetime | None = None) -> tuple[str, list[Action]]:
    """A key of 256 random bits, and the writes of one transaction that make it.

    Args:
        org: the tenant.
        held: what the key's item has besides: name, rights, origins.
        expires_at: from when on it is refused.
    """
    key = PREFIX + secrets.token_urlsafe(32)
    digest = rows.digest(key)
    ends: Item = {} if expires_at is None else {"expiresAt": {"N": str(clock.epoch(expires_at))}}
    item: Item = {
        **held,
        **rows.credential(digest),
        "prefix": {"S": key[:SHOWN_CHARACTERS]},
        "status": {"S": "active"},
        "createdAt": {"S": clock.utc_text(clock.now())},
        **ends,
    }
    return key, [{"Put": {"Item": item}}, {"Put": {"Item": {**rows.listed(org, digest), **ends}}}]


def _is_origin(text: str) -> bool:
    found = _ORIGIN.fullmatch(text)
    return found is not None and int(found[2] or 1) <= _LAST_PORT


def _check_name(name: str) -> None:
    """Events without a source carry the name of the key that sent them: it keeps the rules of an `eventSource`."""
    if len(name) > _NAME["maxLength"] or not _PRINTABLE.fullmatch(name):
        raise PermanentError(f"{name[:80]!r} is not a valid name of a key: use {formats.NAMES['identifier']}")
    if name.lower().startswith(RESERVED_NAMES):
        raise PermanentError(
            f"{name!r} is not a valid name of a key: {RESERVED_NAMES} begins the platform's own names"
        )


def revoke_api_key(metadata: Table, key: str) -> bool:
    """Revokes a key, which the gateway forgets within 60 seconds; False if there is no such key.

    Raises:
        MillraceError: the table did not take it.
    """
    return revoke_digest(metadata, rows.digest(key))


def revoke_digest(metadata: Table, digest: str) -> bool:
    """Revokes the key with this SHA-256 (64 hex digits), as `revoke_api_key`; it revokes a lost key, too.

    Raises:
        MillraceError: the table did not take it.
    """
    return metadata.update(
        rows.credential(digest),
        "SET #status = :revoked",
        condition="attribute_exists(entityId)",
        names={"#status": "status"},
        values={":revoked": {"S": "revoked"}},
        doing="revoke API key",
    )


def digests_like(metadata: Table, prefix: str) -> list[str]:
    """The digests that begin with these hex digits, at least two of them; two answers are enough to know that many do.

    Raises:
        PermanentError: the prefix is none.
        MillraceError: the table did not answer.
    """
    if not _PREFIX.fullmatch(prefix):
        raise PermanentError(f"{prefix!r} is not the beginning of a key's id: 2 to 64 of 0-9 and a-f")
    found = metadata.query(
        "entityTypeKey = :key AND begins_with(entityId, :prefix)",
        {":key": rows.credential(prefix)["entityTypeKey"], ":prefix": {"S": prefix}},
        projection="entityId",
        most=2,
        doing="look for API key",
    )
    return [item["entityId"]["S"] for item in found]


@dataclass(frozen=True, slots=True)
class Holder:
    """Whose a key is, also if it is not accepted any more; `problem` says why in words, and is empty if it is."""

    org: str
    scopes: tuple[str, ...]
    problem: str


def holder(metadata: Table, key: str) -> Holder | None:
    """The holder of a key as stored; None for one that was never made, or is long gone.

    Raises:
        RetryableError: the table did not answer.
    """
    item = (
        metadata.get(rows.credential(rows.digest(key)), doing="look up credential")
        if CREDENTIAL.fullmatch(key)
        else None
    )
    if item is None:
        return None
    problem = ""
    if item["status"]["S"] != "active":
        problem = "was revoked"
    elif is_expired(item):
        problem = f"expired at {clock.utc_text(clock.from_epoch_millis(int(item['expiresAt']['N']) * 1000))}"
    return Holder(item["orgId"]["S"], tuple(sorted(item["scopes"]["SS"])), problem)
