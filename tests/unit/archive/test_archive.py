"""What the archive leaves: objects by tenant, category and day, and receipts that whoever looks for an event finds."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from millrace.archive.archive import Archive
from millrace.contracts import registry
from millrace.core.consumer import Delivery
from millrace.eventstore import receipts
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.intake.enrich import Origin, enrich
from tests.support import events

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)


class Stores:
    """S3 and DynamoDB, as far as the archive asks them."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.rows: dict[tuple[str, str], Any] = {}

    def put_object(self, *, Bucket: str, Key: str, Body: bytes, ContentType: str) -> None:  # noqa: N803
        self.objects[Key] = Body

    def batch_write_item(self, *, RequestItems: dict[str, list[Any]]) -> dict[str, Any]:  # noqa: N803
        for put in RequestItems["Metadata"]:
            item = put["PutRequest"]["Item"]
            self.rows[item["entityTypeKey"]["S"], item["entityId"]["S"]] = item
        return {}

    def query(self, **asked: Any) -> dict[str, Any]:
        values = asked["ExpressionAttributeValues"]
        day, since = values[":day"]["S"], values[":since"]["S"]
        return {"Items": [row for (p, s), row in sorted(self.rows.items()) if p == day and s >= since]}


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
    stores = Stores()
    archive = Archive(stores, stores, Codec(registry.load().dictionary), "lake", "Metadata")
    late = AT + timedelta(minutes=30)
    (_, first), (second_id, second) = delivery(1, "org_acme", AT), delivery(2, "org_acme", late)
    archive.write([first, second])
    found = receipts.find(stores, "Metadata", "org_acme", receipts.MANIFEST, "2026-11-21", second_id, late)
    assert found is not None
    assert found["object"]["S"].startswith("s3://lake/raw/events/org=org_acme/category=business-events/")


def test_a_batch_delivered_twice_leaves_the_same_objects_and_rows(bundle: Path) -> None:
    stores = Stores()
    archive = Archive(stores, stores, Codec(registry.load().dictionary), "lake", "Metadata")
    batch = [delivery(n, org, AT)[1] for n, org in enumerate(("org_acme", "org_globex", "org_acme"))]
    archive.write(batch)
    before = (set(stores.objects), set(stores.rows))
    archive.write([*batch[:1], *batch])
    assert len(before[0]) == len(before[1]) == 2
    assert (set(stores.objects), set(stores.rows)) == before
