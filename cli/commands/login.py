"""`millrace login`: a person's sign-in, kept for the commands that follow."""

import os
from dataclasses import replace
from typing import Annotated

import typer

from cli import sign_in
from cli.api import Api
from cli.errors import UsageError
from cli.options import Env, Json
from cli.output import out, print_json
from cli.target import LOCAL_REGION, Target, find_target, unsigned


def login(
    user: Annotated[str, typer.Option("--user", help="The e-mail address that was invited.")],
    org: Annotated[str | None, typer.Option("--org", help="The tenant, for who belongs to several.")] = None,
    totp: Annotated[str, typer.Option("--totp", help="The code of the authenticator app.")] = "",
    enrol: Annotated[
        bool, typer.Option("--enrol", help="Add an authenticator app as second factor.")
    ] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Sign in with password and code; later commands call with it.

    The password is asked for, or read from MILLRACE_PASSWORD; in the place of one for once a new one is chosen, or read from
    MILLRACE_NEW_PASSWORD. The sign-in is kept in a file that only you can read, and is renewed for 12 hours.
    """
    target = find_target(env, key_needed=False)
    client_id, region = _pool(target)
    cognito = _cognito(target, region)
    session = sign_in.start(cognito, client_id, region, user, _ask, totp)
    if enrol:
        sign_in.enrol(cognito, user, _ask, access_token=session.access)
    me = Api(target, key=f"{org}/{session.access}" if org else session.access).ask("GET", "/v1/me")
    if org is None and len(me["orgs"]) > 1:
        raise UsageError(f"{user} belongs to {', '.join(me['orgs'])}: choose one with --org")
    path = sign_in.keep(target.env, replace(session, org=me["org"]))
    if as_json:
        print_json({"user": me["id"], "org": me["org"], "roles": me["roles"], "rights": me["rights"]})
    else:
        out.print(
            f"signed in to {me['org']} as {', '.join(me['roles'])}; kept in {os.path.relpath(path)}",
            markup=False,
        )


def _pool(target: Target) -> tuple[str, str]:
    """The app client and the region: who has no rights to AWS names them by variables."""
    client_id = os.environ.get("MILLRACE_USER_POOL_CLIENT", "") or target.output("UserPoolClientId")
    region = LOCAL_REGION if target.env == "local" else os.environ.get("AWS_REGION", "")
    if not region:
        raise UsageError("AWS_REGION is not set: it names the region of the platform")
    return client_id, region


def _cognito(target: Target, region: str) -> object:
    if target.env == "local":
        return target.client("cognito-idp")
    return unsigned("cognito-idp", region)


def _ask(question: str, hidden: bool) -> str:
    given = {
        sign_in.PASSWORD: os.environ.get("MILLRACE_PASSWORD"),
        sign_in.NEW_PASSWORD: os.environ.get("MILLRACE_NEW_PASSWORD"),
    }
    return given.get(question) or str(typer.prompt(question, hide_input=hidden, err=True))
