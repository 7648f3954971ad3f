"""The bytes of a file as they are read, unpacked where it is packed, within bounds."""

import zlib
from collections.abc import Iterable, Iterator

from millrace.imports import bounds
from millrace.imports.refused_file import RefusedFileError

# Inflated at once: a megabyte that was made to may inflate to a thousand.
PIECE = 1 << 20


def unpacked(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The inflated bytes of a gzip file, which may have several members.

    Raises:
        RefusedFileError: it is no gzip, ends too early, or inflates too far.
    """
    read = made = 0
    member = zlib.decompressobj(wbits=31)
    begun = False
    for chunk in chunks:
        read += len(chunk)
        rest = chunk
        while rest:
            begun = True
            try:
                piece = member.decompress(rest, PIECE)
            except zlib.error as error:
                raise RefusedFileError("not_gzip", "the file is not gzip, or is broken") from error
            made += len(piece)
            if made > bounds.BYTES_INFLATED or made > max(bounds.INFLATION_FROM, bounds.INFLATION * read):
                raise RefusedFileError("inflates_too_far", "the file inflates to far more than it should")
            if piece:
                yield piece
            if member.eof:
                # Some writers fill up with zeros behind the last member.
                rest = member.unused_data.lstrip(b"\0")
                if rest:
                    member = zlib.decompressobj(wbits=31)
                begun = bool(rest)
            else:
                rest = member.unconsumed_tail
    if begun and not member.eof:
        raise RefusedFileError("not_gzip", "the gzip file ends too early")
