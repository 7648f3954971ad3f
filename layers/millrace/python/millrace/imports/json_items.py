"""The items of a JSON document as its bytes come: of an array, or of objects one after the other."""

import re
from collections.abc import Iterable, Iterator

from millrace.imports import bounds
from millrace.imports.refused_file import RefusedFileError

# Texts are skipped whole; one whose end has not come yet is waited for.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"
_QUOTE = 0x22


def items(chunks: Iterable[bytes]) -> Iterator[bytes | None]:
    """The bytes of each item; None for one that has more than a row may have.

    What is no JSON comes as an item that no parser takes, so that it is told. The last item is what is left at the end.

    Raises:
        RefusedFileError: a text in it is larger than a row may be.
    """
    cutter = _Cutter()
    for chunk in chunks:
        yield from cutter.add(chunk)
    yield from cutter.rest()


class _Cutter:
    """Cuts items; `_start` is where the present one begins in the buffer, `_at` how far it was looked at."""

    def __init__(self) -> None:
        self._buffer, self._start, self._at, self._depth = b"", 0, 0, 0
        self._begun = self._in_array = self._skipping = False

    def add(self, chunk: bytes) -> Iterator[bytes | None]:
        """The items that end in the chunk."""
        self._buffer += chunk
        if not self._begun and not self._begin():
            return
        while (mark := _MARK.search(self._buffer, self._at)) is not None:
            if self._buffer[mark.start()] == _QUOTE and mark.end() - mark.start() == 1:
                # A text that has not ended.
                self._at = mark.start()
                break
            self._at = mark.end()
            yield from self._marked(self._buffer[mark.start() : mark.start() + 1], mark.start())
        else:
            self._at = len(self._buffer)
        self._forget()

    def rest(self) -> Iterator[bytes | None]:
        """What is left behind the last item."""
        if self._skipping or self._buffer[self._start :].strip(_SPACE):
            yield self._item(len(self._buffer))

    def _begin(self) -> bool:
        self._buffer = self._buffer.lstrip(_SPACE)
        self._begun = bool(self._buffer)
        self._in_array = self._buffer.startswith(b"[")
        self._at = self._start = int(self._in_array)
        return self._begun

    def _marked(self, mark: bytes, place: int) -> Iterator[bytes | None]:
        if mark in b"[{":
            self._depth += 1
        elif mark in b"]}":
            self._depth -= 1
            if self._depth < 0:
                # The end of the array, or what has no beginning.
                if self._skipping or self._buffer[self._start : place].strip(_SPACE):
                    yield self._item(place)
                self._start, self._depth, self._in_array = self._at, 0, False
            elif self._depth == 0 and not self._in_array:
                yield self._item(self._at)
        elif mark == b"," and self._depth == 0:
            yield self._item(place)

    def _item(self, end: int) -> bytes | None:
        item = None if self._skipping else self._buffer[self._start : end].strip(_SPACE)
        self._start, self._skipping = self._at, False
        return item if item is None or len(item) <= bounds.BYTES_PER_ROW else None

    def _forget(self) -> None:
        """Drops what was cut, and of an item that is too long what was looked at.

        Raises:
            RefusedFileError: a text does not end.
        """
        if self._at - self._start > bounds.BYTES_PER_ROW:
            self._skipping, self._start = True, self._at
        self._buffer, self._at, self._start = self._buffer[self._start :], self._at - self._start, 0
        if len(self._buffer) > 2 * bounds.BYTES_PER_ROW:
            # Whether what follows is inside a text or outside cannot be known any more.
            raise RefusedFileError("too_large", "a text of the file does not end within what a row may have")
