"""`millrace quarantine`: refused events with their errors; replays or discards them."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from cli import repairs
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import err, fitted, out, print_json
from cli.target import find_target

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Refused events and their errors; replay or discard them.",
)
PAGE = 500
SHOWN = 20

EventType = Annotated[str | None, typer.Option("--event-type", help="Only this event type.")]
Code = Annotated[
    str | None, typer.Option("--code", help="Only with an error of this code (missing, enum, …).")
]
From = Annotated[str | None, typer.Option("--from", help="Received at or after this ISO 8601 time.")]
To = Annotated[str | None, typer.Option("--to", help="Received before this ISO 8601 time.")]
Id = Annotated[str | None, typer.Option("--id", help="Only the one with this quarantine id.")]
All = Annotated[bool, typer.Option("--all", help="All open events, instead of a filter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")]


@app.command("list")
def list_(
    event_type: EventType = None,
    code: Code = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
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
    shown = fitted(
        ("quarantine id", "received", "event type", "status", "errors"),
        [
            (
                item["quarantineId"],
                item["receivedAt"],
                item.get("eventType") or "?",
                item["status"],
                errors(item["errors"]),
            )
            for item in items
        ],
        folded={"errors"},
        optional=("status", "received", "event type"),
    )
    out.print(shown if items else "Nothing is in quarantine.")
    if cursor is not None:
        out.print(f"There are more: --limit {limit * 10}")


@app.command()
def show(
    quarantine_id: Annotated[
        str, typer.Argument(help="The id from the list or from the API's answer.", metavar="ID")
    ],
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Show one refused event with its raw text as received."""
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


@app.command()
def replay(
    *,
    patch: Annotated[
        str | None,
        typer.Option(
            "--patch", help="A file with a JSON Patch (RFC 6902) for each event; - reads standard input."
        ),
    ] = None,
    dry_run: DryRun = False,
    event_type: EventType = None,
    code: Code = None,
    from_: From = None,
    to: To = None,
    quarantine_id: Id = None,
    everything: All = False,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Send refused events through intake again, patched if wanted, each with its own id."""
    selection = _selection("replay", _filter(event_type, code, from_, to, quarantine_id), everything)
    api = Api(find_target(env), org)
    operations = _patch(patch) if patch is not None else []
    with err.status("replaying …") as status:
        document = repairs.replay(
            lambda path, body: _post(api, path, body),
            selection,
            operations,
            dry_run=dry_run,
            progress=lambda count: status.update(f"replaying … {count} replayed"),
        )
    if as_json:
        print_json(document)
    else:
        _show_replay(document, dry_run)
    if document["stillFailing"] or (document["more"] and not dry_run):
        raise RefusedError("" if as_json else _unfinished(document, dry_run))


@app.command()
def discard(
    *,
    dry_run: DryRun = False,
    event_type: EventType = None,
    code: Code = None,
    from_: From = None,
    to: To = None,
    quarantine_id: Id = None,
    everything: All = False,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Close refused events without replaying them; they stay readable until they expire."""
    selection = _selection("discard", _filter(event_type, code, from_, to, quarantine_id), everything)
    api = Api(find_target(env), org)
    with err.status("discarding …") as status:
        document = repairs.discard(
            lambda path, body: _post(api, path, body),
            selection,
            dry_run=dry_run,
            progress=lambda count: status.update(f"discarding … {count} discarded"),
        )
    if as_json:
        print_json(document)
    elif dry_run:
        out.print(f"{_at_least(document)} would be discarded")
    else:
        out.print(f"{document['discarded']} discarded")
    if document["more"] and not dry_run:
        raise RefusedError("" if as_json else "more events match; run the same command again")


def _filter(
    event_type: str | None, code: str | None, from_: str | None, to: str | None, quarantine_id: str | None
) -> dict[str, str]:
    given = {"eventType": event_type, "code": code, "from": from_, "to": to, "quarantineId": quarantine_id}
    return {name: value for name, value in given.items() if value is not None}


def _selection(doing: str, given: dict[str, str], everything: bool) -> Mapping[str, Any]:
    """The API's filter: the given conditions, or everything with --all."""
    if bool(given) == everything:
        raise UsageError(f"select what to {doing} with --event-type, --code, --from, --to or --id, or --all")
    return repairs.ALL if everything else given


def _patch(file: str) -> list[Any]:
    named = "standard input" if file == "-" else file
    try:
        operations = orjson.loads(sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes())
    except OSError as error:
        raise UsageError(f"{named} cannot be read: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{named} is not JSON: {error}") from error
    if not isinstance(operations, list) or not operations:
        raise UsageError(
            f'{named}: a JSON Patch is an array, such as [{{"op": "remove", "path": "/region"}}]'
        )
    return operations


def _post(api: Api, path: str, body: dict[str, Any]) -> dict[str, Any]:
    # Retried after a broken connection: what the first call closed is no longer open, so nothing happens twice.
    answer: dict[str, Any] = api.ask("POST", path, body=orjson.dumps(body))
    return answer


def _show_replay(document: dict[str, Any], dry_run: bool) -> None:
    failing = [result for result in document["results"] if result["status"] not in repairs.PASSED]
    if failing:
        rows = [
            (
                result["quarantineId"],
                result.get("eventId") or "?",
                result["status"],
                errors(result.get("errors", [])),
            )
            for result in failing[:SHOWN]
        ]
        columns = ("quarantine id", "event id", "status", "errors")
        out.print(
            fitted(columns, rows, folded={"errors"}, optional=("event id", "status"), title="Still failing")
        )
        if len(failing) > SHOWN:
            out.print(f"… and {len(failing) - SHOWN} more; --json lists them all")
    if not document["matched"]:
        out.print("Nothing open matches.")
    elif dry_run:
        out.print(f"{_at_least(document)} matched, {document['wouldPass']} would pass")
    else:
        out.print(f"{document['replayed']} replayed, {document['stillFailing']} still failing")


def _at_least(document: dict[str, Any]) -> str:
    return f"at least {document['matched']}" if document["more"] else str(document["matched"])


def _unfinished(document: dict[str, Any], dry_run: bool) -> str:
    if document["more"] and not dry_run:
        return "more events match that were not tried: run the same command again, or narrow the filter"
    return "not everything would pass" if dry_run else "what still fails stays in quarantine"


def errors(entries: list[dict[str, Any]]) -> str:
    """The errors in one line."""
    return "; ".join(f"{error['pointer'] or '/'} {error['code']}" for error in entries)
