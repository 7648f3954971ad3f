"""Consumers that share a function: each has its own handler, dead dead_letters and failures, and all end complete."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.consumer import BatchError, Consumer, Delivery
from millrace.core.errors import RetryableError
from millrace.core.host import Host
from tests.support.mappings import (
    REPORT_BATCH_ITEM_FAILURES,
    ManualClock,
    MappingDriver,
    MappingSettings,
    Table,
)
from tests.unit.core.test_consumer import MemoryDeadLetters, kinesis

SETTINGS = MappingSettings(
    starting_position="TRIM_HORIZON",
    batch_size=7,
    bisect_batch_on_function_error=True,
    function_response_types=(REPORT_BATCH_ITEM_FAILURES,),
    filter_criteria=({"eventName": ["INSERT"]},),
)


def number(delivery: Delivery) -> int:
    return int(delivery.item["eventId"]["S"])


class Handler:
    """Remembers what it handled; some rows it can never handle, and at some calls its dependency fails."""

    def __init__(self, poison: Sequence[int] = (), down: Callable[[int], bool] = lambda _: False) -> None:
        self._poison, self._down = set(poison), down
        self.calls = 0
        self.handled: list[int] = []

    def __call__(self, deliveries: Sequence[Delivery]) -> None:
        self.calls += 1
        if self._down(self.calls):
            raise RetryableError("the store is out of reach")
        numbers = [number(delivery) for delivery in deliveries]
        if unlucky := self._poison.intersection(numbers):
            raise ValueError(f"unlucky {sorted(unlucky)}")
        self.handled += numbers


def delivered(rows: int, host: Host, seed: int = 0) -> MappingDriver:
    """A table whose stream is read by one function that hosts the consumers, run until nothing is left."""
    clock = ManualClock(datetime(2026, 11, 21, tzinfo=UTC))
    table = Table("Events", keys=("eventId",), clock=clock)
    driver = MappingDriver(clock=clock, seed=seed)
    driver.add_mapping("read_models", table.stream, lambda event, _: host.consume(event).answer, SETTINGS)
    for row in range(rows):
        table.put({"eventId": {"S": str(row)}, "eventType": {"S": "odd" if row % 2 else "even"}})
        clock.advance(timedelta(milliseconds=1))
    driver.run_until_idle()
    return driver


def test_what_one_consumer_sets_aside_another_one_handles() -> None:
    counts, patterns = Handler(poison=[5, 11]), Handler(poison=[3])
    aside, other_aside = MemoryDeadLetters(), MemoryDeadLetters()
    delivered(20, Host({"counts": Consumer(counts, aside), "patterns": Consumer(patterns, other_aside)}))
    assert counts.handled == [row for row in range(20) if row not in {5, 11}]
    assert sorted(patterns.handled) == [row for row in range(20) if row != 3]
    assert (len(aside.reasons), len(other_aside.reasons)) == (2, 1)
    assert set(aside.reasons) & set(other_aside.reasons) == set()


def test_a_consumer_whose_dependency_fails_holds_up_its_own_records_only() -> None:
    failing, steady = Handler(down=lambda call: call <= 6), Handler()
    dead_letters, lines = MemoryDeadLetters(), list[str]()
    host = Host(
        {"failing": Consumer(failing, dead_letters), "steady": Consumer(steady, dead_letters)}, lines.append
    )
    delivered(20, host)
    assert failing.handled == list(range(20))
    assert set(steady.handled) == set(range(20)), "it was given each batch while the other one failed"
    assert dead_letters.reasons == {}
    assert set(lines) == {"failing: the store is out of reach"}


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sets(st.integers(0, 29), max_size=3), min_size=1, max_size=3),
    st.lists(st.sets(st.integers(1, 40), max_size=12), min_size=3, max_size=3),
    st.integers(0, 9),
)
def test_all_end_complete_whatever_fails(poisons: list[set[int]], outages: list[set[int]], seed: int) -> None:
    handlers = [
        Handler(sorted(poison), down.__contains__) for poison, down in zip(poisons, outages, strict=False)
    ]
    dead_letters = [MemoryDeadLetters() for _ in handlers]
    delivered(30, Host({str(n): Consumer(h, dead_letters[n]) for n, h in enumerate(handlers)}), seed)
    for handler, poison, aside in zip(handlers, poisons, dead_letters, strict=True):
        assert set(handler.handled) == set(range(30)) - poison
        assert len(aside.reasons) == len(poison)


def test_the_answer_names_the_earliest_record_that_is_not_finished() -> None:
    def fails_at(row: str) -> Consumer:
        def handle(deliveries: Sequence[Delivery]) -> None:
            if any(delivery.item["eventId"]["S"] == row for delivery in deliveries):
                raise RetryableError("down")

        # Each record is a part of its own.
        return Consumer(handle, MemoryDeadLetters(), size=lambda _: 1 << 30)

    event: dict[str, Any] = {"Records": [kinesis(row) for row in range(10)]}
    hosted = Host({"late": fails_at("7"), "early": fails_at("4"), "well": fails_at("none")}).consume(event)
    assert hosted.answer == {"batchItemFailures": [{"itemIdentifier": "4"}]}
    assert hosted.consumed.keys() == {"well"}
    assert Host({"well": fails_at("none")}).consume(event).answer == {"batchItemFailures": []}
    with pytest.raises(BatchError) as caught:
        fails_at("7").consume(event)
    assert caught.value.record is event["Records"][7]


def test_each_consumer_is_given_only_the_types_that_it_reads() -> None:
    odd, every = Handler(), Handler()
    host = Host(
        {
            "odd": Consumer(odd, MemoryDeadLetters(), event_types=["odd"]),
            "every": Consumer(every, MemoryDeadLetters()),
        }
    )
    delivered(10, host)
    assert (odd.handled, every.handled) == ([1, 3, 5, 7, 9], list(range(10)))


@pytest.mark.parametrize(
    "item", [{"eventType": "odd"}, {"eventType": None}, {"eventId": {"S": "1"}}, ["odd"], "odd"]
)
def test_a_record_without_a_type_is_a_dead_letter_of_its_consumer_and_stops_no_other(item: Any) -> None:
    def handle(deliveries: Sequence[Delivery]) -> None:
        for delivery in deliveries:
            assert delivery.item["eventType"]["S"]

    aside = MemoryDeadLetters()
    host = Host(
        {
            "typed": Consumer(handle, aside, event_types=["odd"]),
            "well": Consumer(lambda _: None, MemoryDeadLetters()),
        }
    )
    record = {"eventName": "INSERT", "dynamodb": {"NewImage": item, "SequenceNumber": "1"}, "eventID": "1"}
    assert host.consume({"Records": [record]}).answer == {"batchItemFailures": []}
    assert len(aside.reasons) == 1
