"""What a missing event means: a reason explains it, it stays open, or it has been repaired often enough."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.core.table import Table
from millrace.eventstore import failed_days, pending
from millrace.eventstore.silver import SilverReceipt, to_items
from millrace.reconcile.judge import MOST_REPAIRS
from tests.support import events
from tests.support.platform import ACME, LAKE, platform
from tests.support.reconciling import World, ago, lose_in_silver, lose_object, only, order, row_of, words


@pytest.fixture
def world(bundle: Path) -> Iterator[World]:
    with platform(bundle, in_memory=True) as running:
        yield World(running)


def test_a_dead_letter_explains_a_missing_event(world: World) -> None:
    """The record would be set aside again; once it is fed and archived the hour is equal."""
    event = order(3)
    world.without_capture([event], ACME)
    row = row_of(world, "Events", event)
    day = row["receivedAt"]["S"][:10]
    image = {name: {kind: _json(value) for kind, value in held.items()} for name, held in row.items()}
    record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": image}}
    for consumer in ("archive_events", "project_events"):
        world.running.s3.put_object(
            Bucket=LAKE,
            Key=f"dead-letters/{consumer}/day={day}/table-1.json",
            Body=json.dumps({"consumer": consumer, "reason": "a fault", "record": record}).encode(),
        )
    report = world.look()
    assert words(report) == {"explained": 1}
    (difference,) = only(report)["differences"]
    assert difference["reasons"] == ["dead letter of project_events", "dead letter of archive_events"]
    assert world.carry() == 0
    for key in world.running.objects("dead-letters/"):
        world.running.s3.delete_object(Bucket=LAKE, Key=key)
    assert words(world.look()) == {"repaired": 1}


def test_what_silver_could_not_type_is_explained(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.settle()
    lose_in_silver(world, event)
    day = event["timestamp"][:10]
    table = "silver.order_created_v1"
    receipt = SilverReceipt(
        ACME, day, table, "run", ago(0), 1, "order.created/1.2.0", "1", [], dead=[event["eventId"]]
    )
    for item in to_items(receipt):
        world.running.dynamodb.put_item(TableName="Metadata", Item=item)
    assert only(world.look())["differences"][0]["reasons"] == [
        "silver could not convert it to the types of its contract"
    ]
    assert pending.read(Table(world.running.dynamodb, "Metadata")) == []


def test_a_day_that_waits_for_silver_is_explained_until_it_waits_too_long(world: World) -> None:
    world.running.post(order(3))
    world.running.settle()
    assert words(world.look()) == {"explained": 1}
    world.later(8)
    hour = only(world.look())
    assert (hour["status"], hour["open"]) == ("open", 1)


def test_a_day_that_is_set_aside_is_explained_however_long(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.running.settle()
    day, dynamodb = event["timestamp"][:10], world.running.dynamodb
    assert failed_days.set_aside(Table(dynamodb, "Metadata"), ACME, day, by="cli:ann", now=datetime.now(UTC))
    world.later(8)
    hour = only(world.look())
    assert (hour["status"], hour["open"]) == ("explained", 0)
    assert hour["differences"][0]["reasons"] == ["its day is set aside by an operator"]
    # A run that was under way has committed something else of it: the day is not reopened.
    for row in pending.read(Table(dynamodb, "Metadata")):
        assert pending.clear(Table(dynamodb, "Metadata"), row.org, row.day, row.token)
    assert only(world.look())["status"] == "explained"
    assert pending.read(Table(dynamodb, "Metadata")) == []


def test_a_row_of_events_that_is_gone_stays_open(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.settle()
    key = {"eventId": {"S": f"{ACME}#{event['eventId']}"}}
    world.running.dynamodb.delete_item(TableName="Events", Key=key)
    hour = only(world.look())
    assert (hour["status"], hour["missing"]) == ("open", {"events": 1})
    assert world.carry() == 0


def test_what_only_the_log_had_and_raw_has_lost_stays_open(world: World) -> None:
    event = events.inference(timestamp=ago(3))
    world.running.post(event)
    world.settle()
    lose_object(world, event)
    hour = only(world.look())
    assert (hour["status"], hour["missing"]) == ("open", {"raw": 1})
    # Without silver only the manifest knows the id, and neither its type nor its hour.
    world.silver.days.clear()
    world.now += timedelta(days=1)
    hour = only(world.look())
    assert (hour["eventType"], hour["status"]) == ("unplaced", "open")


def test_nothing_is_repaired_for_ever(world: World) -> None:
    """The log takes the row and nothing comes of it: after the third time the hour is open, and the log is left alone."""
    event = order(3)
    world.without_capture([event], ACME)
    for _ in range(MOST_REPAIRS):
        assert words(world.look()) == {"repaired": 1}
        assert words(world.look()) == {"repaired": 1}, "a second pass at once waits for the repair"
        assert len(world.running.log_records()) == _ + 1
        world.later()
    hour = only(world.look())
    assert (hour["status"], hour["differences"][0]["reasons"][-1]) == (
        "open",
        "still missing after 3 repairs",
    )
    assert len(world.running.log_records()) == MOST_REPAIRS


def _json(value: Any) -> Any:
    import base64

    return value if isinstance(value, str) else base64.b64encode(bytes(value)).decode()
