"""What a lake holds, without what must differ between two runs; and a reader of it who never sees half of anything."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from millrace.contracts import registry
from millrace.iceberg import glue_tables, tables
from millrace.iceberg.tables import OpenTable
from millrace.quality.checks import newest_column
from tests.support.emulator import Lake

Partition = tuple[str, str | None]
# By tenant (and day): how many rows, and a hash of them in no order.
Contents = Mapping[Partition, tuple[int, str]]
Tables = dict[str, Contents]
# Moments, names of runs and snapshots: of the run, not of what it did.
_OF_THE_RUN = {"at", "runId", "snapshot", "expiresAt", "version"}


def all_tables(lake: Lake) -> Tables:
    """Every table of the lake as it is."""
    catalog = tables.catalog(lake.environment, lake.bucket)
    found = {}
    for name in glue_tables.locations(lake.glue, lake.environment):
        opened = tables.open_table(catalog, name)
        assert opened is not None
        found[name] = contents(opened, opened.snapshot_id)
    return found


def contents(opened: OpenTable, snapshot: int | None) -> Contents:
    """The rows of a snapshot."""
    table = registry.load().tables()[opened.name]
    if snapshot is None:
        return {}
    rows: dict[Partition, list[str]] = defaultdict(list)
    for row in opened.table.scan(snapshot_id=snapshot).to_arrow().to_pylist():
        day = str(row[table.time_column])[:10] if table.grain == "day" and table.time_column else None
        rows[row["org_id"], day].append(repr(sorted(row.items())))
    return {
        partition: (len(held), hashlib.sha256("\n".join(sorted(held)).encode()).hexdigest()[:16])
        for partition, held in rows.items()
    }


def metadata(rows: list[dict[str, Any]]) -> dict[tuple[str, str], Any]:
    """Metadata's rows by key: manifest, receipts of silver, catalog, results, lineage; but for their history."""
    items = {}
    for row in rows:
        partition, name = row["entityTypeKey"]["S"], row["entityId"]["S"]
        if "#quality#2" in partition or partition.startswith("platform#pending#"):
            continue
        kept = {part: value for part, value in row.items() if part not in _OF_THE_RUN}
        if "results" in kept:
            # Of the days that the newest run looked at, whichever these were.
            kept["results"] = sorted(one["check"] for one in orjson.loads(kept["results"]["S"]))
        if "inputs" in kept:
            kept["inputs"] = sorted(orjson.loads(kept["inputs"]["S"]))
        if "#catalog#" in partition and "newest" in kept and _as_new_as_its_run(name):
            del kept["newest"]
        items[partition, name] = kept
    return items


def different(expected: Mapping[Any, Any], actual: Mapping[Any, Any], what: str) -> Iterator[str]:
    """In a sentence each, where two states are not the same."""
    for key in sorted({*expected, *actual}, key=str):
        if expected.get(key) != actual.get(key):
            yield f"{what} {key}: {str(actual.get(key))[:300]} instead of {str(expected.get(key))[:300]}"


def _as_new_as_its_run(table: str) -> bool:
    known = registry.load().tables().get(table)
    return known is None or newest_column(known) is None


class Reader:
    """Looks at every snapshot that any table has come to: each tenant's day is wholly the old or wholly the new."""

    def __init__(self, lake: Lake, old: Tables, new: Tables) -> None:
        self._lake, self._old, self._new = lake, old, new
        self._locations: dict[str, str | None] = dict(glue_tables.locations(lake.glue, lake.environment))
        self._seen: set[tuple[str, int]] = set()
        self.looked = 0
        catalog = self._catalog = tables.catalog(lake.environment, lake.bucket)
        for name in self._locations:
            opened = tables.open_table(catalog, name)
            assert opened is not None
            self._seen |= {(name, one.id) for one in opened.snapshots()}

    def look(self) -> None:
        """Reads what has changed since the last time.

        Raises:
            AssertionError: a tenant's part of a table is neither the old nor the new one, or it is gone.
        """
        now = glue_tables.locations(self._lake.glue, self._lake.environment)
        for name, location in now.items():
            if self._locations.get(name) == location:
                continue
            opened = tables.open_table(self._catalog, name)
            assert opened is not None
            for snapshot in opened.snapshots():
                if (name, snapshot.id) not in self._seen:
                    self._seen.add((name, snapshot.id))
                    self._check(name, contents(opened, snapshot.id))
            self._locations[name] = location
        assert self._locations.keys() <= now.keys(), "a table is gone"

    def _check(self, name: str, contents: Contents) -> None:
        self.looked += 1
        old, new = self._old.get(name, {}), self._new[name]
        for partition in {*old, *new, *contents}:
            allowed = (old.get(partition), new.get(partition))
            assert contents.get(partition) in allowed, (
                f"a reader finds {contents.get(partition)} in {name} {partition}, not {' or '.join(map(str, allowed))}"
            )
