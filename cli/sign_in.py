"""Signing in to the user pool, and the sign-in that is kept for later commands.

A command calls the API with what is given, the first of: MILLRACE_API_KEY, MILLRACE_TOKEN, the kept sign-in. A token stands
behind the tenant that it is used for, `<org>/<token>`, where its user belongs to several.
"""

import base64
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from cli.errors import RefusedError
from cli.places import around

# A token is renewed so long before it ends.
SPARE_SECONDS = 60
VARIABLE = "MILLRACE_TOKEN"
# Each challenge is answered once, and a first sign-in with a second factor has three.
_MOST_CHALLENGES = 4
PASSWORD, NEW_PASSWORD = "Password", "A new password, at least 12 characters"
Ask = Callable[[str, bool], str]
"""Asks a person: a question, and whether the answer stays hidden → the answer."""


@dataclass(frozen=True, slots=True)
class Session:
    """Tokens of a sign-in; `ends` is when the access token does, in seconds since 1970."""

    user: str
    access: str
    refresh: str
    ends: int
    client_id: str
    region: str
    org: str = ""

    @property
    def credential(self) -> str:
        """As a bearer token."""
        return f"{self.org}/{self.access}" if self.org else self.access


def start(cognito: Any, client_id: str, region: str, user: str, ask: Ask, code: str = "") -> Session:
    """Signs a user in: password, a new one in place of that from the invitation, and a code where one is asked for.

    Args:
        cognito: the client of `cognito-idp`.
        client_id: of the pool's app client.
        region: of the pool.
        user: the e-mail address.
        ask: asks for password and code.
        code: of the authenticator app; asked for if empty.

    Raises:
        RefusedError: the pool refuses them; the sentence says why.
    """
    answer = _call(
        cognito.initiate_auth,
        ClientId=client_id,
        AuthFlow="USER_PASSWORD_AUTH",
        AuthParameters={"USERNAME": user, "PASSWORD": ask(PASSWORD, True)},
    )
    for _ in range(_MOST_CHALLENGES):
        if "AuthenticationResult" in answer:
            return _session(answer["AuthenticationResult"], user, client_id, region)
        challenge, session = answer["ChallengeName"], answer["Session"]
        name = answer.get("ChallengeParameters", {}).get("USER_ID_FOR_SRP", user)
        responses = {"USERNAME": name}
        if challenge == "NEW_PASSWORD_REQUIRED":
            responses["NEW_PASSWORD"] = ask(NEW_PASSWORD, True)
        elif challenge == "SOFTWARE_TOKEN_MFA":
            responses["SOFTWARE_TOKEN_MFA_CODE"] = code or ask("Code of the authenticator app", False)
        elif challenge == "MFA_SETUP":
            session = enrol(cognito, user, ask, session=session)
        else:
            raise RefusedError(f"the user pool asks for {challenge}, which this command cannot answer")
        answer = _call(
            cognito.respond_to_auth_challenge,
            ClientId=client_id,
            ChallengeName=challenge,
            Session=session,
            ChallengeResponses=responses,
        )
    raise RefusedError("the user pool asks again and again")


def enrol(cognito: Any, user: str, ask: Ask, **of: str) -> str:
    """Has a user add the secret of the second factor to an authenticator app, and show that it is there.

    Args:
        cognito: the client of `cognito-idp`.
        user: the e-mail address.
        ask: shows the secret, and asks for a code.
        of: `session` of a challenge, or `access_token` of somebody who is signed in.

    Returns:
        The session to answer the challenge with; empty for who is signed in.

    Raises:
        RefusedError: the code is not of this secret.
    """
    token = of.get("access_token")
    given = {"AccessToken": token} if token else {"Session": of["session"]}
    made = _call(cognito.associate_software_token, **given)
    secret = made["SecretCode"]
    question = (
        f"Add this to an authenticator app: otpauth://totp/Millrace:{user}?secret={secret}&issuer=Millrace\n"
        "Code that it shows"
    )
    if not token:
        given = {"Session": made["Session"]}
    verified = _call(cognito.verify_software_token, UserCode=ask(question, False), **given)
    if token:
        _call(
            cognito.set_user_mfa_preference,
            AccessToken=token,
            SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True},
        )
    return str(verified.get("Session", ""))


def renewed(cognito: Any, old: Session) -> Session:
    """The session with a new access token.

    Raises:
        RefusedError: it is over.
    """
    answer = _call(
        cognito.initiate_auth,
        ClientId=old.client_id,
        AuthFlow="REFRESH_TOKEN_AUTH",
        AuthParameters={"REFRESH_TOKEN": old.refresh},
    )
    result = {"RefreshToken": old.refresh, **answer["AuthenticationResult"]}
    new = _session(result, old.user, old.client_id, old.region)
    return Session(**{**_fields(new), "org": old.org})


def file_of(env: str) -> Path:
    """Where the sign-in of an environment is kept: beside the local platform, or in the user's own folder."""
    places = around()
    if env == "local" and places is not None:
        return places.local / "sign-in.json"
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return home / "millrace" / f"{env}.json"


def keep(env: str, session: Session) -> Path:
    """Writes a sign-in so that the user alone can read it; returns the file."""
    path = file_of(env)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(orjson.dumps(_fields(session), option=orjson.OPT_INDENT_2))
    return path


def forget(env: str) -> bool:
    """Removes the kept sign-in; False if there was none."""
    try:
        file_of(env).unlink()
    except FileNotFoundError:
        return False
    return True


def kept(env: str) -> Session | None:
    """The kept sign-in of an environment; None if there is none, or it cannot be read."""
    with suppress(OSError, ValueError, TypeError):
        return Session(**orjson.loads(file_of(env).read_bytes()))
    return None


def given() -> str:
    """The token of the variable; empty if it is not set."""
    return os.environ.get("MILLRACE_TOKEN", "")


def token(env: str, cognito: Callable[[Session], Any], clock: Callable[[], float] = time.time) -> str:
    """The token that commands call with: of the variable or of the kept sign-in, renewed if need be; empty without one.

    Args:
        env: the environment.
        cognito: makes the client of `cognito-idp` for a session.
        clock: seconds since 1970.

    Raises:
        RefusedError: the sign-in is over.
    """
    if token := given():
        return token
    session = kept(env)
    if session is None:
        return ""
    if session.ends - SPARE_SECONDS <= clock():
        try:
            session = renewed(cognito(session), session)
        except RefusedError as error:
            raise RefusedError(
                f"the sign-in of {session.user} is over; sign in again: millrace login"
            ) from error
        keep(env, session)
    return session.credential


def org_of(credential: str) -> str:
    """The tenant that stands before a token; empty where none does."""
    return credential.rpartition("/")[0]


def is_token(credential: str) -> bool:
    """Whether it is a token of a user, and not a key."""
    return credential.rpartition("/")[2].startswith("ey")


def _session(result: Mapping[str, Any], user: str, client_id: str, region: str) -> Session:
    access = str(result["AccessToken"])
    return Session(user, access, str(result.get("RefreshToken", "")), _ends(access), client_id, region)


def _ends(access: str) -> int:
    """When a token says that it ends; the API alone checks whether that is true."""
    with suppress(ValueError, KeyError, IndexError):
        part = access.split(".")[1]
        return int(orjson.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["exp"])
    return 0


def _fields(session: Session) -> dict[str, Any]:
    return {name: getattr(session, name) for name in Session.__slots__}


def _call(operation: Callable[..., Any], **request: Any) -> Any:
    from botocore.exceptions import ClientError

    try:
        return operation(**request)
    except ClientError as error:
        said = error.response.get("Error", {})
        raise RefusedError(f"the user pool refused: {said.get('Message') or said.get('Code')}") from error
