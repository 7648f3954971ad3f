"""Receipts hold every id, 2,000 a row, and are found by id."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from millrace.core import clock
from millrace.core.table import Item, Table
from millrace.eventstore import receipts
from tests.support.stores import MemoryDynamoDB

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
EXPIRES_AT = clock.epoch(AT + timedelta(days=91))
ACME, DAY = "org_acme", "2026-11-21"


class Rows:
    """A table that answers one query in pages of one row."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items

    def query(self, **request: Any) -> dict[str, Any]:
        start = request.get("ExclusiveStartKey", {"at": -1})["at"] + 1
        since = request["ExpressionAttributeValues"][":since"]["S"]
        page = [item for item in self.items[start : start + 1] if item["entityId"]["S"] >= since]
        more = {"LastEvaluatedKey": {"at": start}} if start + 1 < len(self.items) else {}
        return {"Items": page, **more}


def receipt(ids: tuple[str, ...]) -> receipts.Receipt:
    where = receipts.place(AT, "shardId-000000000000", "100", "200", "system-events")
    return receipts.Receipt(
        "org_acme", receipts.MANIFEST, "2026-11-21", where, AT, ids, "0.1.0", EXPIRES_AT, "s3://lake/a", 10
    )


def test_many_ids_are_several_rows_and_come_back_in_order() -> None:
    ids = tuple(str(uuid.uuid4()) for _ in range(4001))
    items = receipts.to_items(receipt(ids))
    assert [item["rows"]["N"] for item in items] == ["2000", "2000", "1"]
    assert len({item["entityId"]["S"] for item in items}) == 3
    assert b"".join(item["ids"]["B"] for item in items) == b"".join(uuid.UUID(one).bytes for one in ids)
    assert all(len(item["ids"]["B"]) <= 32_000 for item in items)
    assert {item["expiresAt"]["N"] for item in items} == {str(EXPIRES_AT)}
    assert receipts.to_items(receipt(ids)) == items, "a second delivery writes the same rows"


def test_an_object_is_counted_once_with_its_ids_and_without() -> None:
    """Its receipt goes with its events' rows; what an older archive has left has no row without ids."""
    metadata, held = (
        Table(MemoryDynamoDB(), "Metadata"),
        receipt(tuple(str(uuid.uuid4()) for _ in range(2001))),
    )
    older = replace(held, place=held.place.replace("#100-", "#099-"), object="s3://lake/older")
    metadata.write_all([*receipts.to_items(held), receipts.object_item(held, "s3://lake/a")])
    metadata.write_all(receipts.to_items(older))

    def counted() -> list[tuple[str, str]]:
        return [(row["object"]["S"], row["rows"]["N"]) for row in receipts.objects(metadata, ACME, DAY)]

    parts = [("s3://lake/older", "2000"), ("s3://lake/older", "1")]
    assert counted() == [("s3://lake/a", "2001"), *parts]
    for item in receipts.to_items(held):
        metadata.delete({name: item[name] for name in ("entityTypeKey", "entityId")})
    assert counted() == [("s3://lake/a", "2001"), *parts]
    assert int(receipts.object_item(held, "s3://lake/a")["expiresAt"]["N"]) > EXPIRES_AT


def test_an_id_is_found_only_where_it_stands_whole() -> None:
    one, other = uuid.uuid4(), uuid.uuid4()
    across = uuid.UUID(bytes=one.bytes[8:] + other.bytes[:8])
    table = Rows(receipts.to_items(receipt((str(one), str(other)))))

    def found(wanted: uuid.UUID, since: datetime = AT) -> bool:
        kind, day = receipts.MANIFEST, "2026-11-21"
        return receipts.find(Table(table, "Metadata"), "org_acme", kind, day, str(wanted), since) is not None

    assert found(one)
    assert found(other)
    assert not found(across)
    assert not found(uuid.uuid4())
    assert not found(one, AT.replace(hour=9)), (
        "accepted long after this batch arrived: another life of the id"
    )
