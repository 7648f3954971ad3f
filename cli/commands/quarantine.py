"""`millrace quarantine`: refused events with their errors, shown, counted, edited, replayed or discarded."""

import sys
from collections.abc import Mapping
from enum import StrEnum
from functools import partial
from typing import Annotated, Any

import typer

from cli import refusals, repairs, results
from cli.api import Api
from cli.errors import RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import err, out, print_json
from cli.target import find_target

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    help="Refused events and their errors: read, count, edit, replay or discard them.",
)


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
    items, cursor = repairs.listed(api, _query(event_type, code, status, from_, to), limit)
    if as_json:
        print_json({"items": items, "cursor": cursor})
        return
    if not items:
        out.print(
            "Nothing is in quarantine." if event_type is code is status is from_ is to else "Nothing matches."
        )
        return
    results.paged(lambda: refusals.print_list(items, None if cursor is None else limit))


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
        for page in repairs.pages(api, _query(event_type, code, status, from_, to)):
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
    item = repairs.read(Api(find_target(env), org), quarantine_id)
    if as_json:
        print_json(item)
    else:
        results.paged(lambda: refusals.print_lines(refusals.whole(item)))


@app.command()
def edit(quarantine_id: One, org: Org = None, env: Env = None, as_json: Json = False) -> None:
    """Open a refused event in $VISUAL or $EDITOR, try what you made of it, and replay it.

    Nothing is changed until you agree to the difference that is shown.
    """
    if not sys.stdin.isatty():
        raise UsageError(
            "edit needs a terminal; in a script use: millrace quarantine replay --id ID --patch FILE"
        )
    from cli.quarantine_edit import edit_and_replay

    api = Api(find_target(env), org)
    document = edit_and_replay(repairs.read(api, quarantine_id), partial(repairs.post, api))
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
        refusals.show_replay(document, (), dry_run=False)
    if as_json:
        print_json(document)
    if document["stillFailing"]:
        raise RefusedError("" if as_json else refusals.unfinished(document, dry_run=False))


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
    operations = repairs.read_patch(patch) if patch is not None else []
    with err.status("replaying …") as status:
        document = repairs.replay(
            lambda path, body: repairs.post(api, path, body),
            selection,
            operations,
            dry_run=dry_run,
            progress=lambda count: status.update(f"replaying … {count} replayed"),
        )
    if as_json:
        print_json(document)
    else:
        refusals.show_replay(document, operations, dry_run=dry_run)
        if not document["matched"] and quarantine_id is not None:
            out.print(repairs.why_not(api, quarantine_id), markup=False)
    if document["stillFailing"] or (document["more"] and not dry_run):
        raise RefusedError("" if as_json else refusals.unfinished(document, dry_run=dry_run))


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
            lambda path, body: repairs.post(api, path, body),
            selection,
            dry_run=dry_run,
            progress=lambda count: status.update(f"discarding … {count} discarded"),
        )
    if as_json:
        print_json(document)
    elif dry_run:
        out.print(f"{refusals.at_least(document)} would be discarded")
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


def _query(
    event_type: str | None, code: str | None, status: Status | None, from_: str | None, to: str | None
) -> dict[str, str | None]:
    return {"eventType": event_type, "code": code, "status": status, "from": from_, "to": to}
