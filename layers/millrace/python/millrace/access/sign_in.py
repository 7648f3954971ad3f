"""People who call with an access token of the user pool, for a tenant that they belong to.

The gateway remembers an answer by the `Authorization` header alone, so the tenant stands in it: `Bearer <org>/<token>`. A
header of its own would be passed over while an answer for another tenant is remembered.
"""

from typing import Protocol

from millrace.access import tenants, users
from millrace.access.access_tokens import SignIn
from millrace.access.credentials import Principal
from millrace.core.table import Table


class Verifier(Protocol):
    """What tells a valid token from others."""

    def verify(self, token: str) -> SignIn | None:
        """Who signed in, or None."""


class SignedIn:
    """Looks memberships up, as `Credentials` does with keys."""

    def __init__(self, metadata: Table, tokens: Verifier) -> None:
        """Makes no call."""
        self._metadata, self._tokens = metadata, tokens

    def authenticate(self, header: str) -> Principal | None:
        """The principal of an `Authorization` header; None for a token that is not valid, and a tenant that is not the user's.

        A user of one tenant need not name it. One of several who names none has no rights anywhere, so `GET /v1/me` can say
        which there are.

        Raises:
            RetryableError: the table did not answer, or the pool's keys cannot be read.
        """
        scheme, _, given = header.strip().partition(" ")
        org, _, token = given.strip().rpartition("/")
        if scheme.lower() != "bearer" or not token.startswith("ey"):
            return None
        sign_in = self._tokens.verify(token)
        if sign_in is None:
            return None
        chosen = self._memberships(sign_in, org)
        if not chosen:
            return None
        member = chosen[0]
        return Principal(
            org=member.org,
            name=member.name,
            scopes=(),
            kind="user",
            id=member.user,
            roles=member.roles if len(chosen) == 1 else (),
        )

    def _memberships(self, sign_in: SignIn, org: str) -> list[users.Membership]:
        """Those in force, of one tenant or of all, with tenants that are not suspended."""
        return [
            one
            for one in users.of_user(self._metadata, sign_in.user)
            if org in ("", one.org)
            and one.status == users.ACTIVE
            # Both are whole seconds: a sign-in of the same second may have been before.
            and sign_in.at > one.not_before
            and not tenants.is_suspended(self._metadata, one.org)
        ]
