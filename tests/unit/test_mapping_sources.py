"""A table's change records, as its stream and its Kinesis destination give them to a mapping."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from tests.support.mappings import (
    FailureDestination,
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
    Table,
)

pytestmark = pytest.mark.unit

FROM_START = MappingSettings(starting_position="TRIM_HORIZON")


def row(number: int, body: bytes = b"\x28\xb5\x2f\xfd") -> dict[str, dict[str, Any]]:
    return {
        "eventId": {"S": f"org_acme#{number:08d}-1111-4222-8333-444455556666"},
        "eventType": {"S": "order.created"},
        "expiresAt": {"N": "1795165200"},
        "body": {"B": body},
    }


def events_table(clock: ManualClock, **options: Any) -> Table:
    return Table("Events", keys=("eventId",), clock=clock, **options)


def read(table: Table, settings: MappingSettings = FROM_START) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = []
    driver = MappingDriver(clock=table.stream.clock)
    driver.add_mapping(
        "project_events", table.stream, lambda event, _: records.extend(event["Records"]), settings
    )
    driver.run_until_idle()
    return records


def test_the_first_put_inserts_the_second_modifies_and_an_equal_one_leaves_no_record() -> None:
    table = events_table(ManualClock())
    assert table.put(row(1)) == "INSERT"
    assert table.put(row(1)) is None
    assert table.put(row(1, b"other")) == "MODIFY"
    table.delete({"eventId": row(1)["eventId"]})
    table.delete({"eventId": row(1)["eventId"]})
    assert [record["eventName"] for record in read(table)] == ["INSERT", "MODIFY", "REMOVE"]


def test_a_stream_record_has_the_fields_that_lambda_gives() -> None:
    clock = ManualClock()
    table = events_table(clock)
    clock.advance(0.9)
    table.put(row(1))
    (record,) = read(table)
    key = {"eventId": {"S": "org_acme#00000001-1111-4222-8333-444455556666"}}
    size = record["dynamodb"].pop("SizeBytes")
    number = record["dynamodb"].pop("SequenceNumber")
    assert size > 0
    assert 21 <= len(number) <= 40
    assert len(record.pop("eventID")) == 32
    assert record == {
        "eventName": "INSERT",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795165200.0,
            "Keys": key,
            "NewImage": {
                **key,
                "eventType": {"S": "order.created"},
                "expiresAt": {"N": "1795165200"},
                "body": {"B": "KLUv/Q=="},
            },
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:111122223333:table/Events/stream/2026-11-20T09:00:00.000",
    }


@pytest.mark.parametrize(
    ("view", "images"),
    [
        ("KEYS_ONLY", set()),
        ("NEW_IMAGE", {"NewImage"}),
        ("OLD_IMAGE", {"OldImage"}),
        ("NEW_AND_OLD_IMAGES", {"NewImage", "OldImage"}),
    ],
)
def test_the_view_decides_which_images_a_record_carries(view: Any, images: set[str]) -> None:
    table = events_table(ManualClock(), view=view)
    table.put(row(1))
    table.put(row(1, b"other"))
    modified = read(table)[1]["dynamodb"]
    assert {name for name in modified if name.endswith("Image")} == images


def test_a_removal_by_time_to_live_names_the_service_and_another_does_not() -> None:
    table = events_table(ManualClock())
    for number in (1, 2):
        table.put(row(number))
        table.delete({"eventId": row(number)["eventId"]}, by_time_to_live=number == 1)
    removed = [record for record in read(table) if record["eventName"] == "REMOVE"]
    service = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
    assert [record.get("userIdentity") for record in removed] == [service, None]
    assert all("NewImage" not in record["dynamodb"] for record in removed)


def test_each_change_appears_once_in_the_order_of_its_item() -> None:
    table = events_table(ManualClock(), shards=3)
    for version in range(6):
        for number in range(20):
            table.put(row(number, str(version).encode()))
        if version == 3:
            table.stream.split(next(iter(table.stream.shards)))
    bodies: dict[str, list[str]] = defaultdict(list)
    for record in read(table):
        image = record["dynamodb"]["NewImage"]
        bodies[image["eventId"]["S"]].append(base64.b64decode(image["body"]["B"]).decode())
    assert len(bodies) == 20
    assert all(found == ["0", "1", "2", "3", "4", "5"] for found in bodies.values())


def test_sequence_numbers_of_a_table_stream_do_not_sort_as_text() -> None:
    table = events_table(ManualClock())
    for number in range(30):
        table.put(row(number))
    numbers = [record["dynamodb"]["SequenceNumber"] for record in read(table)]
    assert numbers == sorted(numbers, key=int)
    assert numbers != sorted(numbers)


def test_a_table_stream_keeps_its_records_for_24_hours() -> None:
    clock = ManualClock()
    table = events_table(clock)
    table.put(row(1))
    clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert len(read(table)) == 1
    clock.advance(1)
    assert read(table) == []


def test_a_filter_on_the_event_name_passes_inserts_only() -> None:
    table = events_table(ManualClock())
    table.put(row(1))
    table.put(row(1, b"other"))
    table.delete({"eventId": row(1)["eventId"]})
    inserts = MappingSettings(starting_position="TRIM_HORIZON", filter_criteria=({"eventName": ["INSERT"]},))
    assert [record["eventName"] for record in read(table, inserts)] == ["INSERT"]


def test_batches_that_are_given_up_are_described_as_a_table_streams() -> None:
    clock = ManualClock()
    table = events_table(clock)
    table.put(row(1))
    destination = FailureDestination("s3")
    settings = MappingSettings(
        starting_position="TRIM_HORIZON", maximum_retry_attempts=0, on_failure=destination
    )

    def handler(event: dict[str, Any], _: Any) -> None:
        raise ConnectionError("table is throttled")

    driver = MappingDriver(clock=clock)
    driver.add_mapping("project_events", table.stream, handler, settings)
    driver.run_until_idle()
    (document,) = destination.documents
    assert "KinesisBatchInfo" not in document
    assert document["DDBStreamBatchInfo"]["streamArn"] == table.stream.arn
    assert json.loads(document["payload"])["Records"][0]["eventName"] == "INSERT"


def captured(stream: KinesisStream) -> list[dict[str, Any]]:
    stream.settle()
    return [json.loads(record.payload) for record in stream.records()]


def ids(changes: list[dict[str, Any]]) -> list[str]:
    return [change["dynamodb"]["Keys"]["eventId"]["S"] for change in changes]


def test_the_streaming_destination_writes_change_records_as_json() -> None:
    clock = ManualClock()
    table, stream = events_table(clock), KinesisStream("events", clock=clock)
    table.put(row(0))
    table.stream_to(stream)
    clock.advance(0.25)
    table.put(row(1))
    (change,) = captured(stream)
    assert len(change.pop("eventID")) == 36
    assert change["dynamodb"].pop("SizeBytes") > 0
    key = {"eventId": {"S": "org_acme#00000001-1111-4222-8333-444455556666"}}
    assert change == {
        "awsRegion": "us-east-1",
        "eventName": "INSERT",
        "userIdentity": None,
        "recordFormat": "application/json",
        "tableName": "Events",
        "dynamodb": {
            "ApproximateCreationDateTime": 1795165200250,
            "Keys": key,
            "NewImage": {
                **key,
                "eventType": {"S": "order.created"},
                "expiresAt": {"N": "1795165200"},
                "body": {"B": "KLUv/Q=="},
            },
            "ApproximateCreationDateTimePrecision": "MILLISECOND",
        },
        "eventSource": "aws:dynamodb",
    }


def test_the_destinations_partition_keys_are_random_so_an_items_changes_spread_over_shards() -> None:
    clock = ManualClock()
    table, stream = events_table(clock), KinesisStream("events", clock=clock, shards=4)
    table.stream_to(stream)
    for version in range(40):
        table.put(row(1, str(version).encode()))
    assert len({record.partition_key for record in stream.records()}) == 40
    assert all(shard.records for shard in stream.shards.values())


def test_the_destination_can_write_a_change_twice_under_the_same_event_id() -> None:
    clock = ManualClock()
    table, stream = events_table(clock), KinesisStream("events", clock=clock)
    destination = table.stream_to(stream, duplicate_rate=0.3, seed=5)
    for number in range(100):
        table.put(row(number))
    changes = captured(stream)
    assert destination.duplicates > 10
    assert len(changes) == 100 + destination.duplicates
    assert len({change["eventID"] for change in changes}) == len(set(ids(changes))) == 100


def test_the_destination_can_reorder_changes_and_loses_none() -> None:
    clock = ManualClock()
    table, stream = events_table(clock), KinesisStream("events", clock=clock)
    table.stream_to(stream, reorder_window=5)
    for number in range(50):
        table.put(row(number))
    assert len(stream.records()) == 45
    found = ids(captured(stream))
    assert found != sorted(found)
    assert len(found) == len(set(found)) == 50


def test_the_driver_waits_for_changes_that_are_on_their_way() -> None:
    clock = ManualClock()
    table, stream = events_table(clock), KinesisStream("events", clock=clock, shards=2)
    table.stream_to(stream, reorder_window=1000)
    for number in range(30):
        table.put(row(number))
    seen: list[str] = []
    driver = MappingDriver(clock=clock)
    driver.add_mapping(
        "archive_events",
        stream,
        lambda event, _: seen.extend(r["eventID"] for r in event["Records"]),
        FROM_START,
    )
    driver.run_until_idle()
    assert len(set(seen)) == 30
