"""The dialogue of `millrace quarantine edit`: edit, try, show what differs, ask, replay."""

import base64
from collections.abc import Mapping
from typing import Any

import orjson
import typer

from cli import editing, refusals, repairs
from cli.errors import RefusedError
from cli.output import err
from millrace.core import exact_json

# Bytes: the API takes 64 KB, and the filter has its place beside the patch.
LARGEST_PATCH = 63 * 1024


def edit_and_replay(refused: refusals.Refused, post: repairs.Post) -> dict[str, Any] | None:
    """What the replay of the edited event came to, as `repairs.replay`; None where nothing is to be changed.

    Raises:
        RefusedError: the event cannot be edited, or the editor failed.
    """
    if refused["status"] != "open":
        raise RefusedError(
            f"{refused['quarantineId']} is {refused['status']} already; edit takes an open event"
        )
    sent = _text(refused)
    before = refusals.written(sent)
    text, notes = before, refusals.sentences(refused)
    selection = {"quarantineId": refused["quarantineId"]}
    while True:
        text = editing.edited(text, notes)
        patch, why = _patch(sent, text)
        if why is not None:
            notes = [why]
            err.print(why, markup=False)
        elif not patch:
            return None
        else:
            _show_difference(before, refusals.written(text))
            tried = repairs.replay(post, selection, patch, dry_run=True)
            if not tried["matched"]:
                raise RefusedError(f"{refused['quarantineId']} is no longer open; nothing was changed")
            if not tried["stillFailing"]:
                agreed = typer.confirm("It would pass. Replay it?", err=True)
                return repairs.replay(post, selection, patch, dry_run=False) if agreed else None
            notes = refusals.sentences(tried["results"][0])
            err.print("It would still be refused:", markup=False)
            for note in notes:
                err.print(f"  {note}", markup=False)
        if not typer.confirm("Edit it again?", default=True, err=True):
            return None


def _text(refused: Mapping[str, Any]) -> str:
    if refused["raw"] is None:
        raise RefusedError("what was sent may hold personal data, and this key has no right personal:read")
    if refused.get("rawEncoding") != "base64":
        return str(refused["raw"])
    try:
        return base64.b64decode(refused["raw"]).decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError("what was sent is not text in UTF-8, so it cannot be edited") from error


def _patch(sent: str, text: str) -> tuple[list[dict[str, Any]], str | None]:
    """The patch from what was sent to what was written, or why there is none."""
    try:
        after = exact_json.loads(text.encode())[0]
    except orjson.JSONDecodeError as error:
        # Broken before and broken now: nothing was written.
        return [], None if text == sent.strip() else f"This is not JSON: {error}"
    try:
        patch = editing.difference(exact_json.loads(sent.encode())[0], after)
    except orjson.JSONDecodeError:
        patch = editing.whole(after)
    if len(exact_json.dumps(patch)) > LARGEST_PATCH:
        return [], "This changes more than a call can take; send the event anew, then discard this one"
    return patch, None


def _show_difference(before: str, after: str) -> None:
    styles = {"+": "green", "-": "red"}
    for line in editing.diff(before, after):
        err.print(line, markup=False, style=styles.get(line[:1]))
