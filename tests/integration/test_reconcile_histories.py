"""After any history there is nothing to reconcile; and an event then taken from a store is found, and only that one."""

import io
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from millrace.contracts.registry import Registry
from millrace.core.identity import identity
from millrace.eventstore import receipts
from millrace.reconcile import passes
from millrace.reconcile.report import HourResult
from millrace.reconcile.request import Window
from tests.support.expressions import Row
from tests.support.histories import World
from tests.support.histories.generate import run
from tests.support.histories.world import ORGS
from tests.support.stores import MemoryStores

SETTINGS = passes.ReconcileSettings(
    environment="local",
    events_table="Events",
    user_events_table="UserEvents",
    metadata_table="Metadata",
    analytics_table="Analytics",
    lake_bucket="lake",
    event_stream_arn="arn:aws:kinesis:us-east-1:123456789012:stream/events",
)
Silver = dict[tuple[str, str], dict[str, set[tuple[int, bytes]]]]


class Reading(MemoryStores):
    """A history's stores as reconciliation reads them; what it keeps for itself is not looked at, and repairs are counted."""

    def __init__(self, world: World) -> None:
        super().__init__()
        for name, rows in world.stores.tables.items():
            self.tables[name].update(rows)
        self.objects.update(world.stores.objects)
        self.repaired: Counter[str] = Counter()

    def changed(self, table: str, old: Row | None, new: Row | None) -> None:
        assert new is not None, "nothing is deleted"
        if not (table == "Metadata" and "#reconcile#" in new["entityTypeKey"]["S"]):
            self.repaired[table] += 1

    def put_records(self, *, Records: list[Any], **_: Any) -> dict[str, Any]:  # noqa: N803
        self.repaired["log"] += len(Records)
        return {"Records": [{} for _ in Records]}


class Made:
    """Silver as the next run makes it of raw."""

    def __init__(self, silver: Silver) -> None:
        self.silver = silver

    def read(
        self, org: str, day: str, *, fresh: bool = False
    ) -> Iterator[tuple[str, list[tuple[int, bytes]]]]:
        yield from ((kind, sorted(found)) for kind, found in self.silver.get((org, day), {}).items())


def silver_of(world: World) -> Silver:
    made: Silver = defaultdict(lambda: defaultdict(set))
    for key, body in world.stores.objects.items():
        if key.startswith("raw/events/"):
            for row in pq.read_table(io.BytesIO(body)).to_pylist():
                day = row["event_time"].date().isoformat()
                place = (row["event_time"].hour, identity(row["event_id"]))
                made[row["org_id"], day][row["event_type"]].add(place)
    # What waits for silver has been taken in.
    rows = world.stores.tables["Metadata"]
    for waiting in [place for place in rows if place[0].startswith("platform#pending#")]:
        del rows[waiting]
    return made


def look(world: World, registry: Registry, silver: Silver) -> tuple[list[HourResult], Counter[str]]:
    reading = Reading(world)
    check = passes.day_check(reading, reading, reading, registry, Made(silver), SETTINGS, print)
    now = world.now + timedelta(days=1)
    cells = [
        cell
        for org in ORGS
        for day in sorted({day for _, day in silver})
        for cell in check.run(org, Window(day), now, full=True)
    ]
    return cells, reading.repaired


@pytest.mark.parametrize("seed", [1, 2])
def test_after_a_history_every_store_has_every_event(bundle: Path, seed: int) -> None:
    registry, rng = Registry(bundle), random.Random(seed)
    world = World(registry, seed)
    try:
        run(world, 3000, rng)
        silver = silver_of(world)
        cells, repaired = look(world, registry, silver)
        assert {cell.status.word for cell in cells} == {"equal"}, [c.to_json() for c in cells if c.missing]
        assert sum(cell.by_status.total() for cell in cells) == 0
        assert not repaired
        events, pointers = world.stores.tables["Events"], world.stores.tables["UserEvents"]
        assert sum(cell.counts["events"] for cell in cells) == len(events) > 0
        assert sum(cell.counts["silver"] for cell in cells) >= len(events)

        # One row each from the pointers and silver, and one event that no consumer of the log was given.
        living = [row for row in events.values() if "userKey" in row]
        lost, unpointed, untaken = rng.sample(living, 3)
        key = (unpointed["userKey"]["S"], unpointed["sortKey"]["S"])
        del pointers[key]
        _take(silver, untaken)
        identifier = identity(lost["eventId"]["S"].partition("#")[2])
        manifest = receipts.partition(lost["orgId"]["S"], receipts.MANIFEST, lost["sortKey"]["S"][:10])
        for row in world.stores.tables["Metadata"].values():
            if row["entityTypeKey"]["S"] == manifest:
                ids = bytes(row["ids"]["B"])
                kept = [ids[at : at + 16] for at in range(0, len(ids), 16) if ids[at : at + 16] != identifier]
                row["ids"] = {"B": b"".join(kept)}
        cells, repaired = look(world, registry, silver)
        missing = sum((cell.missing for cell in cells), Counter[str]())
        assert missing == {"userEvents": 1, "manifest": 1, "silver": 1}
        named = {one["eventId"] for cell in cells for one in cell.differences}
        assert named == {row["eventId"]["S"].partition("#")[2] for row in (lost, unpointed, untaken)}
        # The log, the pointer, and the mark that opens the day.
        assert repaired == {"log": 1, "UserEvents": 1, "Metadata": 1}
    finally:
        world.close()


def _take(silver: Silver, row: dict[str, Any]) -> None:
    moment, _, identifier = row["sortKey"]["S"].partition("#")
    of_type = silver[row["orgId"]["S"], moment[:10]][row["eventType"]["S"]]
    of_type.remove((int(moment[11:13]), identity(identifier)))
