"""Tiles as rows hold them: by key, in blocks of bounded size, so that a reader of one key reads one block. Pure.

A block is a span of the day and those keys of it whose hash falls to it. The states of a key stand together, by tile.
"""

import json
from binascii import b2a_base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zlib import crc32

import orjson
import zstandard

from millrace.aggregates.definition import DAY_SECONDS
from millrace.aggregates.fold import KeyValues
from millrace.aggregates.measures import Kind, State
from millrace.aggregates.packing import compressed, decompressed
from millrace.core.errors import PermanentError

Tiles = dict[int, dict[KeyValues, list[State]]]
"""Start of the tile in seconds since 1970 → key values → states in the order of the aggregate's measures."""
# Bytes of a block before it is compressed: some milliseconds to read. An item may have 400 KB.
MOST_BYTES = 128 * 1024
_MOST_READ = 400 * 1024 * 100
# Behind this split there is one tile of a key, which no state makes larger than an item.
_MOST_SPANS = 288
_LARGEST = 2**63 - 1
# Between two entries.
_END = b"]]],"
_decoded = json.JSONDecoder().raw_decode


@dataclass(frozen=True, slots=True)
class Layout:
    """How a day is divided: into equal spans of time, and each of these into blocks by the hash of the key."""

    spans: int = 1
    blocks: int = 1

    def span(self, tile: int) -> int:
        """The span that a tile lies in."""
        return tile % DAY_SECONDS * self.spans // DAY_SECONDS

    def block(self, key: KeyValues) -> int:
        """The block of a key in each span."""
        return crc32(orjson.dumps(key)) % self.blocks


def pack(tiles: Tiles, kinds: Sequence[Kind]) -> tuple[Layout, dict[tuple[int, int], bytes]]:
    """Tiles of one day as blocks: their layout, and the bytes of each that is not empty by span and block."""
    entries = _entries(tiles, kinds)
    layout = Layout()
    while True:
        placed = {place: _dumps(one) for place, one in _placed(entries, layout).items()}
        wider = _wider(entries, layout)
        if wider is None or max(map(len, placed.values()), default=0) <= MOST_BYTES:
            break
        layout = wider
    return layout, {place: compressed(block) for place, block in placed.items()}


def unpack(
    packed: bytes,
    kinds: Sequence[Kind],
    wanted: Callable[[KeyValues], bool] | None = None,
    keys: Sequence[KeyValues] = (),
) -> Tiles:
    """What a block holds.

    Args:
        packed: the block.
        kinds: of the aggregate's measures.
        wanted: which keys are read, of all; None: each.
        keys: the only ones that are read, which spares parsing the others; empty: those that are wanted.

    Raises:
        PermanentError: it is no block.
    """
    try:
        text = decompressed(packed, _MOST_READ)
        entries = _entries_of(text, keys) if keys else orjson.loads(text)
    except (zstandard.ZstdError, ValueError) as error:
        raise PermanentError(f"no block of tiles: {error}") from error
    found: Tiles = {}
    for named, tiles, columns in entries:
        key = tuple(named)
        if wanted is not None and not wanted(key):
            continue
        if len(tiles) == 1:
            # As in nearly every part.
            only = [kind.read(column[0]) for kind, column in zip(kinds, columns, strict=True)]
            found.setdefault(tiles[0], {})[key] = only
            continue
        read = [kind.read_all(column) for kind, column in zip(kinds, columns, strict=True)]
        for tile, states in zip(tiles, zip(*read, strict=True), strict=True):
            found.setdefault(tile, {})[key] = list(states)
    return found


def _entries_of(text: bytes, keys: Sequence[KeyValues]) -> Iterator[Any]:
    """The entries of these keys, of which some may be absent."""
    for begins in map(_begins, keys):
        # A quote within a text is escaped, so this is in no text; and states by themselves have no such brackets before it.
        # From the end, which is the quicker search.
        at = 1 if text.startswith(begins, 1) else text.rfind(_END + begins) + len(_END)
        if at < len(_END) and not text.startswith(begins, at):
            continue
        end = text.find(_END, at)
        try:
            yield orjson.loads(text[at : end + len(_END) - 1] if end > 0 else text[at:-1])
        except orjson.JSONDecodeError:
            # The end was within a text.
            yield _decoded(text[at:].decode())[0]


@lru_cache(maxsize=8)
def _begins(key: KeyValues) -> bytes:
    return b"[" + orjson.dumps(key) + b",["


def merge(into: Tiles, other: Tiles, kinds: Sequence[Kind]) -> None:
    """Adds tiles to tiles; `other` is not used any further."""
    for tile, keys in other.items():
        held = into.setdefault(tile, {})
        for key, states in keys.items():
            held[key] = merged((held[key], states), kinds) if key in held else states


def merged(several: Sequence[Sequence[State]], kinds: Sequence[Kind]) -> list[State]:
    """The states of all of several, each with a state for each measure."""
    if len(several) == 1:
        return list(several[0])
    return [kind.merge_all(states) for kind, *states in zip(kinds, *several, strict=True)]


# A key, its tiles, and of each measure the state in each of these tiles.
_Entry = tuple[KeyValues, list[int], Sequence[Sequence[Any]]]


def _entries(tiles: Tiles, kinds: Sequence[Kind]) -> list[_Entry]:
    """By key in the order of their text, and by tile: the same tiles make the same bytes."""
    by_key: dict[bytes, tuple[KeyValues, list[int], list[list[State]]]] = {}
    for tile in sorted(tiles):
        for key, states in tiles[tile].items():
            _, found, several = by_key.setdefault(orjson.dumps(key), (key, [], []))
            found.append(tile)
            several.append(states)
    return [
        (key, found, [kind.cut_all(states) for kind, *states in zip(kinds, *several, strict=True)])
        for _, (key, found, several) in sorted(by_key.items())
    ]


def _placed(entries: Sequence[_Entry], layout: Layout) -> Mapping[tuple[int, int], Sequence[_Entry]]:
    if layout == Layout():
        return {(0, 0): entries} if entries else {}
    placed: dict[tuple[int, int], list[_Entry]] = {}
    for key, tiles, columns in entries:
        block = layout.block(key)
        by_span: dict[int, tuple[KeyValues, list[int], list[list[Any]]]] = {}
        for at, tile in enumerate(tiles):
            _, found, parts = by_span.setdefault(layout.span(tile), (key, [], [[] for _ in columns]))
            found.append(tile)
            for part, column in zip(parts, columns, strict=True):
                part.append(column[at])
        for span, entry in by_span.items():
            placed.setdefault((span, block), []).append(entry)
    return placed


def _wider(entries: Sequence[_Entry], layout: Layout) -> Layout | None:
    """Twice the blocks, or twice the spans where a block already holds hardly more than one key; None: no more."""
    if layout.blocks < len(entries):
        return Layout(layout.spans, layout.blocks * 2)
    several = any(len(tiles) > 1 for _, tiles, _ in entries)
    return Layout(layout.spans * 2, layout.blocks) if several and layout.spans < _MOST_SPANS else None


def _dumps(entries: Sequence[_Entry]) -> bytes:
    try:
        return orjson.dumps(entries, default=_bytes)
    except orjson.JSONEncodeError:
        exact = [(key, tiles, _exact(columns)) for key, tiles, columns in entries]
        return orjson.dumps(exact, default=_bytes)


def _exact(state: Any) -> Any:
    """An integer beyond 64 bits as text, for JSON has none. Kinds read either."""
    if isinstance(state, list):
        return [_exact(one) for one in state]
    return str(state) if isinstance(state, int) and abs(state) > _LARGEST else state


def _bytes(state: Any) -> str:
    return b2a_base64(state, newline=False).decode()
