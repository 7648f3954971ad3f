"""Access tokens of the user pool: who signed in, when, and that it was here (RFC 7519, RFC 8725).

What a token says of groups and of tenants is not read: memberships are rows of ours (`access.users`).
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-tokens-verifying-a-jwt.html
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import urllib3

from millrace.core.aws import client
from millrace.core.errors import RetryableError

ALGORITHM = "RS256"
# How far two clocks may be apart.
SKEW_SECONDS = 30
# A pool has two keys, and changes them about once in years.
KEYS_KEPT_SECONDS = 24 * 3600
# A token of an unknown key makes the keys be read again: so often at most, whoever sends such tokens.
PAUSE_SECONDS = 60
# The same after a read that failed.
RETRY_SECONDS = 5
MOST_KEYS = 10
MOST_BYTES = 64 * 1024
CONNECT_SECONDS, READ_SECONDS = 1, 2
# Beyond it nothing is parsed: API Gateway takes 10 KB of headers.
MOST_CHARACTERS = 8192
_REQUIRED = ["exp", "iat", "iss", "sub", "auth_time", "client_id", "token_use"]

Document = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class SignIn:
    """A user of the pool, and when they gave their password: seconds since 1970, also of tokens renewed since."""

    user: str
    at: int


class AccessTokens:
    """Verifies tokens with the pool's public keys, which are kept and read again with bounds."""

    def __init__(
        self,
        *,
        issuer: str,
        client_id: str,
        read_keys: Callable[[], Document],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Reads nothing yet.

        Args:
            issuer: the pool, as `https://cognito-idp.<region>.amazonaws.com/<pool>`.
            client_id: the app client that tokens are of.
            read_keys: reads the pool's JSON Web Key Set.
            clock: seconds that only grow.
        """
        self._issuer, self._client_id = issuer, client_id
        self._read_keys, self._clock = read_keys, clock
        self._keys: dict[str, Any] = {}
        self._next_read = self._keys_end = float("-inf")

    def verify(self, token: str) -> SignIn | None:
        """Who signed in; None for whatever is no valid access token of this pool and client.

        Raises:
            RetryableError: the pool's keys could not be read.
        """
        # Only who sends a token waits for the import.
        import jwt  # noqa: PLC0415

        if len(token) > MOST_CHARACTERS or token.count(".") != 2:
            return None
        try:
            header = jwt.get_unverified_header(token)
            name = header.get("kid")
            if header.get("alg") != ALGORITHM or not isinstance(name, str):
                return None
            key = self._key(name)
            if key is None:
                return None
            claims = jwt.decode(
                token,
                key,
                # Never what the token says: https://www.rfc-editor.org/rfc/rfc8725#section-3.1
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                leeway=SKEW_SECONDS,
                options={"require": _REQUIRED, "verify_aud": False},
            )
        except (jwt.PyJWTError, ValueError, RecursionError):
            return None
        user, at = claims["sub"], claims["auth_time"]
        mine = (claims["client_id"], claims["token_use"]) == (self._client_id, "access")
        if not mine or not isinstance(user, str) or not user or not _is_whole(at):
            return None
        return SignIn(user, at)

    def _key(self, name: str) -> Any:
        now = self._clock()
        if (name not in self._keys and now >= self._next_read) or now >= self._keys_end:
            self._renew(now)
        return self._keys.get(name)

    def _renew(self, now: float) -> None:
        if now < self._next_read:
            if not self._keys:
                raise RetryableError("read keys of user pool: failed a moment ago")
            return
        self._next_read = now + RETRY_SECONDS
        try:
            self._keys = _public_keys(self._read_keys())
        except RetryableError:
            # A key that is known stays good while the pool does not answer.
            if not self._keys:
                raise
            return
        self._next_read, self._keys_end = now + PAUSE_SECONDS, now + KEYS_KEPT_SECONDS


def key_set(issuer: str) -> Document:
    """The JSON Web Key Set of a user pool, read over HTTPS, or from the emulator where that answers in AWS's place.

    Raises:
        RetryableError: there was no answer, or none that can be read.
    """
    endpoint = client("cognito-idp").meta.endpoint_url.rstrip("/")
    url = f"{endpoint}/{issuer.rpartition('/')[2]}/.well-known/jwks.json"
    timeout = urllib3.Timeout(connect=CONNECT_SECONDS, read=READ_SECONDS)
    try:
        with urllib3.PoolManager(retries=urllib3.Retry(1, redirect=False), timeout=timeout) as pool:
            answer = pool.request("GET", url, preload_content=False)
            body, status = answer.read(MOST_BYTES), answer.status
            answer.release_conn()
        document = json.loads(body)
    except (urllib3.exceptions.HTTPError, ValueError) as error:
        raise RetryableError(f"read keys of user pool: {type(error).__name__}") from error
    if status != HTTPStatus.OK or not isinstance(document, dict):
        raise RetryableError(f"read keys of user pool: status {status}")
    return document


def _public_keys(document: Document) -> dict[str, Any]:
    import jwt  # noqa: PLC0415

    found: dict[str, Any] = {}
    for one in list(document.get("keys", ()))[:MOST_KEYS]:
        if (
            one.get("kty") != "RSA"
            or one.get("alg", ALGORITHM) != ALGORITHM
            or one.get("use", "sig") != "sig"
        ):
            continue
        try:
            found[str(one["kid"])] = jwt.PyJWK(one, ALGORITHM).key
        except (jwt.PyJWTError, KeyError, ValueError):
            continue
    if not found:
        raise RetryableError("read keys of user pool: there is none")
    return found


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
