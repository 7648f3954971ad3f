"""`millrace quarantine`: what was refused and why."""

from typing import Annotated, Any
from urllib.parse import quote

import typer

from cli.api import Api
from cli.options import Env, Json, Org
from cli.output import out, print_json, table
from cli.target import find_target

app = typer.Typer(no_args_is_help=True, help="What was refused, kept and why.")
PAGE = 500


@app.command("list")
def list_(
    event_type: Annotated[str | None, typer.Option("--event-type", help="Only this event type.")] = None,
    code: Annotated[
        str | None, typer.Option("--code", help="Only with an error of this code (missing, enum, …).")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="Received at or after this ISO-8601 moment.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Received before this ISO-8601 moment.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most so many.")] = 50,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List refused events, newest first."""
    api = Api(find_target(env), org)
    query = {"eventType": event_type, "code": code, "from": from_, "to": to}
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    while len(items) < limit:
        page = {**query, "limit": str(min(PAGE, limit - len(items))), "cursor": cursor}
        answer = api.ask("GET", "/v1/quarantine", query=page)
        items += answer["items"]
        cursor = answer.get("cursor")
        if cursor is None:
            break
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    shown = table("quarantine id", "received", "event type", "status", "errors")
    for item in items:
        shown.add_row(
            item["quarantineId"],
            item["receivedAt"],
            item.get("eventType") or "?",
            item["status"],
            errors(item["errors"]),
        )
    out.print(shown if items else "Nothing is in quarantine.")
    if cursor is not None:
        out.print(f"There are more: --limit {limit * 10}")


@app.command()
def show(
    quarantine_id: Annotated[
        str, typer.Argument(help="The id that the list or the answer gave.", metavar="ID")
    ],
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show one refused event with the raw text as it came."""
    item: dict[str, Any] = Api(find_target(env), org).ask(
        "GET", f"/v1/quarantine/{quote(quarantine_id, safe='')}"
    )
    if as_json:
        print_json(item)
        return
    for name, value in item.items():
        if name not in ("errors", "raw"):
            out.print(f"{name:<14} {value}", markup=False)
    for error in item["errors"]:
        out.print(
            f"{'error':<14} {error['pointer'] or '/'} {error['code']}: {error['message']}", markup=False
        )
    out.print(f"{'raw':<14} {item.get('raw')}", markup=False)


def errors(found: list[dict[str, Any]]) -> str:
    """The errors in one line."""
    return "; ".join(f"{error['pointer'] or '/'} {error['code']}" for error in found)
