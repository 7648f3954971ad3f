"""What real time makes of extremes: every event is counted once, in its tile or as late; whatever its keys and values are."""

from collections import Counter
from collections.abc import Iterator

from millrace.aggregates import registry, rows
from millrace.core import keys
from tests.support.aggregates import tiles
from tests.support.extremes.world import World

# The aggregate that counts whatever is in the table, and its measure.
METRIC, MEASURE = "events_by_type", "events"
# Tenant, aggregate, tile and key → what is shown of each measure.
Tiles = dict[tuple[object, ...], list[object]]


def of(world: World) -> Tiles:
    """All tiles, once every minute that is over is folded."""
    return tiles(world)


def check(world: World) -> Iterator[str]:
    """In a sentence each, where Events has other numbers than its tiles."""
    at = next(at for at, one in enumerate(registry.load().by_name[METRIC].measures) if one.name == MEASURE)
    counted = Counter[tuple[str, str]]()
    for (org, metric, _, key), shown in tiles(world).items():
        if metric == METRIC:
            counted[org, key[0]] += shown[at]
    stored = Counter((row["orgId"]["S"], row["eventType"]["S"]) for row in world.rows("Events"))
    late = Counter[str]()
    for row in world.rows("Analytics"):
        org, metric, *_ = row["metricKey"]["S"].split(keys.SEPARATOR)
        if metric == METRIC and row["tileKey"]["S"].startswith(rows.LATE):
            late[org] += int(row["events"]["N"])
    for place in counted.keys() | stored.keys():
        if counted[place] > stored[place]:
            yield f"{place} is counted {counted[place]} times and is {stored[place]} events"
    missing = Counter[str]()
    for (org, _), number in (stored - counted).items():
        missing[org] += number
    if missing != late:
        yield f"not in a tile: {missing}; late: {late}"
