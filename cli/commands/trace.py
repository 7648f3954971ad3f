"""`millrace trace`: where an event is."""

from typing import Annotated, Any

import typer

from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import fitted, out, print_json
from cli.target import find_target
from millrace.core.path_ids import segment


def trace(
    event_id: Annotated[str, typer.Argument(help="The event's id.", metavar="ID")],
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show each step of an event, down to its object in the lake."""
    document: dict[str, Any] = Api(find_target(env), org).ask("GET", f"/v1/events/{segment(event_id)}/trace")
    if as_json:
        print_json(document)
        return
    rows = [
        (step["step"], step.get("at") or "", details(step.get("detail") or {})) for step in document["steps"]
    ]
    title = f"{document['eventId']}: {document['status']}"
    out.print(fitted(("step", "at", "detail"), rows, folded={"detail"}, title=title))


def details(detail: dict[str, Any]) -> str:
    """A step's details in one line."""
    return "  ".join(f"{name}={value}" for name, value in detail.items() if value not in (None, "", [], {}))
