"""Starts the process that runs a query's text, and ends it: at its end, at the query's, or when its caller cancels."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import orjson

from millrace.queries.errors import KINDS, QueryError, TooLargeQueryError
from millrace.queries.sandbox import Task

# How often it is looked whether the query may go on.
_LOOKS_SECONDS = 1.0


def run(task: Task, must_go_on: Callable[[], None]) -> dict[str, Any]:
    """Runs a task in a process of its own.

    Args:
        task: what to run.
        must_go_on: raises when the query has to end; it is asked each second.

    Returns:
        As `sandbox.run`; the rows are JSON already.

    Raises:
        QueryError: the statement is wrong, it needs too much, or `must_go_on` raised.
    """
    # Nothing of our own environment: no credentials, no addresses.
    environment = {
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", ""),
    }
    command = [sys.executable, "-P", "-m", "millrace.queries.sandbox"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment
    ) as process:
        given: bytes | None = orjson.dumps(asdict(task))
        try:
            while True:
                try:
                    said, complained = process.communicate(given, timeout=_LOOKS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    given = None
                    must_go_on()
        finally:
            process.kill()
            process.wait()
    return _found(said, complained, process.returncode)


def _found(said: bytes, complained: bytes, code: int) -> dict[str, Any]:
    head, _, rows = said.partition(b"\n")
    try:
        found: dict[str, Any] = orjson.loads(head)
    except orjson.JSONDecodeError as error:
        if code == 1 and b"Error" in complained and b"MemoryError" not in complained:
            raise RuntimeError(
                f"the query's process failed: {complained[-2000:].decode(errors='replace')}"
            ) from error
        # The kernel has ended it, or it could not go on: more memory than it may have.
        raise TooLargeQueryError(
            "the query needs more memory than it may have: choose fewer rows and columns, or aggregate earlier"
        ) from error
    if "error" in found:
        kind: type[QueryError] = KINDS.get(found["error"], QueryError)
        raise kind(found["message"])
    return {**found, "rows": orjson.Fragment(rows)}
