"""`millrace users`: who belongs to a tenant, with which roles; over the API, with the caller's rights."""

import secrets
from typing import Annotated, Any

import typer

from cli import operators
from cli.api import Api
from cli.errors import RefusedError
from cli.options import Env, Json, Org
from cli.output import out, print_json, show_rows
from cli.target import find_target
from millrace.core.path_ids import segment

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Who belongs to a tenant, with which roles."
)
Id = Annotated[str, typer.Argument(help="The user's id from the list.", metavar="ID")]
Roles = Annotated[list[str], typer.Option("--role", help="A role; may be repeated: millrace roles list.")]


@app.command()
def invite(
    email: Annotated[str, typer.Argument(help="By which the user signs in.", metavar="EMAIL")],
    role: Roles,
    name: Annotated[
        str | None, typer.Option("--name", help="How audit and events call the user (default: an id).")
    ] = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Invite a user, who gets a password for once by e-mail."""
    body = {"email": email, "roles": role, **({"name": name} if name else {})}
    _shown(_call(env, org, "POST", "/v1/users", body), as_json, "invited")


@app.command("list")
def list_(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List users, their roles and whether they are disabled."""
    api = Api(find_target(env), org)
    items: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.ask("GET", "/v1/users", query={"limit": "500", "cursor": cursor or None})
        items += page["items"]
        cursor = page["cursor"]
    if as_json:
        print_json({"items": items})
        return
    rows = [_row(one) for one in items]
    columns = ("id", "e-mail", "name", "roles")
    show_rows(columns, rows, folded={"roles"})


@app.command()
def roles(user: Id, role: Roles, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Set the roles of a user, all of them; it holds within 60 seconds."""
    _shown(_change(env, org, user, {"roles": role}), as_json, "has now")


@app.command()
def disable(user: Id, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Have a user refused, within 60 seconds."""
    _shown(_change(env, org, user, {"status": "disabled"}), as_json, "disabled")


@app.command()
def enable(user: Id, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Let a user in again."""
    _shown(_change(env, org, user, {"status": "active"}), as_json, "enabled")


@app.command("sign-out")
def sign_out(user: Id, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Have a user sign in again, wherever they are signed in."""
    _shown(_change(env, org, user, {"signOut": True}), as_json, "signed out")


@app.command()
def reset(
    user: Annotated[
        str, typer.Argument(help="The user's id from the list, or e-mail address.", metavar="USER")
    ],
    authenticator: Annotated[
        bool, typer.Option("--authenticator", help="The authenticator app is lost as well: forget it.")
    ] = False,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Give a user who lost the password one for once, and end every sign-in.

    Needs AWS rights on the user pool and the Metadata table, not an API key: a user may belong to several tenants, and none of
    them may take the user from the others. Each of them has a line of the audit.
    """
    from millrace.access import users
    from millrace.access.user_pool import CognitoPool
    from millrace.core import clock
    from millrace.core.table import Table

    target = find_target(env, key_needed=False)
    metadata = Table(target.client("dynamodb"), target.output("MetadataTable"))
    pool = CognitoPool(target.client("cognito-idp"), target.output("UserPoolId"))
    if "@" in user:
        # Who signs in may be the only one who could list the ids.
        user = pool.find(users.address(user)) or user
    found = users.of_user(metadata, user, consistent=True)
    if not found:
        raise RefusedError("there is no such user")
    told = {"reset": ["password", *(["authenticator"] if authenticator else [])]}
    now = clock.now()
    for member in found:
        also = users.changing(member, signed_out_at=now)
        if not operators.audit(metadata, member.org, "users.change", {**member.audited, **told}, also=also):
            raise RefusedError("the user is being changed: try again")
    password = f"Aa1-{secrets.token_urlsafe(15)}"
    pool.reset(user, password, authenticator=authenticator)
    if as_json:
        print_json({"id": user, "password": password, "orgs": [one.org for one in found]})
    else:
        out.print(
            f"{password}\nFor once, within three days: millrace login asks for a new one.", markup=False
        )


@app.command()
def remove(user: Id, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """End a user's membership of the tenant."""
    _shown(_call(env, org, "DELETE", f"/v1/users/{segment(user)}", None), as_json, "removed")


def _row(user: dict[str, Any]) -> tuple[str, str, str, str]:
    roles = " ".join(user["roles"])
    name = "" if user["name"] == user["id"] else user["name"]
    return (
        user["id"],
        user["email"],
        name,
        roles if user["status"] == "active" else f"{user['status']}: {roles}",
    )


def _change(env: str | None, org: str | None, user: str, body: dict[str, Any]) -> dict[str, Any]:
    return _call(env, org, "PATCH", f"/v1/users/{segment(user)}", body)


def _call(env: str | None, org: str | None, method: str, path: str, body: Any) -> dict[str, Any]:
    import orjson

    raw = None if body is None else orjson.dumps(body)
    found: dict[str, Any] = Api(find_target(env), org).ask(method, path, body=raw)
    return found


def _shown(user: dict[str, Any], as_json: bool, done: str) -> None:
    if as_json:
        print_json(user)
    else:
        out.print(f"{user['email']} ({user['id']}) {done}: {' '.join(user['roles'])}", markup=False)
