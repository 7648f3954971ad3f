"""A lake that a first run has filled and a second batch of events waits in; put back before each run.

Two tenants, three days, orders and transactions, three in a hundred delivered twice in objects of their own. What
waits: late events of the second day, the third day, and a type that no table is of yet.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.contracts.tables import LAYERS
from millrace.core.consumer import Delivery
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import StoredEvent, to_item
from millrace.iceberg.layout import database
from tests.support.contracts import FILES, compiled
from tests.support.emulator import Lake
from tests.support.raw_files import event

ORGS = ("org_acme", "org_globex")
FIRST, SECOND, THIRD = "2026-11-18", "2026-11-19", "2026-11-20"
# Type → how many a tenant's day has.
KNOWN = {"order.created": 60, "transaction.created": 140}
NEW = {**KNOWN, "payment.captured": 30}
TWICE = 0.03
_KEPT = ("Name", "Description", "TableType", "Parameters", "StorageDescriptor", "PartitionKeys", "Owner")
_TABLES = {"Metadata": ("entityTypeKey", "entityId"), "Events": ("eventId",)}


@dataclass
class World:
    """Stores of the emulator, and what was in them when `keep` was called."""

    lake: Lake
    seed: int = 7
    _rng: random.Random = field(init=False)
    _batch: int = 0
    _keys: set[str] = field(default_factory=set)
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _glue: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def first(self) -> None:
        """The first two days arrive."""
        self._archive([one for day in (FIRST, SECOND) for one in self._events(day, KNOWN)], 2)

    def second(self) -> None:
        """Late events of the second day, the third day, and payments."""
        late = list(self._events(SECOND, {"order.created": 20, "transaction.created": 40}))
        self._archive([*late, *self._events(THIRD, NEW)], 2)

    def keep(self) -> None:
        """From now on `restore` leads back to this."""
        self._keys = set(self.lake.keys())
        self._rows = {name: self.scan(name) for name in _TABLES}
        self._glue = dict(self._tables())

    def restore(self) -> None:
        """Makes every store what it was when it was kept; objects are never written twice with other bytes."""
        for layer, name in {found: None for found, _ in self._tables()}:
            self.lake.glue.delete_table(DatabaseName=layer, Name=name)
        for (layer, _), table in self._glue.items():
            self.lake.glue.create_table(DatabaseName=layer, TableInput=table)
        for name, key in _TABLES.items():
            held = {tuple(str(row[part]) for part in key): row for row in self._rows[name]}
            for row in self.scan(name):
                if tuple(str(row[part]) for part in key) not in held:
                    self.lake.dynamodb.delete_item(TableName=name, Key={part: row[part] for part in key})
            for row in held.values():
                self.lake.dynamodb.put_item(TableName=name, Item=row)
        more = [{"Key": key} for key in set(self.lake.keys()) - self._keys]
        for start in range(0, len(more), 1000):
            self.lake.s3.delete_objects(
                Bucket=self.lake.bucket, Delete={"Objects": more[start : start + 1000], "Quiet": True}
            )

    def scan(self, table: str) -> list[dict[str, Any]]:
        """All rows of a table."""
        pages = self.lake.dynamodb.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
        return [row for page in pages for row in page["Items"]]

    def _tables(self) -> Iterator[tuple[tuple[str, str], dict[str, Any]]]:
        for layer in LAYERS:
            name = database(self.lake.environment, layer)
            for page in self.lake.glue.get_paginator("get_tables").paginate(DatabaseName=name):
                for table in page["TableList"]:
                    yield (name, table["Name"]), {part: table[part] for part in _KEPT if table.get(part)}

    def _events(self, day: str, counts: dict[str, int]) -> Iterator[StoredEvent]:
        for kind, count in counts.items():
            contract = compiled(_file(kind))
            for org in ORGS:
                for _ in range(count):
                    yield event(contract, org, day, self._rng, **self._payload(kind))

    def _payload(self, kind: str) -> dict[str, Any]:
        """Values that no check refuses; both tenants use the same business ids."""
        rng = self._rng
        amount, order = rng.randrange(1, 50_000) / 100, f"ord_{rng.randrange(90):03}"
        match kind:
            case "order.created":
                item = {"productId": f"sku_{rng.randrange(9)}", "quantity": 1, "price": amount}
                user = f"usr_{rng.randrange(40)}"
                return {
                    "orderId": order,
                    "userId": user,
                    "items": [item],
                    "totalAmount": amount,
                    "currency": "EUR",
                }
            case "transaction.created":
                merchant = f"terminal_{rng.randrange(12)}"
                return {
                    "transaction_id": f"txn_{rng.getrandbits(40):x}",
                    # Few, but more than are written at once: each has a row in the online store.
                    "user_id": rng.randrange(40),
                    "amount": amount,
                    "merchant": merchant,
                }
        captured = "2026-11-20T23:59:59.999Z"
        payment = f"pay_{rng.getrandbits(40):x}"
        return {"paymentId": payment, "orderId": order, "amount": amount, "capturedAt": captured}

    def _archive(self, events: Sequence[StoredEvent], batches: int) -> None:
        """As batches of the log, what came twice in another than the first time."""
        codec, rng = Codec(registry.load().dictionary), self._rng
        archive = Archive(
            Objects(self.lake.s3, self.lake.bucket), Table(self.lake.dynamodb, "Metadata"), codec
        )
        portions: list[list[StoredEvent]] = [[] for _ in range(batches)]
        for one in events:
            place = rng.randrange(batches)
            portions[place].append(one)
            if rng.random() < TWICE:
                portions[(place + 1) % batches].append(one)
        for portion in portions:
            arrived_at = datetime(2026, 11, 20, 23, tzinfo=UTC) + timedelta(minutes=self._batch)
            archive.write(
                [
                    Delivery(
                        to_item(one.envelope, compiled(_file(one.event_type)), one.fingerprint, codec),
                        "shardId-0",
                        f"{self._batch:03}-{number:05}",
                        arrived_at,
                        {},
                    )
                    for number, one in enumerate(portion)
                ]
            )
            self._batch += 1


def _file(kind: str) -> Path:
    return [path for path in FILES if path.parent.name == kind][-1]
