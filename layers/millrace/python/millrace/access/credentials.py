"""API keys in the Metadata table: `platform#credential#<2 hex>` / SHA-256 of the key.

The key itself is shown once, when it is made, and stored nowhere.
"""

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace.contracts import formats
from millrace.contracts.contract import RESERVED_NAMES
from millrace.core import clock, keys
from millrace.core.errors import PermanentError
from millrace.core.table import Item, Table, is_expired

PREFIX = "mk_"
PLATFORM = "platform"
KIND = "credential"
TENANT = "tenant"
ALL_SCOPES = (
    "events:write",
    "events:read",
    "schemas:read",
    "quarantine:read",
    "quarantine:write",
    "fraud:read",
    "catalog:read",
    "features:read",
    "alerts:read",
    "alerts:write",
)
# Of a key that stands in a page for all to read: it sends events, and may have no other right.
PUBLIC_SCOPE = "events:write:public"
REMEMBERED_SECONDS = 60
_MOST_REMEMBERED = 10_000
_ORIGIN = re.compile(r"https?://[a-z0-9.-]{1,253}(:[0-9]{1,5})?")
_NAME = formats.FORMATS["identifier"]
# `$` would match before a line's end as well; and half a surrogate pair is not text.
_PRINTABLE = re.compile(_NAME["pattern"].replace(formats.UNPRINTABLE, rf"{formats.UNPRINTABLE}\ud800-\udfff"))
_ORG = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
_KEY = re.compile(r"mk_[A-Za-z0-9_-]{43}")
_PREFIX = re.compile(r"[0-9a-f]{2,64}")


@dataclass(frozen=True, slots=True)
class Principal:
    """The holder of a credential."""

    org: str
    name: str
    scopes: tuple[str, ...]
    # Of the pages that may send with a public key.
    origins: tuple[str, ...] = ()


def create_api_key(
    metadata: Table,
    *,
    org: str,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None = None,
    origins: Sequence[str] = (),
) -> str:
    """Makes a key of 256 random bits for a tenant and returns it; only its hash is stored.

    Args:
        metadata: the table.
        org: the tenant.
        name: of the holder.
        scopes: of `ALL_SCOPES`, or `PUBLIC_SCOPE` alone.
        expires_at: from when on it is refused.
        origins: of pages that may send with it, such as `https://shop.example`; for a public key only.

    Raises:
        PermanentError: the org, a scope, an origin or the name is none we know how to write.
        MillraceError: the table did not take it.
    """
    if not _ORG.fullmatch(org) or org == PLATFORM:
        raise PermanentError(f"{org!r} is not an org: use 1 to 63 of a-z, 0-9, _ and -, and not 'platform'")
    unknown = sorted(set(scopes) - {*ALL_SCOPES, PUBLIC_SCOPE})
    if unknown or not scopes or not name:
        raise PermanentError(f"a key needs a name and scopes of {', '.join(ALL_SCOPES)}; unknown: {unknown}")
    is_public = PUBLIC_SCOPE in scopes
    if is_public and set(scopes) != {PUBLIC_SCOPE}:
        raise PermanentError(f"a key with {PUBLIC_SCOPE} is read by everybody: it has no other scope")
    if wrong := [one for one in origins if not is_public or not _ORIGIN.fullmatch(one)]:
        raise PermanentError(f"{wrong[0]!r} is not an origin of a public key, such as https://shop.example")
    _check_name(name)
    key = PREFIX + secrets.token_urlsafe(32)
    digest = _digest(key)
    item: Item = {
        **_key(digest),
        "orgId": {"S": org},
        "name": {"S": name},
        "scopes": {"SS": sorted(set(scopes))},
        "status": {"S": "active"},
        "createdAt": {"S": clock.utc_text(clock.now())},
    }
    if origins:
        item["origins"] = {"SS": sorted(set(origins))}
    if expires_at is not None:
        item["expiresAt"] = {"N": str(clock.epoch(expires_at))}
    tenant = {"entityTypeKey": {"S": keys.metadata(PLATFORM, TENANT)}, "entityId": {"S": org}}
    metadata.write_all([tenant, item])
    return key


def _check_name(name: str) -> None:
    """Events without a source carry the name of the key that sent them: it keeps the rules of an `eventSource`."""
    if len(name) > _NAME["maxLength"] or not _PRINTABLE.fullmatch(name):
        raise PermanentError(f"{name[:80]!r} is not a valid name of a key: use {formats.NAMES['identifier']}")
    if name.lower().startswith(RESERVED_NAMES):
        raise PermanentError(
            f"{name!r} is not a valid name of a key: {RESERVED_NAMES} begins the platform's own names"
        )


def orgs(metadata: Table) -> list[str]:
    """Every tenant that was ever given a credential.

    Raises:
        MillraceError: the table did not answer.
    """
    tenants = {":tenants": {"S": keys.metadata(PLATFORM, TENANT)}}
    rows = metadata.query("entityTypeKey = :tenants", tenants, doing="list tenants")
    return [row["entityId"]["S"] for row in rows]


def revoke_api_key(metadata: Table, key: str) -> bool:
    """Revokes a key, which the gateway forgets within 60 seconds; False if there is no such key.

    Raises:
        MillraceError: the table did not take it.
    """
    return revoke_digest(metadata, _digest(key))


def revoke_digest(metadata: Table, digest: str) -> bool:
    """Revokes the key with this SHA-256 (64 hex digits), as `revoke_api_key`; it revokes a lost key, too.

    Raises:
        MillraceError: the table did not take it.
    """
    return metadata.update(
        _key(digest),
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
    rows = metadata.query(
        "entityTypeKey = :key AND begins_with(entityId, :prefix)",
        {":key": {"S": _partition(prefix)}, ":prefix": {"S": prefix}},
        projection="entityId",
        most=2,
        doing="look for API key",
    )
    return [row["entityId"]["S"] for row in rows]


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
    item = metadata.get(_key(_digest(key)), doing="look up credential") if _KEY.fullmatch(key) else None
    if item is None:
        return None
    problem = ""
    if item["status"]["S"] != "active":
        problem = "was revoked"
    elif is_expired(item):
        problem = f"expired at {clock.utc_text(clock.from_epoch_millis(int(item['expiresAt']['N']) * 1000))}"
    return Holder(item["orgId"]["S"], tuple(sorted(item["scopes"]["SS"])), problem)


class Credentials:
    """Looks credentials up. The gateway remembers an answer for 60 seconds; here nothing is remembered on top."""

    def __init__(self, metadata: Table) -> None:
        self._metadata = metadata

    def authenticate(self, header: str) -> Principal | None:
        """The principal of an `Authorization` header, or None for what is absent, unknown, revoked or expired.

        A key is a bearer token, or the password or the user's name of basic authentication, for clients that know no other.

        Raises:
            RetryableError: the table did not answer.
        """
        scheme, _, given = header.strip().partition(" ")
        return self.find(given.strip() if scheme.lower() == "bearer" else from_basic(header))

    def find(self, key: str) -> Principal | None:
        """The principal of a key, or None as for `authenticate`.

        Raises:
            RetryableError: the table did not answer.
        """
        return self._look_up(_digest(key)) if _KEY.fullmatch(key) else None

    def _look_up(self, digest: str) -> Principal | None:
        item = self._metadata.get(_key(digest), doing="look up credential")
        if item is None or item["status"]["S"] != "active" or is_expired(item):
            return None
        return Principal(
            org=item["orgId"]["S"],
            name=item["name"]["S"],
            scopes=tuple(sorted(item["scopes"]["SS"])),
            origins=tuple(item["origins"]["SS"]) if "origins" in item else (),
        )


class RememberedKeys:
    """Keys of doors that the gateway leaves open: an answer is remembered for 60 seconds, as the gateway does for others."""

    def __init__(self, credentials: Credentials, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials, self._clock = credentials, clock
        self._known: dict[str, tuple[float, Principal | None]] = {}

    def find(self, key: str) -> Principal | None:
        """The principal of a key, or None for one that is unknown, revoked or expired.

        Raises:
            RetryableError: the table did not answer.
        """
        moment = self._clock()
        until, principal = self._known.get(key, (moment, None))
        if moment >= until:
            principal = self._credentials.find(key)
            if len(self._known) >= _MOST_REMEMBERED:
                self._known.clear()
            self._known[key] = (moment + REMEMBERED_SECONDS, principal)
        return principal


def from_basic(header: str) -> str:
    """What an `Authorization` header of basic authentication gives as a key; empty where it gives none."""
    scheme, _, given = header.strip().partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        user, _, password = base64.b64decode(given.strip(), validate=True).decode("ascii").partition(":")
    except ValueError:
        return ""
    return password or user


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _key(digest: str) -> Item:
    return {"entityTypeKey": {"S": _partition(digest)}, "entityId": {"S": digest}}


def _partition(digest: str) -> str:
    return keys.metadata(PLATFORM, KIND, digest[:2])
