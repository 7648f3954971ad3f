"""Rows of Parquet, a few at a time, as JSON has them. Imports pyarrow."""

import base64
import io
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.core import exact_json
from millrace.imports import bounds
from millrace.imports.records import Record
from millrace.imports.refused_file import RefusedFileError

_ROWS = 500
# Footers, and columns of row groups, are read in pieces of this many bytes.
_READ = 1 << 20


class Ranges(io.RawIOBase):
    """A file that is read at any place; `read(start, size)` gives its bytes."""

    def __init__(self, read: Callable[[int, int], bytes], size: int) -> None:
        super().__init__()
        self._read, self._size, self._at = read, size, 0

    def readable(self) -> bool:
        """Always."""
        return True

    def seekable(self) -> bool:
        """Always."""
        return True

    def tell(self) -> int:
        """Where the next read begins."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves there."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer with what is left."""
        size = min(len(buffer), self._size - self._at)
        if size <= 0:
            return 0
        piece = self._read(self._at, size)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)


def parquet_records(read: Callable[[int, int], bytes], size: int) -> tuple[list[str], Iterator[Record]]:
    """The names of the columns, and the rows.

    Args:
        read: start and size → bytes of the file.
        size: of the file.

    Raises:
        RefusedFileError: it is no Parquet, or its row groups are too large.
    """
    try:
        file = pq.ParquetFile(io.BufferedReader(Ranges(read, size), _READ))
    except (pa.ArrowException, OSError) as error:
        raise RefusedFileError("not_parquet", "the file cannot be read as Parquet") from error
    groups = [file.metadata.row_group(number) for number in range(file.metadata.num_row_groups)]
    if any(group.total_byte_size > bounds.BYTES_PER_ROW_GROUP for group in groups):
        raise RefusedFileError(
            "not_parquet", f"a row group has at most {bounds.BYTES_PER_ROW_GROUP >> 20} MB, uncompressed"
        )
    if not file.metadata.num_rows:
        raise RefusedFileError("no_rows", "the file has no rows")
    if file.metadata.num_columns > bounds.COLUMNS:
        raise RefusedFileError("columns", f"a file has at most {bounds.COLUMNS} columns")
    return list(file.schema_arrow.names), _rows(file)


def _rows(file: pq.ParquetFile) -> Iterator[Record]:
    number = 0
    try:
        for batch in file.iter_batches(batch_size=_ROWS):
            for row in batch.to_pylist():
                number += 1
                values = {name: _json(value) for name, value in row.items() if value is not None}
                yield Record(number, exact_json.dumps(values), values)
    except (pa.ArrowException, OSError) as error:
        raise RefusedFileError("not_parquet", f"the file cannot be read behind row {number}") from error


def _json(value: Any) -> Any:
    """A value as JSON has it: moments with their offset, UTC where they have none; decimals as numbers; bytes in base64."""
    if isinstance(value, (str, bool, int, float)):
        return value
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, datetime):
        moment = value.replace(tzinfo=UTC) if value.tzinfo is None else value
        return moment.isoformat().replace("+00:00", "Z")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, dict):
        return {name: _json(inner) for name, inner in value.items() if inner is not None}
    if isinstance(value, (list, tuple)):
        return [_json(inner) for inner in value]
    return None if value is None else str(value)
