"""A text edited in the user's own editor, and what the edit changed, as a JSON Patch and as a diff."""

import difflib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonpatch
import orjson

from cli.errors import RefusedError
from cli.refusals import cut
from millrace.core import exact_json
from millrace.intake.patches import OPERATIONS

# Before the text, for the reader only.
_NOTE = "// "
_DEFAULT = "vi"
_STDERR = 2


def edited(text: str, notes: Sequence[str]) -> str:
    """The text as the editor left it.

    Args:
        text: to be edited.
        notes: lines that stand before it and are not part of it.

    Raises:
        RefusedError: there is no such editor, or it ended with an error.
    """
    named = os.environ.get("VISUAL") or os.environ.get("EDITOR") or _DEFAULT
    with tempfile.TemporaryDirectory(prefix="millrace-") as folder:
        file = Path(folder) / "event.json"
        file.write_text("".join(f"{_NOTE}{note}\n" for note in notes) + text + "\n", "utf-8")
        # An editor draws on the terminal, also where the result goes into a pipe.
        screen = None if sys.stdout.isatty() else _STDERR
        try:
            done = subprocess.run([*shlex.split(named), str(file)], stdout=screen, check=False)
        except (OSError, ValueError) as error:
            raise RefusedError(
                f"the editor {named} cannot be started; set EDITOR. Nothing is changed"
            ) from error
        if done.returncode:
            raise RefusedError(f"the editor ended with {done.returncode}; nothing is changed")
        try:
            return _without_notes(file.read_text("utf-8")).strip()
        except (OSError, UnicodeDecodeError) as error:
            raise RefusedError(f"what the editor left cannot be read: {error}; nothing is changed") from error


def _without_notes(text: str) -> str:
    lines = text.split("\n")
    while lines and lines[0].startswith(_NOTE.rstrip()):
        del lines[0]
    return "\n".join(lines)


def difference(before: Any, after: Any) -> list[dict[str, Any]]:
    """A JSON Patch (RFC 6902) from one value to the other: few operations, or one that replaces the whole."""
    if _bytes(before) == _bytes(after):
        return []
    try:
        operations: list[dict[str, Any]] = jsonpatch.make_patch(before, after).patch
        made = jsonpatch.JsonPatch(operations).apply(exact_json.loads(exact_json.dumps(before))[0])
    except (jsonpatch.JsonPatchException, RecursionError):
        return whole(after)
    # The library compares loosely, so its work is compared with what was wanted.
    return operations if 0 < len(operations) <= OPERATIONS and _bytes(made) == _bytes(after) else whole(after)


def whole(after: Any) -> list[dict[str, Any]]:
    """The patch that puts a value in the place of whatever is there."""
    return [{"op": "replace", "path": "", "value": after}]


def _bytes(value: Any) -> bytes:
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        return exact_json.dumps(value)


def diff(before: str, after: str) -> Iterator[str]:
    """The lines that differ, each with three around it."""
    lines = difflib.unified_diff(before.split("\n"), after.split("\n"), lineterm="")
    return (cut(line) for number, line in enumerate(lines) if number > 1)
