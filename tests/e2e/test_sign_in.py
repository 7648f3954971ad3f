"""People: invited, signed in with password and code by the command, and answered by what they may."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP

from tests.e2e.conftest import command
from tests.support.client import Answer, Client, eventually

pytestmark = pytest.mark.e2e
EMAIL, PASSWORD = "ana@example.com", "Long-enough-4-everybody"


def code(secret: str) -> str:
    """What an authenticator app shows now (RFC 6238)."""
    import base64

    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    # As every app does: https://github.com/google/google-authenticator/wiki/Key-Uri-Format
    return TOTP(key, 6, SHA1(), 30, enforce_key_length=False).generate(int(time.time())).decode()


def said(*arguments: str, environ: dict[str, str]) -> dict[str, Any]:
    done = command(*arguments, "--json", environ=environ)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_a_person_signs_in_and_calls_the_api(client: Client, environ: dict[str, str]) -> None:
    user = said("users", "invite", EMAIL, "--role", "analyst", environ=environ)
    pool = {"UserPoolId": client.outputs["UserPoolId"], "Username": EMAIL}
    cognito = client.aws("cognito-idp")
    # In place of the mail with the password for once.
    cognito.admin_set_user_password(**pool, Password=PASSWORD, Permanent=True)
    mine = {**environ, "MILLRACE_PASSWORD": PASSWORD}
    wrong = command("login", "--user", EMAIL, environ={**environ, "MILLRACE_PASSWORD": "wrong"})
    assert (wrong.returncode, "refused" in wrong.stderr) == (1, True)
    me = said("login", "--user", EMAIL, environ=mine)
    assert (me["user"], me["org"], me["roles"]) == (user["id"], "org_acme", ["analyst"])
    kept = Path(environ["MILLRACE_LOCAL"]) / "sign-in.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    token = json.loads(kept.read_text())["access"]
    try:
        # The second factor, from here on.
        secret = cognito.associate_software_token(AccessToken=token)["SecretCode"]
        cognito.verify_software_token(AccessToken=token, UserCode=code(secret))
        cognito.set_user_mfa_preference(
            AccessToken=token, SoftwareTokenMfaSettings={"Enabled": True, "PreferredMfa": True}
        )
        refused = command("login", "--user", EMAIL, "--totp", "000000", environ=mine)
        assert refused.returncode == 1
        assert said("login", "--user", EMAIL, "--totp", code(secret), environ=mine)["user"] == user["id"]
        # Commands call with the sign-in: an analyst lists roles, and no users.
        assert said("roles", "list", environ=environ)["items"]
        listed = command("users", "list", environ=environ)
        assert (listed.returncode, "users:read" in listed.stderr) == (1, True)
    finally:
        said("logout", environ=environ)
    assert client.call("GET", "/v1/me", key=token).body["roles"] == ["analyst"]
    assert client.call("GET", "/v1/me", key=token[:-5] + "AAAAA").status == 403
    assert client.call("GET", "/v1/me", key=f"org_globex/{token}").status == 403
    said("users", "disable", user["id"], environ=environ)
    # The gateway remembers for a minute, this one and AWS's.
    assert client.call("GET", "/v1/me", key=f"org_acme/{token}").status == 403
    said("users", "remove", user["id"], environ=environ)
    with pytest.raises(cognito.exceptions.UserNotFoundException):
        cognito.admin_get_user(**pool)


def test_a_key_is_replaced_by_the_command(client: Client, environ: dict[str, str]) -> None:
    made = client.call("POST", "/v1/keys", body={"name": "till", "scopes": ["events:read"]})
    assert made.status == 200
    new = said("keys", "rotate", made.body["id"], "--overlap", "0m", environ=environ)["key"]
    assert client.call("GET", "/v1/me", key=new).body["rights"] == ["events:read"]
    assert client.call("GET", "/v1/me", key=made.body["key"]).status == 403
    listed = eventually(
        lambda: said("keys", "list", "--org", "org_acme", environ=environ)["items"],
        lambda items: any(one["prefix"] == new[:11] and one["lastUsedAt"] for one in items),
        seconds=10,
    )
    assert {one["org"] for one in listed} == {"org_acme"}


def test_a_suspended_tenant_is_refused(client: Client, environ: dict[str, str]) -> None:
    said("tenants", "create", "org_late", "--name", "Late", environ=environ)
    key = said("keys", "create", "--org", "org_late", "--name", "k", environ=environ)["key"]
    other = said("keys", "create", "--org", "org_late", "--name", "l", environ=environ)["key"]
    assert client.call("GET", "/v1/me", key=key).status == 200
    said("tenants", "suspend", "org_late", environ=environ)
    # One that the gateway does not remember.
    assert client.call("GET", "/v1/me", key=other).status == 403
    assert said("tenants", "resume", "org_late", environ=environ)["status"] == "active"


def test_a_role_of_aws_gets_a_token(client: Client, environ: dict[str, str]) -> None:
    trust = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": "*"}],
    }
    role = client.aws("iam").create_role(RoleName="loader", AssumeRolePolicyDocument=json.dumps(trust))
    arn = role["Role"]["Arn"]
    session = client.aws("sts").assume_role(RoleArn=arn, RoleSessionName="run-7")["Credentials"]
    keys = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"])
    url = f"{client.outputs['ApiUrl']}/v1/token"

    def exchange() -> Answer:
        signed = AWSRequest("POST", url)
        SigV4Auth(keys, "execute-api", "us-east-1").add_auth(signed)
        return client.call("POST", "/v1/token", org=None, headers=dict(signed.headers))

    assert exchange().status == 403
    bound = said("keys", "bind-role", arn, "--org", "org_acme", "--scope", "events:read", environ=environ)
    assert bound["org"] == "org_acme"
    made = exchange()
    assert (made.status, made.body["rights"]) == (200, ["events:read"])
    assert (
        client.call("GET", "/v1/events", key=made.body["token"], query={"correlationId": "x"}).status == 200
    )
    assert client.call("GET", "/v1/keys", key=made.body["token"]).status == 403
    said("keys", "unbind-role", arn, environ=environ)
    assert exchange().status == 403
