"""`millrace consents`: what persons have agreed to."""

from typing import Annotated, Any

import typer

from cli.api import Api
from cli.options import Json
from cli.output import fitted, out, print_json
from cli.target import find_target
from millrace.core import exact_json
from millrace.core.path_ids import segment

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What persons have agreed to.")
User = Annotated[str, typer.Argument(help="The user's id, as events have it.", metavar="USER")]
PurposeName = Annotated[str, typer.Argument(help="Of schemas/purposes.yaml.", metavar="PURPOSE")]
Version = Annotated[
    int | None, typer.Option("--version", help="What was agreed to (default: the newest version).", min=1)
]
Org = Annotated[str | None, typer.Option("--org", help="Act as this tenant.")]
Env = Annotated[str | None, typer.Option("--env", help="local (default), dev, staging or prod.")]


@app.command("list")
def list_(user: User, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List every purpose, and whether it holds for a person."""
    answer = Api(find_target(env), org).ask("GET", _path(user))
    if as_json:
        print_json(answer)
    else:
        _print(answer["items"])


@app.command()
def grant(
    user: User,
    purpose: PurposeName,
    version: Version = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Record that a person has agreed to a purpose."""
    _record(user, purpose, _body(version, granted=True), Api(find_target(env), org), as_json=as_json)


@app.command()
def withdraw(
    user: User, purpose: PurposeName, org: Org = None, env: Env = None, as_json: Json = False
) -> None:
    """Record that a person agrees to a purpose no more; it holds within a minute."""
    _record(user, purpose, _body(None, granted=False), Api(find_target(env), org), as_json=as_json)


def _body(version: int | None, *, granted: bool) -> dict[str, Any]:
    return {"granted": granted, **({} if version is None else {"version": version})}


def _record(user: str, purpose: str, body: dict[str, Any], api: Api, *, as_json: bool) -> None:
    answer = api.ask("PUT", f"{_path(user)}/{segment(purpose)}", body=exact_json.dumps(body))
    if as_json:
        print_json(answer)
    else:
        _print([answer])


def _path(user: str) -> str:
    return f"/v1/subjects/{segment(user)}/consents"


def _print(items: list[dict[str, Any]]) -> None:
    rows = [
        [
            one["purpose"],
            str(one["version"]),
            "yes" if one["holds"] else "no",
            one["legalBasis"],
            _said(one["statement"]),
        ]
        for one in items
    ]
    out.print(fitted(["purpose", "version", "holds", "rests on", "said"], rows, folded={"said"}))


def _said(statement: dict[str, Any] | None) -> str:
    if statement is None:
        return ""
    word = "agreed to" if statement["granted"] else "withdrew"
    return f"{word} version {statement['version']} at {statement['at']}"
