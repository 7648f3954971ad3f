"""A user pool of moto, as the stack makes it, and tokens of its form that are signed by a key of the tests' own."""

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

KEY_NAME = "key-1"


@dataclass(frozen=True)
class Pool:
    """A pool and its app client."""

    id: str
    issuer: str
    client_id: str

    def claims(self, user: str, **others: Any) -> dict[str, Any]:
        """Of an access token, as Cognito writes it; what is None is left out."""
        now = int(time.time())
        claims = {
            "sub": user,
            "iss": self.issuer,
            "client_id": self.client_id,
            "token_use": "access",
            "scope": "aws.cognito.signin.user.admin",
            "auth_time": now,
            "iat": now,
            "exp": now + 900,
            "username": user,
            # Nobody may trust it.
            "cognito:groups": ["tenant-admin"],
        }
        return {name: value for name, value in (claims | others).items() if value is not None}

    def token(self, user: str, **others: Any) -> str:
        """An access token, signed with the key that `key_set` has."""
        return jwt.encode(
            self.claims(user, **others), private_key(0), algorithm="RS256", headers={"kid": KEY_NAME}
        )


@cache
def private_key(number: int) -> rsa.RSAPrivateKey:
    """One of several keys."""
    assert number >= 0
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def key_set(*, number: int = 0, name: str = KEY_NAME) -> dict[str, Any]:
    """The JSON Web Key Set of a pool with this one key."""
    public = jwt.algorithms.RSAAlgorithm.to_jwk(private_key(number).public_key(), as_dict=True)
    return {"keys": [{**public, "kid": name, "alg": "RS256", "use": "sig"}]}


def user_pool(cognito: Any) -> Pool:
    """A new pool whose users sign in with their address."""
    made = cognito.create_user_pool(PoolName="users", UsernameAttributes=["email"])["UserPool"]["Id"]
    client = cognito.create_user_pool_client(UserPoolId=made, ClientName="app")["UserPoolClient"]["ClientId"]
    return Pool(made, f"https://cognito-idp.us-east-1.amazonaws.com/{made}", client)
