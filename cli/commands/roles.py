"""`millrace roles`: what a user can be, and what each role may."""

import typer

from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import fitted, out, print_json
from cli.target import find_target

app = typer.Typer(no_args_is_help=True, add_completion=False, help="What each role may.")


@app.callback()
def roles() -> None:
    """What each role may."""


@app.command("list")
def list_(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List roles and their rights, as the policies in force say."""
    answer = Api(find_target(env), org).ask("GET", "/v1/roles")
    if as_json:
        print_json(answer)
        return
    rows = [(one["name"], one["description"], " ".join(one["rights"])) for one in answer["items"]]
    out.print(fitted(("role", "is", "rights"), rows, folded={"is", "rights"}))
