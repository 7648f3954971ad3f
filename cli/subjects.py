"""Calls about people: their paths, and waiting for what the platform carries out."""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import urllib3

from cli.errors import RefusedError
from millrace.core.path_ids import named, segment

# A machine waits a minute for the memory of functions; the rest is seconds.
_WORD = re.compile("[a-z-]+")
PAUSE_SECONDS, LONGEST_SECONDS = 3.0, 1800.0


def path(subject: str, call: str = "") -> str:
    """The path of a call about a person."""
    tail = f"/{call}" if call else ""
    # Words may be those of other paths: `/v1/subjects/requests` asks for the requests of all.
    name = named(subject) if _WORD.fullmatch(subject) else segment(subject)
    return f"/v1/subjects/{name}{tail}"


def awaited(
    read: Callable[[], dict[str, Any]],
    done: Callable[[dict[str, Any]], bool],
    *,
    sleep: Callable[[float], None] = time.sleep,
    longest: float = LONGEST_SECONDS,
) -> dict[str, Any]:
    """Reads again and again until it is done.

    Raises:
        RefusedError: it has failed, or is not done after so many seconds.
    """
    waited = 0.0
    while True:
        document = read()
        if done(document):
            return document
        if document["state"] == "failed":
            raise RefusedError("it has failed; the log of the machine erase_subject says why")
        if waited >= longest:
            raise RefusedError(f"it is not done after {longest:.0f} s; the same command goes on waiting")
        sleep(PAUSE_SECONDS)
        waited += PAUSE_SECONDS


def download(address: str, to: Path) -> int:
    """Writes what a link leads to into a file; returns its bytes.

    Raises:
        RefusedError: the address leads to nothing (any more).
    """
    answer = urllib3.request("GET", address, preload_content=False)
    if answer.status != 200:
        raise RefusedError(f"the link is answered {answer.status}: ask for the export again")
    written = 0
    with to.open("wb") as file:
        for part in answer.stream(1 << 20):
            written += file.write(part)
    return written
