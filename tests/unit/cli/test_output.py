"""JSON as scripts read it: exact numbers, UTC times, one document on the last line."""

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson
import pytest

from cli.output import plain, print_json


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("123456789012345678.1234"), b"123456789012345678.1234"),
        (Decimal("1E+3"), b"1000"),
        (Decimal("NaN"), b"null"),
        (2**127 - 1, b"170141183460469231731687303715884105727"),
        (float("inf"), b"null"),
        (
            datetime(2026, 11, 21, 5, 54, 16, 123000),  # noqa: DTZ001  as DuckDB hands out a TIMESTAMP
            b'"2026-11-21T05:54:16.123Z"',
        ),
        (datetime(2026, 11, 21, 5, 54, 16, 123456, tzinfo=UTC), b'"2026-11-21T05:54:16.123456Z"'),
        (datetime(2026, 11, 21, 1, tzinfo=timezone(timedelta(hours=9))), b'"2026-11-20T16:00:00.000Z"'),
        (date(2026, 11, 21), b'"2026-11-21"'),
        (timedelta(minutes=1), b"60.0"),
        (b"\x01", b'"AQ=="'),
        (UUID(int=0), b'"00000000-0000-0000-0000-000000000000"'),
        ({"a": [Decimal("1.50"), {"b": (None, True)}]}, b'{"a":[1.50,{"b":[null,true]}]}'),
    ],
)
def test_values(value: Any, text: bytes) -> None:
    assert orjson.dumps(plain(value)) == text


def test_a_document_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "line\nbreak", "n": Decimal("1.10")})
    printed = capsys.readouterr().out
    assert printed.count("\n") == 1
    assert orjson.loads(printed) == {"text": "line\nbreak", "n": 1.1}
