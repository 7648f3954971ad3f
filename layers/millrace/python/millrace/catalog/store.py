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

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson
from botocore.exceptions import BotoCoreError, ClientError

from millrace.core import clock, keys
from millrace.core.errors import error_code, from_client_error

PLATFORM = "platform"
CATALOG, PARTITIONS, QUALITY, LINEAGE = "catalog", "partitions", "quality", "lineage"
SHARD, LATEST, ALL = "0", "latest", "all"
KEPT_DAYS = 400
# As many connections as a client holds are not needed: rows are small and the table answers in milliseconds.
IN_FLIGHT = 16
Item = dict[str, dict[str, Any]]


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
        self._dynamodb, self._table = dynamodb, metadata_table

    def put_partitions(self, parts: Sequence[Partition], at: str) -> None:
        """Keeps how many rows each part has."""
        self._put_all(
            (
                {**_key(keys.metadata(part.org, PARTITIONS, part.dataset), part.day or ALL), **_rows(part)}
                for part in parts
            ),
            at,
        )

    def drop_partitions(self, org: str, dataset: str, kept: set[str | None], at: str) -> bool:
        """Forgets the parts that a table made wholly anew no longer has; whether there were any."""
        partition = keys.metadata(org, PARTITIONS, dataset)
        names = {day or ALL for day in kept}
        gone = [row["entityId"]["S"] for row in self._query(partition) if row["at"]["S"] < at]
        gone = [name for name in gone if name not in names]
        self._each(lambda name: self._delete(partition, name, at), gone)
        return bool(gone)

    def rows(self, org: str, dataset: str) -> int:
        """All rows of a tenant in a dataset."""
        return sum(int(row["rows"]["N"]) for row in self._query(keys.metadata(org, PARTITIONS, dataset)))

    def put_entries(self, entries: Sequence[Entry]) -> None:
        """Keeps what tenants have, and that they have something."""
        for org in dict.fromkeys(entry.org for entry in entries):
            self._put(_key(keys.metadata(PLATFORM, CATALOG, SHARD), org))
        for entry in entries:
            item = _key(keys.metadata(entry.org, CATALOG, SHARD), entry.dataset)
            item |= {"rows": {"N": str(entry.rows)}, "runId": {"S": entry.run}}
            if entry.snapshot is not None:
                item["snapshot"] = {"N": str(entry.snapshot)}
            if entry.newest is not None:
                item["newest"] = {"N": str(entry.newest)}
            self._put(item, entry.at)

    def entries(self, org: str) -> dict[str, Entry]:
        """What a tenant has, by dataset."""
        found = {}
        for row in self._query(keys.metadata(org, CATALOG, SHARD)):
            name = row["entityId"]["S"]
            snapshot, newest = row.get("snapshot"), row.get("newest")
            found[name] = Entry(
                org=org,
                dataset=name,
                snapshot=int(snapshot["N"]) if snapshot else None,
                rows=int(row["rows"]["N"]),
                newest=int(newest["N"]) if newest else None,
                run=row["runId"]["S"],
                at=row["at"]["S"],
            )
        return found

    def tenants(self) -> list[str]:
        """Every tenant that has a table."""
        return [row["entityId"]["S"] for row in self._query(keys.metadata(PLATFORM, CATALOG, SHARD))]

    def put_checked(self, checked: Sequence[Checked]) -> None:
        """Keeps results as the latest and in the history."""
        for one in checked:
            said: Item = {"results": {"S": orjson.dumps(one.results).decode()}, "runId": {"S": one.run}}
            self._put({**_key(keys.metadata(one.org, QUALITY, LATEST), one.dataset), **said}, one.at)
            expires_at = clock.epoch(clock.parse(one.at) + timedelta(days=KEPT_DAYS))
            key = _key(keys.metadata(one.org, QUALITY, one.at[:10]), keys.join(one.dataset, one.run))
            self._put({**key, **said, "expiresAt": {"N": str(expires_at)}}, one.at)

    def checked(self, org: str, day: str = LATEST) -> list[Checked]:
        """The latest results of a tenant's datasets, or those of the runs of a UTC day."""
        return [
            Checked(
                org=org,
                dataset=row["entityId"]["S"].partition(keys.SEPARATOR)[0],
                results=orjson.loads(row["results"]["S"]),
                run=row["runId"]["S"],
                at=row["at"]["S"],
            )
            for row in self._query(keys.metadata(org, QUALITY, day))
        ]

    def put_made(self, made: Sequence[Made]) -> None:
        """Keeps where datasets came from; what they no longer come from is gone."""
        for one in made:
            item = _key(keys.metadata(PLATFORM, LINEAGE, SHARD), one.dataset)
            item["inputs"] = {"S": orjson.dumps(dict(one.inputs)).decode()}
            item["columns"] = {"S": orjson.dumps(dict(one.columns)).decode()}
            self._put({**item, "runId": {"S": one.run}}, one.at)

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
            for row in self._query(keys.metadata(PLATFORM, LINEAGE, SHARD))
        }

    def forget_made(self, datasets: Iterable[str], at: str) -> None:
        """Forgets datasets that nothing describes any more."""
        self._each(lambda name: self._delete(keys.metadata(PLATFORM, LINEAGE, SHARD), name, at), datasets)

    def _put_all(self, items: Iterable[Item], at: str) -> None:
        self._each(lambda item: self._put(item, at), items)

    @staticmethod
    def _each(do: Callable[[Any], None], items: Iterable[Any]) -> None:
        with ThreadPoolExecutor(IN_FLIGHT, thread_name_prefix="catalog") as pool:
            # The list makes the first error come out.
            list(pool.map(do, items))

    def _put(self, item: Item, at: str | None = None) -> None:
        request: dict[str, Any] = {"TableName": self._table, "Item": item}
        if at is not None:
            item["at"] = {"S": at}
            request |= {
                "ConditionExpression": "attribute_not_exists(#at) OR #at <= :at",
                "ExpressionAttributeNames": {"#at": "at"},
                "ExpressionAttributeValues": {":at": {"S": at}},
            }
        self._write(self._dynamodb.put_item, request)

    def _delete(self, partition: str, name: str, at: str) -> None:
        request = {
            "TableName": self._table,
            "Key": _key(partition, name),
            "ConditionExpression": "attribute_not_exists(#at) OR #at <= :at",
            "ExpressionAttributeNames": {"#at": "at"},
            "ExpressionAttributeValues": {":at": {"S": at}},
        }
        self._write(self._dynamodb.delete_item, request)

    @staticmethod
    def _write(call: Callable[..., Any], request: Mapping[str, Any]) -> None:
        try:
            call(**request)
        except (ClientError, BotoCoreError) as error:
            # A newer run has said it already.
            if error_code(getattr(error, "response", {})) != "ConditionalCheckFailedException":
                raise from_client_error(error, "write the catalog") from error

    def _query(self, partition: str) -> Iterator[Item]:
        query: dict[str, Any] = {
            "TableName": self._table,
            "KeyConditionExpression": "entityTypeKey = :key",
            "ExpressionAttributeValues": {":key": {"S": partition}},
            # A publish sums what it has just written.
            "ConsistentRead": True,
        }
        while True:
            try:
                page = self._dynamodb.query(**query)
            except (ClientError, BotoCoreError) as error:
                raise from_client_error(error, "read the catalog") from error
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _key(partition: str, name: str) -> Item:
    return {"entityTypeKey": {"S": partition}, "entityId": {"S": name}}


def _rows(part: Partition) -> Item:
    return {"rows": {"N": str(part.rows)}}
