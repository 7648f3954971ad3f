"""What the archive leaves: objects by tenant, category and day, and receipts by which an event is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import duckdb
import pyarrow.parquet as pq

from millrace.archive import restore
from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core.consumer import Delivery
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item, to_item
from millrace.intake.enrich import Origin, enrich
from millrace.lake.duck import parquet
from tests.support import events
from tests.support.expressions import Row
from tests.support.stores import MemoryStores

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


def archive_over(stores: MemoryStores) -> Archive:
    return Archive(Objects(stores, "lake"), Table(stores, "Metadata"), Codec(registry.load().dictionary))


def delivery(number: int, org: str, arrived_at: datetime) -> tuple[str, Delivery]:
    contracts = registry.load()
    contract = contracts.find("order.created")
    event = events.order(timestamp=arrived_at.isoformat())
    origin = Origin(org, "shop", "r", arrived_at)
    item = to_item(
        enrich(event, contract, origin, arrived_at), contract, b"f" * 16, Codec(contracts.dictionary)
    )
    return event["eventId"], Delivery(item, "shardId-0", f"{number:03d}", arrived_at, {})


def test_an_event_that_arrived_with_a_backlog_is_found(bundle: Path) -> None:
    stores = MemoryStores()
    archive = archive_over(stores)
    late = AT + timedelta(minutes=30)
    (_, first), (second_id, second) = delivery(1, "org_acme", AT), delivery(2, "org_acme", late)
    archive.write([first, second])
    row = receipts.find(
        Table(stores, "Metadata"), "org_acme", receipts.MANIFEST, "2026-11-21", second_id, late
    )
    assert row is not None
    assert row["object"]["S"].startswith("s3://lake/raw/events/org=org_acme/category=business-events/")


def test_a_batch_delivered_twice_leaves_the_same_objects_and_rows(bundle: Path) -> None:
    stores = MemoryStores()
    archive = archive_over(stores)
    batch = [delivery(n, org, AT)[1] for n, org in enumerate(("org_acme", "org_globex", "org_acme"))]
    archive.write(batch)
    before = (set(stores.objects), set(stores.tables["Metadata"]))
    archive.write([*batch[:1], *batch])
    assert len(before[0]) == len(marks(stores)) == 2
    assert len(before[1]) == 6
    assert (set(stores.objects), set(stores.tables["Metadata"])) == before


def test_a_batch_that_comes_again_behind_another_does_not_take_the_day_back(bundle: Path) -> None:
    """A run that planned with the first batch alone must not find its own token there again."""
    stores = MemoryStores()
    archive = archive_over(stores)
    first, second = delivery(1, "org_acme", AT)[1], delivery(2, "org_acme", AT)[1]
    archive.write([first])
    planned = marks(stores)["org_acme#2026-11-21"]["token"]
    archive.write([second])
    archive.write([first])
    assert marks(stores)["org_acme#2026-11-21"]["token"] != planned


def test_two_types_may_have_one_id_where_no_table_keeps_them_apart(bundle: Path) -> None:
    stores = MemoryStores()
    archive = archive_over(stores)
    event_id, order = delivery(1, "org_acme", AT)
    contracts = registry.load()
    envelope = {
        **from_item(order.item, Codec(contracts.dictionary)).envelope,
        "eventType": "rule.evaluated",
        "data": {"payload": {}},
    }
    envelope["platform"] = {**envelope["platform"], "contract": contracts.find("rule.evaluated").ref}
    item = to_item(
        envelope, contracts.find("rule.evaluated"), b"g" * 16, Codec(contracts.dictionary), happened_at=AT
    )
    archive.write([order, Delivery(item, "shardId-0", "002", AT, {})])
    (body,) = stores.objects.values()
    rows = pq.read_table(BytesIO(body)).to_pylist()
    assert {(row["event_id"], row["event_type"]) for row in rows} == {
        (event_id, "order.created"),
        (event_id, "rule.evaluated"),
    }


def test_a_later_batch_of_the_day_leaves_another_token(bundle: Path) -> None:
    stores = MemoryStores()
    archive = archive_over(stores)
    archive.write([delivery(1, "org_acme", AT)[1]])
    before = marks(stores)
    archive.write([delivery(2, "org_acme", AT)[1], delivery(3, "org_globex", AT)[1]])
    after = marks(stores)
    assert set(before) == {"org_acme#2026-11-21"}
    assert set(after) == {"org_acme#2026-11-21", "org_globex#2026-11-21"}
    assert before["org_acme#2026-11-21"]["token"] != after["org_acme#2026-11-21"]["token"]


def test_a_day_is_pending_only_when_all_its_rows_are_there(bundle: Path) -> None:
    """One BatchWriteItem keeps no order, so the marks come in a call after the manifest's."""
    written: list[str] = []

    class Watched(MemoryStores):
        def changed(self, table: str, old: Row | None, new: Row | None) -> None:
            assert new is not None
            written.append(new["entityTypeKey"]["S"].split("#")[1])

    stores = Watched()
    archive_over(stores).write([delivery(n, org, AT)[1] for n, org in enumerate(("org_acme", "org_globex"))])
    assert (written, stores.calls["batch_write_item"]) == (["manifest", "objects"] * 2 + ["pending"] * 2, 2)


def marks(stores: MemoryStores) -> dict[str, Any]:
    """The pending rows by tenant and day."""
    rows = stores.tables["Metadata"].items()
    return {key: row for (kind, key), row in rows if kind.startswith("platform#pending#")}


def test_rows_say_where_in_the_log_they_come_from_however_often_they_are_delivered(bundle: Path) -> None:
    stores = MemoryStores()
    archive = archive_over(stores)
    batch = [delivery(n, "org_acme", AT + timedelta(milliseconds=n))[1] for n in range(3)]
    archive.write(batch)
    before = dict(stores.objects)
    # The copy of a record that came before in the batch has no row.
    archive.write([*batch[:1], replace(batch[0], sequence="002a"), *batch[1:]])
    assert stores.objects == before
    rows = pq.read_table(BytesIO(next(iter(before.values())))).to_pylist()
    places = [(row["log_shard"], row["log_sequence"], row["log_arrived_at"]) for row in rows]
    assert places == [("shardId-0", one.sequence, one.arrived_at) for one in batch]


def test_objects_of_before_the_log_was_named_are_read_beside_others(bundle: Path, tmp_path: Path) -> None:
    stores = MemoryStores()
    codec, item = Codec(registry.load().dictionary), delivery(1, "org_acme", AT)[1]
    event = from_item(item.item, codec)
    archive_over(stores).write([item])
    new = pq.read_table(BytesIO(next(iter(stores.objects.values()))))
    pq.write_table(new, tmp_path / "new.parquet")
    pq.write_table(
        new.drop_columns([name for name in new.column_names if name.startswith("log_")]),
        tmp_path / "old.parquet",
    )
    rows = duckdb.sql(
        f"FROM {parquet([str(tmp_path / f'{name}.parquet') for name in ('old', 'new')])}"
    ).to_arrow_table()
    old, other = rows.to_pylist()
    assert (old["log_shard"], old["log_sequence"], old["log_arrived_at"]) == (None, None, None)
    assert other["log_sequence"] == "001"
    assert restore.to_event(old) == restore.to_event(other) == event
