"""Values of SQL and of Python as JSON."""

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import PurePath
from typing import Any
from uuid import UUID

import orjson

from millrace.core import clock


def plain(value: Any) -> Any:
    """A value as JSON: decimals exactly as numbers, times as ISO UTC with `Z`, bytes as base64."""
    match value:
        case None | bool() | str() | orjson.Fragment():
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
    moment = clock.as_utc(value)
    return clock.utc_micros(moment) if moment.microsecond % 1000 else clock.utc_text(moment)
