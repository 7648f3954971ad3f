"""P19: a week of one key is read and merged in at most 30 ms; the reads of it are counted.

Six days are sealed; the seventh is live until noon, with a part for each minute of receipt. Five hundred merchants are paid all day. The table
answers at once with what a real one would hold, so what is measured is our own code.
"""

import random
import time
from datetime import UTC, datetime, timedelta
from statistics import median

from bench.figure import ROUNDS, Figure
from bench.held import Held
from millrace.aggregates import answers, blocks, measures, registry, rows, windows
from millrace.aggregates.blocks import Tiles
from millrace.aggregates.definition import DAY_SECONDS, TILE_SECONDS, Aggregate
from millrace.aggregates.fold import Part
from millrace.aggregates.folding import part_rows
from millrace.aggregates.measures import State
from millrace.aggregates.reads import TenantTiles
from millrace.core import clock
from millrace.core.table import Table

MILLISECONDS = 30.0
METRIC, ORG, KEY = "transactions_by_merchant", "org_acme", ("merchant_7",)
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KEYS, KEYS_A_MINUTE = 500, 20
FAR = {"N": str(2**40)}


def measure() -> list[Figure]:
    """Milliseconds of a week by the hour, and what is read."""
    found = registry.load()
    aggregate = found.by_name[METRIC]
    held = Held()
    _fill(held, aggregate)
    by: dict[int, answers.Values] = {0: (KEY[0],)}
    start = clock.epoch(NOON) // DAY_SECONDS * DAY_SECONDS - 6 * DAY_SECONDS
    question = answers.Question(windows.read("1h"), start, clock.epoch(NOON), by)
    spent = []
    for _ in range(ROUNDS):
        held.calls = held.units = 0
        started = time.process_time()
        tiles = TenantTiles(
            Table(held, "Analytics"),
            ORG,
            aggregate,
            found.types,
            NOON,
            only=answers.whole_keys(aggregate, by),
            wanted=answers.wanted(by),
        )
        page = answers.page(aggregate, tiles, question, limit=500, after=None, now=NOON)
        spent.append(time.process_time() - started)
    if len(page.items) != 6 * 24 + 12:
        raise AssertionError(f"{len(page.items)} windows are not all of the week")
    return [
        Figure(
            "P19",
            "ms of CPU to read and merge a week of one key by the hour",
            median(spent) * 1000,
            MILLISECONDS,
        ),
        Figure("P19", "calls of the table for it", held.calls, 0, held=False),
        Figure("P19", "read units for it", held.units, 0, held=False),
    ]


def _fill(held: Held, aggregate: Aggregate) -> None:
    rng = random.Random(19)  # noqa: S311  no secret
    midnight = clock.epoch(NOON) // DAY_SECONDS * DAY_SECONDS
    for ago in range(1, 7):
        first = midnight - ago * DAY_SECONDS
        tiles: Tiles = {
            first + at: {key: _states(aggregate, rng) for key in _keys(rng, 60)}
            for at in range(0, DAY_SECONDS, TILE_SECONDS)
        }
        _seal(held, aggregate, first, tiles)
    for number in range(12 * 60):
        at = NOON - timedelta(minutes=number + 1)
        tile = clock.epoch(at) // TILE_SECONDS * TILE_SECONDS
        part = Part({tile: {key: _states(aggregate, rng) for key in _keys(rng, KEYS_A_MINUTE)}})
        for row in part_rows(ORG, f"{at:%Y-%m-%dT%H:%M}", aggregate, part):
            held.put({**row, "expiresAt": FAR})


def _seal(held: Held, aggregate: Aggregate, first: int, tiles: Tiles) -> None:
    layout, packed = blocks.pack(tiles, [measures.of(one) for one in aggregate.measures])
    key = {"S": rows.day_key(ORG, aggregate, rows.tile_day(first))}
    head = {
        "cut": {"S": f"{NOON:%Y-%m-%d}"},
        "generation": {"S": "1"},
        "spans": {"N": str(layout.spans)},
        "blocks": {"N": str(layout.blocks)},
        "source": {"S": ""},
        "whole": {"N": "1"},
        "firstAt": {"S": ""},
    }
    held.put({"metricKey": key, "tileKey": {"S": rows.sealed_sort()}, "expiresAt": FAR, **head})
    for place, block in packed.items():
        held.put({"metricKey": key, "tileKey": {"S": rows.sealed_sort("1", *place)}, "part": {"B": block}})


def _keys(rng: random.Random, number: int) -> list[tuple[str]]:
    """So many merchants, the one that is asked for always among them."""
    return [KEY, *((f"merchant_{one}",) for one in rng.sample(range(8, KEYS), number - 1))]


def _states(aggregate: Aggregate, rng: random.Random) -> list[State]:
    found = []
    for measure in aggregate.measures:
        kind = measures.of(measure)
        state = kind.zero()
        for _ in range(2):
            state = kind.add(state, rng.randrange(10**6))
        found.append(state)
    return found
