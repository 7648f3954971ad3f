"""Who calls with a key or a token of ours: looked up at each call, or remembered for a minute."""

import base64
import time
from collections.abc import Callable

from millrace.access import rows, tenants
from millrace.access.credentials import CREDENTIAL, Principal
from millrace.core.table import Item, Table, is_expired

REMEMBERED_SECONDS = 60
_MOST_REMEMBERED = 10_000


class Credentials:
    """Looks credentials up. The gateway remembers an answer for 60 seconds; here nothing is remembered on top."""

    def __init__(self, metadata: Table, used: Callable[[str, Item], None] | None = None) -> None:
        """Makes no call.

        Args:
            metadata: the table.
            used: is told of each key that is accepted, with its item.
        """
        self._metadata, self._used = metadata, used

    def authenticate(self, header: str) -> Principal | None:
        """The principal of an `Authorization` header, or None for what is absent, unknown, revoked or expired.

        A key is a bearer token, or the password or the user's name of basic authentication, for clients that know no other.

        Raises:
            RetryableError: the table did not answer.
        """
        scheme, _, given = header.strip().partition(" ")
        return self.find(given.strip() if scheme.lower() == "bearer" else from_basic(header))

    def find(self, key: str) -> Principal | None:
        """The principal of a key, or None as for `authenticate`; also if its tenant is suspended.

        Raises:
            RetryableError: the table did not answer.
        """
        if not CREDENTIAL.fullmatch(key):
            return None
        digest = rows.digest(key)
        item = self._metadata.get(rows.credential(digest), doing="look up credential")
        if item is None or item["status"]["S"] != "active" or is_expired(item):
            return None
        if tenants.is_suspended(self._metadata, item["orgId"]["S"]):
            return None
        if self._used is not None:
            self._used(key, item)
        return Principal(
            org=item["orgId"]["S"],
            name=item["name"]["S"],
            scopes=tuple(sorted(item["scopes"]["SS"])),
            origins=tuple(item["origins"]["SS"]) if "origins" in item else (),
            id=digest,
            roles=tuple(sorted(item["roles"]["SS"])) if "roles" in item else (),
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
