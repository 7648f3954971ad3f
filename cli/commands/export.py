"""`millrace export`: what is kept of a person, as a zip."""

from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from cli import subjects
from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import err, out, print_json
from cli.target import find_target


def export(
    subject: Annotated[str, typer.Argument(help="The person, as events call them.", metavar="SUBJECT")],
    *,
    to: Annotated[
        Path | None, typer.Option("--out", help="Where the zip goes; without it, the link.")
    ] = None,
    reason: Annotated[
        str, typer.Option("--reason", help="Why, for the audit; without a name.")
    ] = "asked for by the person",
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Export what is kept of a person now: events, decisions, alerts, consents and requests, as JSON and CSV."""
    api, path = Api(find_target(env), org), subjects.path(subject, "export")

    def read() -> dict[str, Any]:
        found: dict[str, Any] = api.ask("GET", path)
        return found

    with err.status("exporting …"):
        # One that is under way goes on; an older one is of another day.
        api.ask("POST", path, body=orjson.dumps({"reason": reason}))
        document = subjects.awaited(read, lambda found: found["link"] is not None)
    if to is not None:
        document["bytes"] = subjects.download(document["link"], to)
    if as_json:
        print_json(document)
    elif to is not None:
        out.print(f"{document['events']} events in {to}", markup=False)
    else:
        out.print(f"{document['events']} events, until {document['linkEndsAt']}:", markup=False)
        out.print(document["link"], markup=False, soft_wrap=True)
