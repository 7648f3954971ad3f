"""A batch is handled in parts of bounded size, whatever its records hold."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
import zstandard

from millrace.core.consumer import BYTES_AT_ONCE, Consumer, Delivery
from millrace.core.errors import PermanentError, RetryableError
from millrace.eventstore import codec
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import body_of, body_size
from tests.unit.core.test_consumer import MemoryDeadLetters, kinesis

MB = 1024 * 1024


def change(number: int, megabytes: int) -> dict[str, Any]:
    image = {"eventId": {"S": str(number)}, "size": {"N": str(megabytes * MB)}}
    return kinesis(number, {"eventName": "INSERT", "dynamodb": {"NewImage": image}})


def stated(item: Mapping[str, Mapping[str, Any]]) -> int:
    return int(item["size"]["N"])


def names(deliveries: Sequence[Delivery]) -> list[str]:
    return [delivery.item["eventId"]["S"] for delivery in deliveries]


def consume(records: list[dict[str, Any]]) -> list[list[str]]:
    parts: list[list[str]] = []
    Consumer(lambda part: parts.append(names(part)), MemoryDeadLetters(), size=stated).consume(
        {"Records": records}
    )
    return parts


def test_parts_keep_the_order_and_the_bound() -> None:
    parts = consume([change(number, 3) for number in range(7)])
    assert parts == [["0", "1"], ["2", "3"], ["4", "5"], ["6"]]
    assert BYTES_AT_ONCE == 8 * MB


def test_what_is_larger_than_the_bound_stands_alone() -> None:
    assert consume([change(0, 1), change(1, 50), change(2, 1), change(3, 1)]) == [["0"], ["1"], ["2", "3"]]


def test_small_events_go_together() -> None:
    assert consume([change(number, 0) for number in range(500)]) == [[str(n) for n in range(500)]]


def test_a_dependency_that_fails_in_a_later_part_brings_the_batch_back() -> None:
    handled: list[str] = []

    def handle(part: Sequence[Delivery]) -> None:
        if "2" in names(part):
            raise RetryableError("no table")
        handled.extend(names(part))

    with pytest.raises(RetryableError):
        Consumer(handle, MemoryDeadLetters(), size=stated).consume(
            {"Records": [change(n, 5) for n in range(4)]}
        )
    assert handled == ["0", "1"]


def row(body: bytes) -> dict[str, dict[str, Any]]:
    return {"body": {"B": base64.b64encode(body).decode()}, "dict": {"S": ""}}


def test_the_size_is_what_the_frame_states() -> None:
    packed = Codec(lambda _: b"").pack(b"x" * 200_000, "")
    assert len(packed) < 1000
    assert body_size(row(packed)) == 200_000


def test_a_frame_that_states_too_much_is_not_unpacked() -> None:
    bomb = zstandard.ZstdCompressor().compress(bytes(codec.MAX_BYTES + 1))
    assert body_size(row(bomb)) == 0
    with pytest.raises(PermanentError, match="states"):
        body_of(row(bomb), Codec(lambda _: b""))


def test_a_frame_that_states_nothing_counts_as_the_largest() -> None:
    packed = zstandard.ZstdCompressor(write_content_size=False).compress(b"x")
    assert body_size(row(packed)) == codec.MAX_BYTES


@pytest.mark.parametrize("item", [{}, {"body": {"B": "?"}}, {"body": {"S": "x"}}, row(b"no frame")])
def test_what_is_no_row_weighs_nothing(item: dict[str, Any]) -> None:
    assert body_size(item) == 0
