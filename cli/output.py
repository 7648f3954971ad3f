"""What a command shows: words and tables for people on standard error and out, one JSON document for programs."""

import base64
import math
import os
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson
from rich.console import Console
from rich.table import Table

# A pipe or a log has no width; rich would take 80 columns and break what a person wants to copy.
WIDTH_OF_PIPES = 160


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    known = stream.isatty() or "COLUMNS" in os.environ
    return Console(stderr=stderr, highlight=False, soft_wrap=True, width=None if known else WIDTH_OF_PIPES)


out = _console(stderr=False)
"""For results."""
err = _console(stderr=True)
"""For progress and errors, so that standard output stays what was asked for."""


def table(*columns: str, title: str | None = None) -> Table:
    """A table that breaks what is too long for a line, and never cuts an id short."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def plain(value: Any) -> Any:
    """A value as JSON can say it: decimals exactly as numbers, times as ISO UTC with `Z`, bytes as base64."""
    match value:
        case None | bool() | str():
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else orjson.Fragment(str(value))
        case float():
            return value if math.isfinite(value) else None
        case Decimal():
            return orjson.Fragment(format(value, "f")) if value.is_finite() else None
        case datetime():
            return _moment(value)
        case date() | time():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes() | bytearray() | memoryview():
            return base64.b64encode(value).decode()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case UUID() | PurePath():
            return str(value)
        case _:
            return str(value)


def _moment(value: datetime) -> str:
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    digits = "microseconds" if aware.microsecond % 1000 else "milliseconds"
    return aware.isoformat(timespec=digits).replace("+00:00", "Z")


def print_json(document: Any) -> None:
    """Writes one JSON document as the last line of standard output."""
    sys.stdout.write(orjson.dumps(plain(document)).decode("utf-8") + "\n")
    sys.stdout.flush()


def complain(message: str) -> None:
    """Writes an error for a person."""
    err.print(message, style="red", markup=False)
