"""What a command shows: words and tables for people on standard error and out, one JSON document for programs."""

import base64
import math
import sys
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson
from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
"""For results."""
err = Console(stderr=True, highlight=False, soft_wrap=True)
"""For progress and errors, so that standard output stays what was asked for."""


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
