"""Poison stands aside, a failing dependency brings the batch back, nothing else happens."""

import base64
import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from millrace.core.consumer import DEPLOY, BatchError, Consumer, Delivery, LakeDeadLetters, Record
from millrace.core.errors import NotDeployedError, PermanentError, RetryableError


class MemoryDeadLetters:
    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}

    def put(self, record: Record, place: str, arrived_at: datetime, reason: str) -> None:
        self.reasons[place] = reason


def kinesis(sequence: int, change: Any = None, data: bytes | None = None) -> dict[str, Any]:
    image = {"eventId": {"S": str(sequence)}}
    body = change if change is not None else {"eventName": "INSERT", "dynamodb": {"NewImage": image}}
    raw = data if data is not None else json.dumps(body).encode()
    return {
        "eventID": f"shardId-000000000001:{sequence}",
        "kinesis": {
            "sequenceNumber": str(sequence),
            "data": base64.b64encode(raw).decode(),
            "approximateArrivalTimestamp": 1_795_000_000.5,
        },
    }


def handled(batches: list[list[str]]) -> Any:
    def handle(deliveries: Sequence[Delivery]) -> None:
        names = [delivery.item["eventId"]["S"] for delivery in deliveries]
        if "13" in names:
            raise ValueError("unlucky")
        batches.append(names)

    return handle


def test_one_poison_record_does_not_take_its_batch_along() -> None:
    batches: list[list[str]] = []
    dead_letters = MemoryDeadLetters()
    consumed = Consumer(handled(batches), dead_letters).consume(
        {"Records": [kinesis(number) for number in range(20)]}
    )
    assert sorted(name for batch in batches for name in batch) == sorted(str(n) for n in range(20) if n != 13)
    assert dead_letters.reasons == {"shardId-000000000001-13": "ValueError: unlucky"}
    assert (consumed.delivered, consumed.handled, consumed.dead) == (20, 20, 1)


def test_what_is_not_deployed_yet_comes_again_for_a_while() -> None:
    """What stands before it is done; after an hour it is poison like any other, so that the shard goes on."""
    batches: list[list[str]] = []

    def handle(deliveries: Sequence[Delivery]) -> None:
        names = [delivery.item["eventId"]["S"] for delivery in deliveries]
        if "5" in names:
            raise NotDeployedError("no contract describes its type")
        batches.append(names)

    arrived = datetime.fromtimestamp(1_795_000_000.5, UTC)
    dead_letters = MemoryDeadLetters()
    records = [kinesis(number) for number in range(10)]
    at = arrived + DEPLOY - timedelta(seconds=1)
    with pytest.raises(BatchError, match="not deployed here yet: no contract") as raised:
        Consumer(handle, dead_letters, now=lambda: at).consume({"Records": records})
    assert raised.value.record is records[5]
    assert [name for batch in batches for name in batch] == ["0", "1", "2", "3", "4"]
    assert not dead_letters.reasons
    at += timedelta(seconds=1)
    batches.clear()
    Consumer(handle, dead_letters, now=lambda: at).consume({"Records": records})
    assert sorted(name for batch in batches for name in batch) == sorted(str(n) for n in range(10) if n != 5)
    assert list(dead_letters.reasons) == ["shardId-000000000001-5"]


@pytest.mark.parametrize(
    "record",
    [
        kinesis(1, data=b"\xff"),
        kinesis(1, change=[]),
        kinesis(1, change={"eventName": "INSERT"}),
        kinesis(1, change={"eventName": "INSERT", "dynamodb": None}),
        {"eventID": "shardId-1:1", "kinesis": {"sequenceNumber": "1", "data": "no base64!"}},
        {
            "eventID": "1",
            "eventName": "INSERT",
            "dynamodb": {"NewImage": {}, "ApproximateCreationDateTime": 1e300},
        },
        {"eventID": "1", "eventName": "INSERT", "dynamodb": None},
    ],
)
def test_what_is_no_change_record_is_a_dead_letter(record: dict[str, Any]) -> None:
    batches: list[list[str]] = []
    dead_letters = MemoryDeadLetters()
    consumed = Consumer(handled(batches), dead_letters).consume({"Records": [record, kinesis(2)]})
    assert batches == [["2"]]
    assert consumed.dead == len(dead_letters.reasons) == 1


@pytest.mark.parametrize("name", ["REMOVE", "MODIFY"])
def test_only_new_rows_are_handled(name: str) -> None:
    batches: list[list[str]] = []
    change = {"eventName": name, "dynamodb": {"NewImage": {"eventId": {"S": "1"}}}}
    assert (
        Consumer(handled(batches), MemoryDeadLetters()).consume({"Records": [kinesis(1, change)]}).handled
        == 0
    )
    assert batches == []


@pytest.mark.parametrize(
    "error",
    [
        RetryableError("later"),
        ClientError({"Error": {"Code": "AccessDeniedException"}}, "PutItem"),
        EndpointConnectionError(endpoint_url="http://nowhere"),
    ],
)
def test_a_failing_dependency_brings_the_whole_batch_back(error: Exception) -> None:
    def handle(deliveries: Sequence[Delivery]) -> None:
        raise error

    dead_letters = MemoryDeadLetters()
    with pytest.raises(RetryableError):
        Consumer(handle, dead_letters).consume({"Records": [kinesis(1), kinesis(2)]})
    assert dead_letters.reasons == {}


def test_a_dependency_that_fails_while_poison_is_sought_brings_the_batch_back() -> None:
    def handle(deliveries: Sequence[Delivery]) -> None:
        if len(deliveries) > 1:
            raise PermanentError("poison among these")
        raise RetryableError("and now the table is gone")

    dead_letters = MemoryDeadLetters()
    with pytest.raises(RetryableError):
        Consumer(handle, dead_letters).consume({"Records": [kinesis(1), kinesis(2)]})
    assert dead_letters.reasons == {}


@pytest.mark.parametrize("error", [PermanentError("no such bucket"), RetryableError("slow down")])
def test_a_dead_letter_that_cannot_be_kept_brings_its_batch_back(error: Exception) -> None:
    class Full:
        def put(self, *_: Any, **__: Any) -> None:
            raise error

    lake: Any = Full()
    consumer = Consumer(handled([]), LakeDeadLetters(lake, "archive_events"))
    with pytest.raises(RetryableError, match=str(error)):
        consumer.consume({"Records": [kinesis(13)]})
