"""The catalog's rows in Metadata. Whatever belongs to a tenant has the tenant first in its key.

| key | sort key | holds |
|---|---|---|
| `org#catalog#0` | dataset | snapshot, the tenant's rows, its newest row, run, moment |
| `org#partitions#<dataset>` | day, or `all` | rows of one replaced part, from which the tenant's rows are summed |
| `org#quality#latest` | dataset | results of the newest run that looked at it |
| `org#quality#<day of the run>` | `dataset#run` | the same, as history (400 days) |
| `platform#catalog#0` | org | tenants that have tables |
| `platform#lineage#0` | dataset | edges of the newest run that made it; no tenant's data |

A row never gives way to an older one: two runs may be published in another order than they committed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from millrace.catalog.rows import Item, Rows, key
from millrace.core import clock, keys

PLATFORM = "platform"
CATALOG, PARTITIONS, QUALITY, LINEAGE = "catalog", "partitions", "quality", "lineage"
SHARD, LATEST, ALL = "0", "latest", "all"
KEPT_DAYS = 400


@dataclass(frozen=True, slots=True)
class Entry:
    """What a tenant has of a dataset. `newest`: its newest row, in milliseconds since 1970; `at`: UTC text."""

    org: str
    dataset: str
    snapshot: int | None
    rows: int
    newest: int | None
    run: str
    at: str


@dataclass(frozen=True, slots=True)
class Partition:
    """A part of a table that was replaced as a whole."""

    org: str
    dataset: str
    day: str | None
    rows: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Results of a run on a tenant's rows of a dataset, as JSON."""

    org: str
    dataset: str
    results: Sequence[Mapping[str, Any]]
    run: str
    at: str


@dataclass(frozen=True, slots=True)
class Made:
    """Where a dataset came from in a run: its inputs with their versions, and columns → (dataset, column)."""

    dataset: str
    inputs: Mapping[str, str | None]
    columns: Mapping[str, Sequence[Sequence[str]]]
    run: str
    at: str


class CatalogStore:
    """Reads and writes them."""

    def __init__(self, dynamodb: Any, metadata_table: str) -> None:
        self._rows = Rows(dynamodb, metadata_table)

    def put_partitions(self, parts: Sequence[Partition], at: str) -> None:
        """Keeps how many rows each part has."""
        self._rows.put_all(
            (
                {
                    **key(keys.metadata(part.org, PARTITIONS, part.dataset), part.day or ALL),
                    **{"rows": {"N": str(part.rows)}},
                }
                for part in parts
            ),
            at,
        )

    def drop_partitions(self, org: str, dataset: str, kept: set[str | None], at: str) -> bool:
        """Forgets the parts that a table made wholly anew no longer has; whether there were any."""
        partition = keys.metadata(org, PARTITIONS, dataset)
        names = {day or ALL for day in kept}
        gone = [row["entityId"]["S"] for row in self._rows.query(partition) if row["at"]["S"] < at]
        gone = [name for name in gone if name not in names]
        self._rows.delete_all([key(partition, name) for name in gone], at)
        return bool(gone)

    def rows(self, org: str, dataset: str) -> int:
        """All rows of a tenant in a dataset."""
        return sum(int(row["rows"]["N"]) for row in self._rows.query(keys.metadata(org, PARTITIONS, dataset)))

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Keeps what tenants have, and that they have something."""
        for org in dict.fromkeys(entry.org for entry in entries):
            self._rows.put(key(keys.metadata(PLATFORM, CATALOG, SHARD), org), entries[0].at)
        for entry in entries:
            item = key(keys.metadata(entry.org, CATALOG, SHARD), entry.dataset)
            item |= {"rows": {"N": str(entry.rows)}, "runId": {"S": entry.run}}
            if entry.snapshot is not None:
                item["snapshot"] = {"N": str(entry.snapshot)}
            if entry.newest is not None:
                item["newest"] = {"N": str(entry.newest)}
            self._rows.put(item, entry.at)

    def entries(self, org: str) -> dict[str, Entry]:
        """What a tenant has, by dataset."""
        rows = self._rows.query(keys.metadata(org, CATALOG, SHARD))
        return {row["entityId"]["S"]: _entry(org, row) for row in rows}

    def entry(self, org: str, dataset: str) -> Entry | None:
        """What a tenant has of a dataset."""
        rows = list(self._rows.query(keys.metadata(org, CATALOG, SHARD), dataset))
        return _entry(org, rows[0]) if rows else None

    def tenants(self) -> list[str]:
        """Every tenant that has a table."""
        return [row["entityId"]["S"] for row in self._rows.query(keys.metadata(PLATFORM, CATALOG, SHARD))]

    def put_checked(self, checked: Sequence[Checked]) -> None:
        """Keeps results as the latest and in the history."""
        for one in checked:
            said: Item = {"results": {"S": orjson.dumps(one.results).decode()}, "runId": {"S": one.run}}
            self._rows.put({**key(keys.metadata(one.org, QUALITY, LATEST), one.dataset), **said}, one.at)
            expires_at = clock.epoch(clock.parse(one.at) + timedelta(days=KEPT_DAYS))
            past = key(keys.metadata(one.org, QUALITY, one.at[:10]), keys.join(one.dataset, one.run))
            self._rows.put({**past, **said, "expiresAt": {"N": str(expires_at)}}, one.at)

    def checked(self, org: str, day: str = LATEST, dataset: str | None = None) -> list[Checked]:
        """The latest results of a tenant's datasets (or of one), or those of the runs of a UTC day."""
        return [
            Checked(
                org=org,
                dataset=row["entityId"]["S"].partition(keys.SEPARATOR)[0],
                results=orjson.loads(row["results"]["S"]),
                run=row["runId"]["S"],
                at=row["at"]["S"],
            )
            for row in self._rows.query(keys.metadata(org, QUALITY, day), dataset)
        ]

    def put_made(self, made: Sequence[Made]) -> None:
        """Keeps where datasets came from; what they no longer come from is gone."""
        for one in made:
            item = key(keys.metadata(PLATFORM, LINEAGE, SHARD), one.dataset)
            item["inputs"] = {"S": orjson.dumps(dict(one.inputs)).decode()}
            item["columns"] = {"S": orjson.dumps(dict(one.columns)).decode()}
            self._rows.put({**item, "runId": {"S": one.run}}, one.at)

    def made(self) -> dict[str, Made]:
        """Where every dataset came from, by name."""
        return {
            row["entityId"]["S"]: Made(
                dataset=row["entityId"]["S"],
                inputs=orjson.loads(row["inputs"]["S"]),
                columns=orjson.loads(row["columns"]["S"]),
                run=row["runId"]["S"],
                at=row["at"]["S"],
            )
            for row in self._rows.query(keys.metadata(PLATFORM, LINEAGE, SHARD))
        }

    def forget_made(self, datasets: Iterable[str], at: str) -> None:
        """Forgets datasets that nothing describes any more."""
        partition = keys.metadata(PLATFORM, LINEAGE, SHARD)
        self._rows.delete_all([key(partition, name) for name in datasets], at)


def _entry(org: str, row: Item) -> Entry:
    snapshot, newest = row.get("snapshot"), row.get("newest")
    return Entry(
        org=org,
        dataset=row["entityId"]["S"],
        snapshot=int(snapshot["N"]) if snapshot else None,
        rows=int(row["rows"]["N"]),
        newest=int(newest["N"]) if newest else None,
        run=row["runId"]["S"],
        at=row["at"]["S"],
    )
