"""The rows of a file, one after the other: what is in each, where it stands, and the bytes that it was."""

import codecs
import csv
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from millrace.contracts.errors import FieldError
from millrace.core import exact_json
from millrace.imports import bounds
from millrace.imports.form import Form, Options
from millrace.imports.json_items import items
from millrace.imports.lines import NOT_DECODED, TOO_LONG, Line, lines
from millrace.imports.refused_file import RefusedFileError

# A little more than the bytes of a row, for `csv` counts characters of one cell.
csv.field_size_limit(bounds.BYTES_PER_ROW + 1024)
_TOO_LONG = FieldError("", "too_large", f"a row has at most {bounds.BYTES_PER_ROW} bytes")
_NOT_DECODED = FieldError("", "malformed", "the row is not of the encoding of the file")
_NOT_CLOSED = FieldError("", "malformed", "a quote is opened in this row and never closed")
_NO_OBJECT = FieldError("", "type", "a row is a JSON object")


@dataclass(slots=True)
class Record:
    """A row. Nothing changes it.

    Attributes:
        line: where it begins: its line, or in JSON arrays and Parquet its number; from 1.
        raw: its bytes in the form of the file; empty where they were too many.
        values: by column, texts or JSON; None where it could not be read.
        error: why it could not.
    """

    line: int
    raw: bytes
    values: dict[str, Any] | None = None
    error: FieldError | None = None


def csv_records(chunks: Iterable[bytes], form: Form, options: Options) -> tuple[list[str], Iterator[Record]]:
    """The names of the columns, and the rows.

    Raises:
        RefusedFileError: there are no rows, too many columns, or columns of one name.
    """
    reader = _Csv(lines(chunks, form), form, options)
    header = options.header
    if header is None:
        cells, record = next(reader.rows(), ([], None))
        if record is None:
            raise RefusedFileError("no_rows", "the file has no rows")
        if record.error is not None:
            at = "encoding" if record.error is _NOT_DECODED else "columns"
            raise RefusedFileError(at, f"the names of the columns cannot be read: {record.error.message}")
        header = [name.strip() for name in cells]
    if len(header) > bounds.COLUMNS:
        raise RefusedFileError(
            "columns", f"a file has at most {bounds.COLUMNS} columns, this one has {len(header)}"
        )
    if len(set(header)) < len(header) or not all(header):
        raise RefusedFileError("columns", "each column has a name, and no two have the same")
    return header, _named(reader, header)


def _named(reader: "_Csv", header: list[str]) -> Iterator[Record]:
    width = len(header)
    for cells, record in reader.rows():
        if record.error is None:
            if len(cells) == width:
                record.values = dict(zip(header, cells, strict=True))
            else:
                message = f"the row has {len(cells)} cells, the header has {width}"
                record.error = FieldError("", "malformed", message)
        yield record


class _Csv:
    """Rows of CSV over lines, so that a broken row takes no other along."""

    def __init__(self, source: Iterator[Line], form: Form, options: Options) -> None:
        self._source, self._form, self._options = source, form, options
        self._taken: list[Line] = []
        self._back: deque[Line] = deque()

    def rows(self) -> Iterator[tuple[list[str], Record]]:
        """Each row's cells; rows without any are left out."""
        while True:
            reader = csv.reader(
                self._texts(),
                delimiter=self._form.delimiter,
                quotechar=self._options.quote,
                strict=False,
            )
            try:
                for cells in reader:
                    taken, self._taken = self._taken, []
                    if cells:
                        if self._is_open(taken):
                            # The end of the file closed the quote of this row, and all that followed was in it.
                            yield self._broken(taken)
                            break
                        yield cells, _record(taken)
                else:
                    return
            except csv.Error:
                taken, self._taken = self._taken, []
                yield self._broken(taken)

    def _texts(self) -> Iterator[str]:
        size = 0
        while True:
            line = self._back.popleft() if self._back else next(self._source, None)
            if line is None:
                return
            size = size + len(line.raw) if self._taken else len(line.raw)
            self._taken.append(line)
            if size > bounds.BYTES_PER_ROW or line.problem == TOO_LONG:
                raise csv.Error("too long")
            yield line.text

    def _is_open(self, taken: list[Line]) -> bool:
        quote = self._options.quote
        return len(taken) > 1 and sum(line.text.count(quote) for line in taken) % 2 == 1

    def _broken(self, taken: list[Line]) -> tuple[list[str], Record]:
        """The first line as a row that is refused; the others are read again, for they may be sound."""
        first, *others = taken
        self._back.extendleft(reversed(others))
        return [], Record(first.number, first.raw, error=_problem(first) or _NOT_CLOSED)


def _record(taken: list[Line]) -> Record:
    raw = taken[0].raw if len(taken) == 1 else b"".join([line.raw for line in taken])
    error = next(filter(None, map(_problem, taken)), None)
    return Record(taken[0].number, raw, error=error)


def _problem(line: Line) -> FieldError | None:
    if not line.problem:
        return None
    return _NOT_DECODED if line.problem == NOT_DECODED else _TOO_LONG


def ndjson_records(chunks: Iterable[bytes], form: Form) -> Iterator[Record]:
    """A row a line; empty lines are none."""
    for line in lines(chunks, form):
        error = _problem(line)
        if error is not None:
            yield Record(line.number, line.raw, error=error)
        elif text := line.text.strip():
            yield _of_json(line.number, text.encode("utf-8", "replace"), line.raw)


def json_records(chunks: Iterable[bytes], form: Form) -> Iterator[Record]:
    """The items of an array, or objects that stand one after the other."""
    for number, item in enumerate(items(_utf8(chunks, form)), start=1):
        if item is None:
            yield Record(number, b"", error=_TOO_LONG)
        else:
            yield _of_json(number, item, item)


def _utf8(chunks: Iterable[bytes], form: Form) -> Iterator[bytes]:
    """The text in UTF-8, without a mark. What cannot be read makes its item malformed."""
    if form.encoding == "utf-8":
        skip = form.mark
        for chunk in chunks:
            yield chunk[skip:]
            skip = 0
        return
    decoder = codecs.getincrementaldecoder(form.encoding)("replace")
    skip = form.mark
    for chunk in chunks:
        yield decoder.decode(chunk[skip:]).encode()
        skip = 0


def _of_json(number: int, text: bytes, raw: bytes) -> Record:
    try:
        value, _ = exact_json.loads(text)
    except orjson.JSONDecodeError as error:
        return Record(
            number, raw, error=FieldError("", "malformed", f"not JSON: {error.msg} at byte {error.pos}")
        )
    if not isinstance(value, dict):
        return Record(number, raw, error=_NO_OBJECT)
    return Record(number, raw, values=value)
