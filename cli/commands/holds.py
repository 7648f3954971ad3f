"""`millrace holds`: legal holds, which keep people from being erased."""

from typing import Annotated

import orjson
import typer

from cli import repairs, subjects
from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import out, print_json, show_rows
from cli.target import find_target

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Legal holds: who may not be erased, and why."
)
Subject = Annotated[str, typer.Argument(help="The person, as events call them.", metavar="SUBJECT")]


@app.command("list")
def list_(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List legal holds, by the person's id where you may see it, else by the number."""
    items, _ = repairs.listed(Api(find_target(env), org), {}, path="/v1/subjects/holds")
    if as_json:
        print_json({"items": items})
        return
    rows = [(item.get("user") or item["subject"], item["at"], item["by"], item["reason"]) for item in items]
    show_rows(("person", "since", "by", "reason"), rows, folded={"reason"})


@app.command("set")
def set_(
    subject: Subject,
    why: Annotated[str, typer.Option("--why", help="The reason, which an erasure is refused with.")],
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Forbid that a person is erased."""
    api = Api(find_target(env), org)
    held = api.ask("PUT", subjects.path(subject, "hold"), body=orjson.dumps({"reason": why}))
    if as_json:
        print_json(held)
    else:
        out.print(f"{held['subject']} may not be erased: {held['reason']}", markup=False)


@app.command()
def lift(subject: Subject, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """End a legal hold."""
    answer = Api(find_target(env), org).ask("DELETE", subjects.path(subject, "hold"))
    if as_json:
        print_json(answer)
    else:
        out.print("The person may be erased." if answer["lifted"] else "There was no hold.")
