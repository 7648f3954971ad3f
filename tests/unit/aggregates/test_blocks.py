"""A key is found in a block without its other keys being read, whatever keys are made of."""

from typing import Any

import pytest

from millrace.aggregates import blocks, measures
from millrace.aggregates.blocks import Tiles
from millrace.aggregates.fold import OTHER, KeyValues
from millrace.core.errors import PermanentError
from tests.support import aggregates

KEYS: list[KeyValues] = [
    ("a",),
    ("ab",),
    ('a"],[',),
    (']]],[["a"],[1',),
    ("\\",),
    ("",),
    (None,),
    ("Zoë ]]],",),
    ("2026-11-21",),
    ("AgMDAAAazJMCAAAAAAAAACeQYU4IxtFMuYdaip60kU0=",),
    OTHER,
]
ONE = aggregates.aggregate(
    measures=[
        aggregates.measure("last_day", "max", "day", "date"),
        aggregates.measure("methods", "top", "payment_method", "string"),
        aggregates.measure("place", "latest", "location", "string"),
        aggregates.measure("fraud_rate", "share"),
        aggregates.measure("volume", "count"),
    ]
)
KINDS = [measures.of(one) for one in ONE.measures]


def _tiles(keys: list[KeyValues]) -> Tiles:
    """Each state has texts that look like keys and the ends of entries."""
    return {tile: {key: _states(at + 1) for at, key in enumerate(keys)} for tile in (0, 300)}


def _states(at: int) -> list[Any]:
    return ["2026-11-21", {"by": {']]],[["a"],[': at}, "other": 0}, [at, '[["a"],['], [1, at], at]


@pytest.mark.parametrize("present", [KEYS, KEYS[1:], KEYS[::-2]])
def test_a_key_is_read_as_if_all_were(present: list[KeyValues]) -> None:
    tiles = _tiles(present)
    _, packed = blocks.pack(tiles, KINDS)
    (block,) = packed.values()
    assert blocks.unpack(block, KINDS) == tiles
    for key in [*KEYS, ("c",), ("a", "b")]:
        expected = {tile: {key: by_key[key]} for tile, by_key in tiles.items() if key in by_key}
        assert blocks.unpack(block, KINDS, keys=(key,)) == expected
    both = blocks.unpack(block, KINDS, keys=(("ab",), OTHER))
    assert {key for by_key in both.values() for key in by_key} == {("ab",), OTHER} & {*present}


def test_what_is_no_block_is_refused() -> None:
    with pytest.raises(PermanentError):
        blocks.unpack(b"no block", KINDS, keys=(("a",),))
