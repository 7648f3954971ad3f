"""Access tokens: whatever is not signed by this pool for this client, now, is nobody's."""

import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from millrace.access import access_tokens
from millrace.access.access_tokens import AccessTokens, SignIn
from millrace.core.errors import RetryableError
from tests.support.user_pool import KEY_NAME, Pool, key_set, private_key

POOL = Pool("us-east-1_abc", "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_abc", "client-1")
USER = "5f0c8a1e-42b7-4c6d-8e9f-a1b2c3d4e5f6"


def verifier(read: Callable[[], Any] = key_set, clock: Callable[[], float] = lambda: 0.0) -> AccessTokens:
    return AccessTokens(issuer=POOL.issuer, client_id=POOL.client_id, read_keys=read, clock=clock)


def encoded(part: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_token_of_the_pool_says_who_signed_in_and_when() -> None:
    at = int(time.time()) - 100
    assert verifier().verify(POOL.token(USER, auth_time=at)) == SignIn(USER, at)


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": POOL.issuer.replace("abc", "abd")},
        {"iss": POOL.issuer + "/"},
        {"client_id": "client-2"},
        {"client_id": None},
        {"token_use": "id"},
        {"token_use": "id", "aud": POOL.client_id},
        {"token_use": None},
        {"exp": None},
        {"exp": "soon"},
        {"sub": None},
        {"sub": ""},
        {"sub": 7},
        {"auth_time": None},
        {"auth_time": "now"},
        {"auth_time": True},
    ],
    ids=str,
)
def test_claims_are_checked(claims: dict[str, Any]) -> None:
    assert verifier().verify(POOL.token(USER, **claims)) is None


@pytest.mark.parametrize(
    ("claim", "seconds"), [("exp", -access_tokens.SKEW_SECONDS - 5), ("nbf", 3600), ("iat", 3600)]
)
def test_a_token_is_of_its_time(claim: str, seconds: int) -> None:
    moments: dict[str, Any] = {claim: int(time.time()) + seconds}
    assert verifier().verify(POOL.token(USER, **moments)) is None


def test_clocks_may_be_a_little_apart() -> None:
    assert verifier().verify(POOL.token(USER, exp=int(time.time()) - 5)) is not None


def test_the_signature_is_of_the_pools_key() -> None:
    foreign = jwt.encode(POOL.claims(USER), private_key(1), algorithm="RS256", headers={"kid": KEY_NAME})
    assert verifier().verify(foreign) is None
    good = POOL.token(USER)
    head, body, signature = good.split(".")
    other = encoded({**POOL.claims(USER), "sub": "another"})
    for token in (f"{head}.{other}.{signature}", f"{head}.{body}.", f"{head}.{body}.{signature[:-4]}AAAA"):
        assert verifier().verify(token) is None


def test_the_algorithm_is_ours_and_not_the_tokens() -> None:
    claims = POOL.claims(USER)
    public = private_key(0).public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    none = f"{encoded({'alg': 'none', 'kid': KEY_NAME})}.{encoded(claims)}."
    # What is public must not serve as a secret.
    body = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': KEY_NAME})}.{encoded(claims)}"
    mac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(body.encode(), pem)
    hashed = f"{body}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"
    longer = jwt.encode(claims, private_key(0), algorithm="RS512", headers={"kid": KEY_NAME})
    for token in (none, hashed, longer):
        assert verifier().verify(token) is None


KIDS: tuple[object, ...] = (7, None, [], {"a": 1})


@pytest.mark.parametrize(
    "token",
    ["", "..", "a.b.c", "ey.ey.ey", f"{encoded([])}.e30.e30", f"{encoded({'alg': 'RS256'})}.e30.e30"]
    + [f"{encoded({'alg': 'RS256', 'kid': kid})}.e30.e30" for kid in KIDS]
    + ["é.é.é", "a" * 9000 + ".b.c", "[" * 5000 + "..", ("[" * 3000) + ".e30.e30"],
)
def test_what_is_no_token_is_nobodys(token: str) -> None:
    assert verifier().verify(token) is None


def test_a_token_that_is_too_long_is_not_looked_at() -> None:
    assert verifier().verify(POOL.token(USER, more="x" * access_tokens.MOST_CHARACTERS)) is None


class Reads:
    """A pool whose keys change, and which may not answer."""

    def __init__(self) -> None:
        self.now, self.count, self.down = 0.0, 0, False
        self.document: dict[str, Any] = key_set()

    def __call__(self) -> dict[str, Any]:
        self.count += 1
        if self.down:
            raise RetryableError("it does not answer")
        return self.document


def test_an_unknown_key_is_looked_for_once_a_minute() -> None:
    reads = Reads()
    tokens = verifier(reads, lambda: reads.now)
    unknown = jwt.encode(POOL.claims(USER), private_key(1), algorithm="RS256", headers={"kid": "key-2"})
    assert tokens.verify(POOL.token(USER)) is not None
    for _ in range(5):
        assert tokens.verify(unknown) is None
    assert reads.count == 1
    reads.now = access_tokens.PAUSE_SECONDS
    # The pool has changed its key by now.
    reads.document = key_set(number=1, name="key-2")
    assert tokens.verify(unknown) is not None
    assert reads.count == 2
    assert tokens.verify(POOL.token(USER)) is None
    assert reads.count == 2


def test_known_keys_outlast_a_pool_that_does_not_answer() -> None:
    reads = Reads()
    reads.down = True
    tokens = verifier(reads, lambda: reads.now)
    for _ in range(3):
        with pytest.raises(RetryableError):
            tokens.verify(POOL.token(USER))
    assert reads.count == 1
    reads.now, reads.down = access_tokens.RETRY_SECONDS, False
    assert tokens.verify(POOL.token(USER)) is not None
    reads.now, reads.down = access_tokens.KEYS_KEPT_SECONDS + 100, True
    assert tokens.verify(POOL.token(USER)) is not None
    assert reads.count == 3


@pytest.mark.parametrize(
    "document", [{}, {"keys": []}, {"keys": [{"kty": "oct", "kid": KEY_NAME, "k": "AAAA"}]}]
)
def test_a_key_set_without_keys_is_a_failure(document: dict[str, Any]) -> None:
    with pytest.raises(RetryableError):
        verifier(lambda: document).verify(POOL.token(USER))


def test_of_a_key_set_only_signing_keys_count() -> None:
    one = key_set()["keys"][0]
    many = {"keys": [{**one, "use": "enc"}, {"kty": "RSA"}, {**one, "n": "!"}, one]}
    assert verifier(lambda: many).verify(POOL.token(USER)) is not None
