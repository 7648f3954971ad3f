"""The catalog's items in Metadata. Whatever belongs to a tenant has the tenant first in its key.

| key | sort key | holds |
|---|---|---|
| `org#catalog#0` | dataset | snapshot, the tenant's rows, its newest row, run, moment |
| `org#partitions#<dataset>` | day, or `all` | rows of one replaced part, from which the tenant's rows are summed |
| `org#quality#latest` | dataset | results of the newest run that looked at it |
| `org#quality#<day of the run>` | `dataset#run` | the same, as history (400 days) |
| `org#suspects#0` | dataset | its fields that look personal and are not protected |
| `platform#catalog#0` | org | tenants that have tables |
| `platform#lineage#0` | dataset | edges of the newest run that made it; no tenant's data |

An item is never replaced by an older one: two runs may be published in another order than they committed.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

import orjson

from millrace.catalog.suspects import Suspect
from millrace.core import clock, keys
from millrace.core.table import Item, Table

PLATFORM = "platform"
CATALOG, PARTITIONS, QUALITY, LINEAGE, SUSPECTS = "catalog", "partitions", "quality", "lineage", "suspects"
SHARD, LATEST, ALL = "0", "latest", "all"
KEPT_DAYS = 400
# Half the connections that a client holds; items are small and the table answers in milliseconds.
IN_FLIGHT = 16


@dataclass(frozen=True, slots=True)
class CatalogEntry:
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
class DatasetChecks:
    """Results of a run on a tenant's rows of a dataset, as JSON."""

    org: str
    dataset: str
    results: Sequence[Mapping[str, Any]]
    run: str
    at: str


@dataclass(frozen=True, slots=True)
class DatasetLineage:
    """Where a dataset came from in a run: its inputs with their versions, and columns → (dataset, column)."""

    dataset: str
    inputs: Mapping[str, str | None]
    columns: Mapping[str, Sequence[Sequence[str]]]
    run: str
    at: str


class CatalogStore:
    """Reads and writes them, in the table Metadata. `at` is always the moment of what is written, as UTC text."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put_partitions(self, parts: Sequence[Partition], at: str) -> None:
        """Stores how many rows each part has."""
        items = (
            {
                **_key(keys.metadata(part.org, PARTITIONS, part.dataset), part.day or ALL),
                "rows": {"N": str(part.rows)},
            }
            for part in parts
        )
        _each(lambda item: self._put(item, at), items)

    def drop_partitions(self, org: str, dataset: str, kept: set[str | None], at: str) -> bool:
        """Deletes the parts that a table made wholly anew no longer has; returns whether there were any."""
        partition = keys.metadata(org, PARTITIONS, dataset)
        names = {day or ALL for day in kept}
        older = [item["entityId"]["S"] for item in self._query(partition) if item["at"]["S"] < at]
        gone = [name for name in older if name not in names]
        self._delete_all([_key(partition, name) for name in gone], at)
        return bool(gone)

    def rows(self, org: str, dataset: str) -> int:
        """All rows of a tenant in a dataset."""
        return sum(int(item["rows"]["N"]) for item in self._query(keys.metadata(org, PARTITIONS, dataset)))

    def put_entries(self, entries: Sequence[CatalogEntry]) -> None:
        """Stores what tenants have, and that they have something."""
        for org in dict.fromkeys(entry.org for entry in entries):
            self._put(_key(keys.metadata(PLATFORM, CATALOG, SHARD), org), entries[0].at)
        for entry in entries:
            item = _key(keys.metadata(entry.org, CATALOG, SHARD), entry.dataset)
            item |= {"rows": {"N": str(entry.rows)}, "runId": {"S": entry.run}}
            if entry.snapshot is not None:
                item["snapshot"] = {"N": str(entry.snapshot)}
            if entry.newest is not None:
                item["newest"] = {"N": str(entry.newest)}
            self._put(item, entry.at)

    def entries(self, org: str) -> dict[str, CatalogEntry]:
        """What a tenant has, by dataset."""
        items = self._query(keys.metadata(org, CATALOG, SHARD))
        return {item["entityId"]["S"]: _entry(org, item) for item in items}

    def entry(self, org: str, dataset: str) -> CatalogEntry | None:
        """What a tenant has of a dataset."""
        items = self._query(keys.metadata(org, CATALOG, SHARD), dataset)
        return next((_entry(org, item) for item in items), None)

    def tenants(self) -> list[str]:
        """Every tenant that has a table."""
        return [item["entityId"]["S"] for item in self._query(keys.metadata(PLATFORM, CATALOG, SHARD))]

    def put_checks(self, checks: Sequence[DatasetChecks]) -> None:
        """Stores results as the latest and in the history."""
        for one in checks:
            content: Item = {"results": {"S": orjson.dumps(one.results).decode()}, "runId": {"S": one.run}}
            self._put({**_key(keys.metadata(one.org, QUALITY, LATEST), one.dataset), **content}, one.at)
            expires_at = clock.epoch(clock.parse(one.at) + timedelta(days=KEPT_DAYS))
            past = _key(keys.metadata(one.org, QUALITY, one.at[:10]), keys.join(one.dataset, one.run))
            self._put({**past, **content, "expiresAt": {"N": str(expires_at)}}, one.at)

    def checks(self, org: str, day: str = LATEST, dataset: str | None = None) -> list[DatasetChecks]:
        """The latest results of a tenant's datasets (or of one), or those of the runs of a UTC day."""
        return [
            DatasetChecks(
                org=org,
                dataset=item["entityId"]["S"].partition(keys.SEPARATOR)[0],
                results=orjson.loads(item["results"]["S"]),
                run=item["runId"]["S"],
                at=item["at"]["S"],
            )
            for item in self._query(keys.metadata(org, QUALITY, day), dataset)
        ]

    def put_suspects(self, org: str, dataset: str, suspects: Sequence[Suspect], at: str) -> None:
        """Stores the fields of a tenant's dataset that look personal, in place of what was stored of them."""
        item = _key(keys.metadata(org, SUSPECTS, SHARD), dataset)
        self._put({**item, "suspects": {"S": orjson.dumps([asdict(one) for one in suspects]).decode()}}, at)

    def suspects(self, org: str) -> dict[str, list[Suspect]]:
        """The fields of a tenant's datasets that look personal and are not protected, by dataset."""
        return {
            item["entityId"]["S"]: [Suspect(**one) for one in orjson.loads(item["suspects"]["S"])]
            for item in self._query(keys.metadata(org, SUSPECTS, SHARD))
        }

    def put_lineage(self, lineage: Sequence[DatasetLineage]) -> None:
        """Stores where datasets came from, in place of what was stored of them."""
        for one in lineage:
            item = _key(keys.metadata(PLATFORM, LINEAGE, SHARD), one.dataset)
            item["inputs"] = {"S": orjson.dumps(dict(one.inputs)).decode()}
            item["columns"] = {"S": orjson.dumps(dict(one.columns)).decode()}
            self._put({**item, "runId": {"S": one.run}}, one.at)

    def lineage(self) -> dict[str, DatasetLineage]:
        """Where every dataset came from, by name."""
        return {
            item["entityId"]["S"]: DatasetLineage(
                dataset=item["entityId"]["S"],
                inputs=orjson.loads(item["inputs"]["S"]),
                columns=orjson.loads(item["columns"]["S"]),
                run=item["runId"]["S"],
                at=item["at"]["S"],
            )
            for item in self._query(keys.metadata(PLATFORM, LINEAGE, SHARD))
        }

    def drop_lineage(self, datasets: Iterable[str], at: str) -> None:
        """Deletes the lineage of datasets that nothing describes any more."""
        partition = keys.metadata(PLATFORM, LINEAGE, SHARD)
        self._delete_all([_key(partition, name) for name in datasets], at)

    def _query(self, partition: str, name: str | None = None) -> Iterator[Item]:
        """The items of a partition, or the one of that name. A publish sums what it has just written, so consistently."""
        condition, values = "entityTypeKey = :key", {":key": {"S": partition}}
        if name is not None:
            condition, values = f"{condition} AND entityId = :name", {**values, ":name": {"S": name}}
        return self._table.query(condition, values, consistent=True, doing="read the catalog")

    def _put(self, item: Item, at: str) -> None:
        self._table.put({**item, "at": {"S": at}}, **_not_newer(at))

    def _delete_all(self, items: Iterable[Item], at: str) -> None:
        _each(lambda item: self._table.delete(item, **_not_newer(at)), items)


def _key(partition: str, name: str) -> Item:
    return {"entityTypeKey": {"S": partition}, "entityId": {"S": name}}


def _not_newer(at: str) -> dict[str, Any]:
    """Where the condition does not hold, a newer run has written the item."""
    return {
        "condition": "attribute_not_exists(#at) OR #at <= :at",
        "names": {"#at": "at"},
        "values": {":at": {"S": at}},
        "doing": "write the catalog",
    }


def _each(write: Callable[[Item], object], items: Iterable[Item]) -> None:
    with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="catalog") as pool:
        # The list raises the first error.
        list(pool.map(write, items))


def _entry(org: str, item: Item) -> CatalogEntry:
    snapshot, newest = item.get("snapshot"), item.get("newest")
    return CatalogEntry(
        org=org,
        dataset=item["entityId"]["S"],
        snapshot=int(snapshot["N"]) if snapshot else None,
        rows=int(item["rows"]["N"]),
        newest=int(newest["N"]) if newest else None,
        run=item["runId"]["S"],
        at=item["at"]["S"],
    )
