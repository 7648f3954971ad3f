"""`millrace anonymised`: tables about nobody."""

from typing import Annotated, Any

import orjson
import typer

from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import err, fitted, out, print_json, show_rows
from cli.target import find_target
from millrace.core.path_ids import segment

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="Tables about nobody: groups of many people each."
)
Name = Annotated[str, typer.Argument(help="Of schemas/anonymised/.", metavar="NAME")]
Period = Annotated[
    str, typer.Argument(help="A month, quarter or year: 2026-10, 2026-Q4, 2026.", metavar="PERIOD")
]


@app.command("list")
def list_(org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """List the tables, and what is released of each."""
    answer = Api(find_target(env), org).ask("GET", "/v1/anonymised")
    if as_json:
        print_json(answer)
        return
    rows = [
        [one["name"], one["source"], str(one["k"]), one["each"], ", ".join(one["periods"])]
        for one in answer["items"]
    ]
    columns = ["table", "made of", "people at least", "of each", "released"]
    show_rows(columns, rows, folded={"released"}, head=1)


@app.command()
def release(name: Name, period: Period, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Release a period; what is released already is shown."""
    api = Api(find_target(env), org)
    with err.status("grouping …"):
        answer = api.ask("POST", _path(name), body=orjson.dumps({"period": period}))
    _print(answer, as_json=as_json)


@app.command()
def show(name: Name, period: Period, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Show what was released of a period."""
    answer = Api(find_target(env), org).ask("GET", _path(name), query={"period": period})
    _print(answer, as_json=as_json)


def _path(name: str) -> str:
    return f"/v1/anonymised/{segment(name)}"


def _print(answer: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(answer)
        return
    names = list(answer["rows"][0])
    rows = [["all" if row[name] is None else str(row[name]) for name in names] for row in answer["rows"]]
    out.print(fitted(names, rows, folded=set()))
    risk = answer["risk"]
    out.print(
        f"Released {answer['releasedAt']}: {len(rows)} groups, the smallest of {risk['smallestGroup']} people.",
        markup=False,
    )
