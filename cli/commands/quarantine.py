"""`millrace quarantine`: refused events with their errors, shown, counted, edited, replayed or discarded."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer

from cli import refusals, repairs, results
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import counted, err, out, print_json
from cli.target import find_target
from millrace.core import exact_json

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Refused events and their errors: read, count, edit, replay or discard them.",
)
PAGE = 500
SHOWN = 20


class Status(StrEnum):
    """What a refused event is."""

    OPEN = "open"
    REPLAYED = "replayed"
    DISCARDED = "discarded"


EventType = Annotated[str | None, typer.Option("--event-type", help="Only this event type.")]
Code = Annotated[
    str | None, typer.Option("--code", help="Only with an error of this code (missing, enum, …).")
]
From = Annotated[str | None, typer.Option("--from", help="Received at or after this ISO 8601 time.")]
To = Annotated[str | None, typer.Option("--to", help="Received before this ISO 8601 time.")]
Id = Annotated[str | None, typer.Option("--id", help="Only the one with this quarantine id.")]
OfStatus = Annotated[Status | None, typer.Option("--status", help="Only those of this status.")]
One = Annotated[
    str, typer.Argument(help="The quarantine id, from the list or from the API's answer.", metavar="ID")
]
All = Annotated[bool, typer.Option("--all", help="All open events, instead of a filter.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would happen and change nothing.")]


@app.command("list")
def list_(
    *,
    event_type: EventType = None,
    code: Code = None,
    status: OfStatus = None,
    from_: From = None,
    to: To = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="At most this many.")] = 50,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """List refused events, newest first."""
    api = Api(find_target(env), org)
    items: list[dict[str, Any]] = []
    cursor: str | None = None
    for page in _pages(api, _query(event_type, code, status, from_, to), limit):
        items += page["items"]
        cursor = page.get("cursor")
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    if not items:
        out.print(
            "Nothing is in quarantine." if event_type is code is status is from_ is to else "Nothing matches."
        )
        return
    results.paged(lambda: _print_list(items, None if cursor is None else limit))


@app.command()
def summary(
    event_type: EventType = None,
    code: Code = None,
    status: OfStatus = None,
    from_: From = None,
    to: To = None,
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Count refused events by type and reason."""
    api = Api(find_target(env), org)
    counts = refusals.Summary()
    read = 0
    with err.status("counting …") as progress:
        for page in _pages(api, _query(event_type, code, status, from_, to)):
            counts.add(page["items"])
            read += len(page["items"])
            progress.update(f"counting … {read:,}")
    if as_json:
        print_json(counts.to_json())
    else:
        refusals.show_summary(counts.to_json())


@app.command()
def show(quarantine_id: One, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Show one refused event: what was sent, what is wrong with it, what was tried."""
    item = _read(Api(find_target(env), org), quarantine_id)
    if as_json:
        print_json(item)
    else:
        results.paged(lambda: _print(refusals.whole(item)))


@app.command()
def edit(quarantine_id: One, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Open a refused event in $VISUAL or $EDITOR, try what you made of it, and replay it.

    Nothing is changed until you agree to the difference that is shown.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "edit needs a terminal; in a script use: millrace quarantine replay --id ID --patch FILE"
        )
    from cli.mending import edit_and_replay

    api = Api(find_target(env), org)
    document = edit_and_replay(_read(api, quarantine_id), partial(_post, api))
    if document is None:
        err.print("Nothing is changed.")
        document = {
            "matched": 0,
            "wouldPass": 0,
            "replayed": 0,
            "stillFailing": 0,
            "more": False,
            "results": [],
        }
    elif not as_json:
        _show_replay(document, (), dry_run=False)
    if as_json:
        print_json(document)
    if document["stillFailing"]:
        raise RefusedError("" if as_json else _unfinished(document, False))


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
        _show_replay(document, operations, dry_run=dry_run)
        if not document["matched"] and quarantine_id is not None:
            out.print(_why_not(api, quarantine_id), markup=False)
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
    answer: dict[str, Any] = api.ask("POST", path, body=exact_json.dumps(body))
    return answer


def _read(api: Api, quarantine_id: str) -> dict[str, Any]:
    item: dict[str, Any] = api.ask("GET", f"/v1/quarantine/{quote(quarantine_id, safe='')}")
    return item


def _query(
    event_type: str | None, code: str | None, status: Status | None, from_: str | None, to: str | None
) -> dict[str, str | None]:
    return {"eventType": event_type, "code": code, "status": status, "from": from_, "to": to}


def _pages(api: Api, query: Mapping[str, str | None], most: int | None = None) -> Iterator[dict[str, Any]]:
    """The API's pages until there is no other, or until `most` events are read."""
    cursor: str | None = None
    left = most
    while left is None or left > 0:
        limit = PAGE if left is None else min(PAGE, left)
        page: dict[str, Any] = api.ask(
            "GET", "/v1/quarantine", query={**query, "limit": str(limit), "cursor": cursor}
        )
        yield page
        left = None if left is None else left - len(page["items"])
        cursor = page.get("cursor")
        if cursor is None:
            break


def _print(lines: Iterable[str]) -> None:
    for line in lines:
        out.print(line, markup=False)


def _print_list(items: Iterable[refusals.Refused], limit: int | None) -> None:
    for item in items:
        _print(refusals.block(item))
    if limit is not None:
        out.print(f"There are more: --limit {limit * 10}; millrace quarantine summary counts all of them")


def _why_not(api: Api, quarantine_id: str) -> str:
    """Why no open event has an id."""
    answer = api.call("GET", f"/v1/quarantine/{quote(quarantine_id, safe='')}")
    if answer.status == 404:
        return f"There is no refused event {quarantine_id} of this tenant."
    if answer.status != 200:
        return answer.sentence
    return f"{quarantine_id} is {answer.document['status']} already."


def _show_replay(document: dict[str, Any], operations: Sequence[Any], *, dry_run: bool) -> None:
    failing = [result for result in document["results"] if result["status"] not in repairs.PASSED]
    for result in failing[:SHOWN]:
        _print(refusals.failure(result))
    if len(failing) > SHOWN:
        out.print(f"… and {counted(len(failing) - SHOWN, 'more event')} (--json lists them all):")
        _print(refusals.reasons_of(failing[SHOWN:]))
    _print(refusals.operations_of(failing, operations))
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
