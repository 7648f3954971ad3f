"""Zstandard with a context for each thread: making one takes longer than packing a small block or a minute's facts."""

import threading

import zstandard

_LEVEL = 3


class _Contexts(threading.local):
    def __init__(self) -> None:
        self.compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self.decompressor = zstandard.ZstdDecompressor()


_contexts = _Contexts()


def compressed(data: bytes) -> bytes:
    """As one frame."""
    return _contexts.compressor.compress(data)


def decompressed(packed: bytes, most: int) -> bytes:
    """What a frame holds, if that is `most` bytes at most.

    Raises:
        zstandard.ZstdError: it is no frame, or holds more and does not say so.
    """
    return _contexts.decompressor.decompress(packed, most)
