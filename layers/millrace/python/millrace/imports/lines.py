"""Lines of text from bytes as they come, each with its number and the bytes that it was; none is longer than a row may be."""

import codecs
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from millrace.imports import bounds
from millrace.imports.form import Form


class Line(NamedTuple):
    """A line with its end. `problem` says why its text cannot be taken; then `text` is not what was written."""

    number: int
    text: str
    raw: bytes
    problem: str = ""


TOO_LONG, NOT_DECODED = "too_long", "not_decoded"


def lines(chunks: Iterable[bytes], form: Form) -> Iterator[Line]:
    """The lines of a file, numbered from 1. They end with a line feed, or with a carriage return where the first one does."""
    wide = {"utf-16": 2, "utf-32": 4}.get(form.encoding[:6], 1)
    if wide > 1:
        decoder = codecs.getincrementaldecoder(form.encoding)("replace")
        chunks, encoding = _as_utf8(chunks, decoder), "utf-8"
    else:
        encoding = form.encoding
    skip = 0 if wide > 1 else form.mark
    for number, (raw, is_long) in enumerate(_cut(chunks, skip), start=1):
        if is_long:
            yield Line(number, "", b"", TOO_LONG)
            continue
        try:
            text = raw.decode(encoding)
        except UnicodeDecodeError:
            yield Line(number, raw.decode("latin-1"), raw, NOT_DECODED)
            continue
        # What a wider encoding could not say has become this character.
        broken = wide > 1 and "\ufffd" in text
        yield Line(number, text, raw, NOT_DECODED if broken else "")


def _as_utf8(chunks: Iterable[bytes], decoder: codecs.IncrementalDecoder) -> Iterator[bytes]:
    first = True
    for chunk in chunks:
        text = decoder.decode(chunk)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        yield text.encode("utf-8", "replace")
    yield decoder.decode(b"", final=True).encode("utf-8", "replace")


def _cut(chunks: Iterable[bytes], skip: int) -> Iterator[tuple[bytes, bool]]:
    """Each line with its end; of one that is too long nothing, and that it was too long."""
    rest, is_long, end = b"", False, b""
    for given in chunks:
        chunk = given
        if skip:
            skip, chunk = max(0, skip - len(chunk)), chunk[skip:]
        if not end and (b"\n" in chunk or b"\r" in chunk):
            end = b"\n" if b"\n" in chunk or b"\n" in rest else b"\r"
        *whole, last = chunk.split(end) if end else [chunk]
        for part in whole:
            if is_long or len(rest) + len(part) > bounds.BYTES_PER_ROW:
                yield b"", True
            else:
                yield rest + part + end, False
            rest, is_long = b"", False
        if is_long or len(rest) + len(last) > bounds.BYTES_PER_ROW:
            rest, is_long = b"", True
        else:
            rest += last
    if is_long or rest:
        yield rest, is_long
