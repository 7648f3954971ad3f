"""A shard of the table's stream that is split between two deliveries changes nothing: each event is counted once."""

from pathlib import Path
from typing import Any

import pytest

from millrace.core.consumer import Consumer
from tests.support.aggregates import AT, LATER, ORG, OTHER_ORG, World, aggregates, delivery, payment
from tests.support.mappings.clock import ManualClock
from tests.support.mappings.driver import MappingDriver
from tests.support.mappings.faults import Faults
from tests.support.mappings.settings import MappingSettings
from tests.support.mappings.tables import Table

SETTINGS = MappingSettings(starting_position="TRIM_HORIZON", batch_size=5)
ORGS = (ORG, OTHER_ORG)
STEM = "analyze_events"


class NoDeadLetters:
    """None is expected."""

    def put(self, record: Any, place: str, arrived_at: Any, reason: str) -> None:
        raise AssertionError(reason)


class Stream:
    """The table's stream of one shard, and the counter behind a mapping."""

    def __init__(self, seed: int, faults: Faults) -> None:
        clock = ManualClock()
        self.world = World(aggregates())
        self.table = Table("Events", keys=("eventId",), clock=clock)
        self.driver = MappingDriver(clock=clock, seed=seed)
        consumer = Consumer(self.world.counter.count, NoDeadLetters())

        def handle(event: dict[str, Any], _: Any) -> None:
            (shard,) = {record["eventSourceARN"] for record in event["Records"]}
            assert shard == self.table.stream.arn
            consumer.consume(event)

        self.driver.add_mapping(STEM, self.table.stream, handle, SETTINGS, faults=faults)

    def put(self, first: int, last: int) -> None:
        """Payments of both tenants, by turns."""
        for number in range(first, last):
            event = payment(merchant=f"m{number % 3}", amount=number + 1)
            self.table.put(delivery(event, AT, ORGS[number % 2]).item)


@pytest.mark.parametrize("folded", [False, True], ids=["in facts", "folded between"])
@pytest.mark.parametrize("faults", [Faults(), Faults(crash_after=0.3)], ids=["at once", "again"])
@pytest.mark.parametrize("seed", range(3))
def test_a_split_shard_counts_each_event_once(bundle: Path, seed: int, faults: Faults, folded: bool) -> None:
    stream = Stream(seed, faults)
    (parent,) = stream.table.stream.shards
    stream.put(0, 24)
    # One delivery of the parent, which has more.
    assert stream.driver.step()
    left, right = stream.table.stream.split(parent)
    stream.put(24, 60)
    shards = stream.table.stream.shards
    assert len(shards[left].records) > 0 < len(shards[right].records)
    if folded:
        stream.world.fold()
        stream.world.now = AT
    stream.driver.run_until_idle()
    # The parent's and the children's batches come once more, in the order in which the seed has them.
    stream.driver.redeliver(STEM, batches=4)
    stream.driver.run_until_idle()
    stream.world.fold(LATER)
    assert stream.driver.statistics(STEM).delivered > 60
    for turn, org in enumerate(ORGS):
        found = stream.world.numbers(org)
        numbers = range(turn, 60, 2)
        assert {merchant: shown[0] for merchant, shown in found.items()} == {
            f"m{one}": sum(number % 3 == one for number in numbers) for one in range(3)
        }
        revenue = {f"m{one}": sum(number + 1 for number in numbers if number % 3 == one) for one in range(3)}
        assert {merchant: float(shown[1]) for merchant, shown in found.items()} == revenue
