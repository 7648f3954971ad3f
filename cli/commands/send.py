"""`millrace send`: events of a file, through the HTTP API."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress

from cli import refusals
from cli.api import Api
from cli.batches import Line, Merged, all_accepted, read_events
from cli.errors import NoPlatformError, RefusedError, UsageError
from cli.options import Env, Json, Org
from cli.output import counted, err, out, print_json, visible
from cli.sending import send_lines
from cli.target import find_target

SHOWN = 10


def send(
    file: Annotated[
        str, typer.Argument(help="JSON (an event or an array) or NDJSON; - reads standard input.")
    ],
    org: Org = None,
    env: Env = None,
    as_json: Json = False,
) -> None:
    """Send events and show the answer to each."""
    target = find_target(env)
    lines = _read(file)
    merged = Merged()
    api = Api(target, org)
    try:
        with Progress(console=err, transient=True) as progress:
            task = progress.add_task("sending", total=len(lines))
            send_lines(api, lines, merged, lambda count: progress.advance(task, count))
    except (KeyboardInterrupt, NoPlatformError):
        if not as_json:
            err.print(
                f"so far {summary(merged.document())}; send it again: what is accepted is not stored twice"
            )
        raise
    show(merged.document(), as_json, org)


def _read(file: str) -> list[Line]:
    try:
        text = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}") from error
    try:
        return [Line(index, body) for index, body in enumerate(read_events(text))]
    except ValueError as error:
        raise UsageError(f"{'standard input' if file == '-' else file}: {error}") from error


def show(document: dict[str, Any], as_json: bool, org: str | None) -> None:
    """Shows a merged answer.

    Raises:
        RefusedError: not every event was accepted.
    """
    sentence = summary(document)
    if as_json:
        print_json(document)
    else:
        refused = [one for one in document["results"] if one["status"] not in ("accepted", "duplicate")]
        for result in refused[:SHOWN]:
            errors = "; ".join(map(refusals.sentence, result.get("errors", [])))
            detail = errors or visible(result.get("message", ""))
            name = visible(result.get("eventId") or "-")
            out.print(f"  [{result['index']}] {name}  {result['status']}  {detail}", markup=False)
        if len(refused) > SHOWN:
            out.print(f"  … and {counted(len(refused) - SHOWN, 'more event')}; --json lists them all")
        out.print(sentence)
        if any(error["code"] == "unknown_type" for one in refused for error in one.get("errors", [])):
            out.print(
                "A type is known once its contract is deployed: millrace contracts init, then make up. What "
                "waits in quarantine for it is replayed by itself."
            )
    if not all_accepted(document):
        raise RefusedError("" if as_json else f"not every event was accepted; {_where(document, org)}")


def _where(document: dict[str, Any], org: str | None) -> str:
    """Where the events are that were not accepted: a refused one is in quarantine if its result says so, and nowhere otherwise."""
    refused = [one for one in document["results"] if one["status"] not in ("accepted", "duplicate")]
    kept = sum("quarantineId" in one for one in refused)
    option = "" if org is None else f" --org {org}"
    shows = f"millrace quarantine list{option} shows"
    if kept == len(refused):
        return f"{shows} the refused ones"
    nowhere = f"{counted(len(refused) - kept, 'event')} kept nowhere"
    return (
        f"{shows} {kept} of them, and {nowhere}"
        if kept
        else f"{nowhere}: mend what it says, and send them again"
    )


def summary(document: dict[str, Any]) -> str:
    """The counts in one line."""
    names = ("accepted", "duplicates", "conflicts", "rejected", "unavailable")
    return ", ".join(f"{document[name]} {name}" for name in names if document[name] or name == "accepted")
