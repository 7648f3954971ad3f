"""The compressed form of a stored event: zstd with the dictionary of its contract.

The dictionary's name is stored beside the bytes, so a row stays readable after its contract has a newer one.
"""

from collections.abc import Callable

import zstandard

from millrace.core import limits

# Level 3 is zstd's own default: on rows of a few hundred bytes higher levels gain under 1 %.
LEVEL = 3
# No event may be larger than the intake limit; the bound keeps a damaged frame from asking for gigabytes.
MAX_BYTES = limits.BYTES_PER_REQUEST


def size(packed: bytes) -> int:
    """Bytes of a body as its frame states them, which every frame made here does; `MAX_BYTES` where it does not.

    Raises:
        zstandard.ZstdError: the bytes are not a frame, or one that states more than any event may have.
    """
    stated = zstandard.frame_content_size(packed)
    if stated > MAX_BYTES:
        raise zstandard.ZstdError(f"the frame states {stated} bytes, no event has more than {MAX_BYTES}")
    return MAX_BYTES if stated < 0 else int(stated)


class Codec:
    """Packs and unpacks event bodies. Not for use by two threads at once: zstd contexts are not."""

    def __init__(self, dictionary: Callable[[str], bytes]) -> None:
        """`dictionary` gives the bytes of a dictionary by name."""
        self._dictionary = dictionary
        self._packers: dict[str, zstandard.ZstdCompressor] = {}
        self._unpackers: dict[str, zstandard.ZstdDecompressor] = {}

    def pack(self, body: bytes, name: str) -> bytes:
        """Compresses with the dictionary of that name."""
        packer = self._packers.get(name)
        if packer is None:
            packer = zstandard.ZstdCompressor(level=LEVEL, dict_data=self._load(name), write_dict_id=False)
            self._packers[name] = packer
        return packer.compress(body)

    def unpack(self, packed: bytes, name: str) -> bytes:
        """The body as it was packed.

        Raises:
            zstandard.ZstdError: the bytes are not a frame made with this dictionary, or hold more than any event may.
        """
        # The library allocates what a frame states, whatever bound it is given.
        size(packed)
        unpacker = self._unpackers.get(name)
        if unpacker is None:
            unpacker = zstandard.ZstdDecompressor(dict_data=self._load(name))
            self._unpackers[name] = unpacker
        return unpacker.decompress(packed, max_output_size=MAX_BYTES)

    def _load(self, name: str) -> zstandard.ZstdCompressionDict | None:
        # The empty name means a contract that has no dictionary yet.
        if not name:
            return None
        return zstandard.ZstdCompressionDict(self._dictionary(name), dict_type=zstandard.DICT_TYPE_RAWCONTENT)
