"""What a query is answered: names, and rows as Python has them, from the answer itself or from the file that it names."""

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

import orjson

from millrace.core.sql import literal

# Rows that are read at once.
PART = 10_000


class Answer(Protocol):
    """The result of one statement: the names of its columns, each distinct, and its rows, which are read once."""

    @property
    def names(self) -> list[str]:
        """Of the columns."""

    def parts(self, size: int = PART) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, so many at a time."""

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows."""


class ListAnswer:
    """Rows that came with the answer."""

    def __init__(self, columns: Sequence[dict[str, str]], rows: Sequence[Sequence[Any]]) -> None:
        """`rows` are as `exactly` reads them."""
        self.names = [column["name"] for column in columns]
        readers = [_reader(column["type"]) for column in columns]
        self._rows = [
            tuple(None if value is None else read(value) for read, value in zip(readers, row, strict=True))
            for row in rows
        ]

    def parts(self, size: int = PART) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, so many at a time."""
        for start in range(0, len(self._rows), size):
            yield self._rows[start : start + size]

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return self._rows


class FileAnswer:
    """Rows of a Parquet file."""

    def __init__(self, path: Path) -> None:
        """Opens it."""
        import duckdb

        self._cursor = duckdb.connect(config={"python_enable_replacements": "false"})
        self._cursor.execute("SET TimeZone = 'UTC'")
        self._cursor.execute(f"SELECT * FROM read_parquet({literal(str(path))})")  # noqa: S608  quoted
        self.names = [str(column[0]) for column in self._cursor.description or ()]

    def parts(self, size: int = PART) -> Iterator[list[tuple[Any, ...]]]:
        """The rows, so many at a time."""
        while part := self._cursor.fetchmany(size):
            yield part

    def rows(self) -> list[tuple[Any, ...]]:
        """All rows."""
        return [row for part in self.parts() for row in part]


class _Number(str):
    """A number with a point, as it was written."""

    __slots__ = ()


def exactly(body: bytes) -> Any:
    """JSON whose numbers keep all of their digits.

    Raises:
        ValueError: it is not JSON.
    """
    return json.loads(body, parse_float=_Number)


def _reader(kind: str) -> Callable[[Any], Any]:
    """From JSON to the value of a column of this type."""
    if kind.endswith("]"):
        return _within
    if kind.startswith("DECIMAL"):
        return Decimal
    return _READERS.get(kind, _within)


def _within(value: Any) -> Any:
    """A value whose type does not matter to whoever shows it: JSON, with numbers as they were written."""
    match value:
        case _Number():
            return orjson.Fragment(str(value))
        case list():
            return [_within(one) for one in value]
        case dict():
            return {name: _within(one) for name, one in value.items()}
        case _:
            return value


_READERS: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("DOUBLE", "FLOAT", "INTERVAL"), float),
    **dict.fromkeys(
        ("TIMESTAMP", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"),
        datetime.fromisoformat,
    ),
    "DATE": date.fromisoformat,
    "TIME": time.fromisoformat,
    "BLOB": base64.b64decode,
}
