"""The mapping driver reads shards as AWS does: order, lanes, splits and merges."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import timedelta
from typing import Any

import pytest

from tests.support.mappings import (
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
)
from tests.support.mappings.recorder import FROM_START, fill, recorded

pytestmark = pytest.mark.unit


def test_a_shard_keeps_the_order_of_its_records_and_the_seed_mixes_shards() -> None:
    stories = []
    for seed in (1, 1, 2):
        settings = MappingSettings(starting_position="TRIM_HORIZON", batch_size=2)
        stream, _, driver = recorded(settings, seed=seed, shards=4)
        fill(stream, 60, keys=20)
        driver.run_until_idle()
        history = driver.statistics("archive_events").history
        by_shard: dict[str, list[int]] = defaultdict(list)
        for one in history:
            by_shard[one.shard_id] += [int(number) for number in one.sequence_numbers]
        assert len(by_shard) == 4
        assert all(numbers == sorted(numbers) for numbers in by_shard.values())
        stories.append(history)
    assert stories[0] == stories[1]
    assert [one.shard_id for one in stories[0]] != [one.shard_id for one in stories[2]]


def test_parallel_batches_of_a_shard_keep_the_order_of_each_partition_key() -> None:
    settings = MappingSettings(starting_position="TRIM_HORIZON", batch_size=4, parallelization_factor=5)
    stream, recorder, driver = recorded(settings)
    for number in range(200):
        stream.put(f"user-{number % 17}", json.dumps([f"user-{number % 17}", number]))
    driver.run_until_idle()
    by_key: dict[str, list[int]] = defaultdict(list)
    for key, number in recorder.flat:
        by_key[key].append(number)
    assert sum(map(len, by_key.values())) == 200
    assert all(numbers == sorted(numbers) for numbers in by_key.values())
    # The shard as a whole is out of order: the batches really were concurrent.
    assert [number for _, number in recorder.flat] != list(range(200))
    assert {one.lane for one in driver.statistics("archive_events").history} == set(range(5))


def test_a_failing_batch_holds_its_own_lane_only() -> None:
    clock = ManualClock()
    stream = KinesisStream("events", clock=clock)
    order: list[str] = []

    def handler(event: dict[str, Any], _: Any) -> None:
        keys = {record["kinesis"]["partitionKey"] for record in event["Records"]}
        if "stuck" in keys and clock.now() < start + timedelta(minutes=10):
            raise ConnectionError("table is throttled")
        order.extend(record["kinesis"]["partitionKey"] for record in event["Records"])

    start = clock.now()
    driver = MappingDriver(clock=clock)
    settings = MappingSettings(starting_position="TRIM_HORIZON", parallelization_factor=10, batch_size=1)
    driver.add_mapping("score", stream, handler, settings)
    for key in ("stuck", "a", "b", "c", "d", "e", "f", "stuck"):
        stream.put(key, b"{}")
    driver.run_for(timedelta(minutes=5))
    assert 0 < len(order) <= 6
    assert "stuck" not in order
    driver.run_until_idle()
    assert sorted(order) == ["a", "b", "c", "d", "e", "f", "stuck", "stuck"]


@pytest.mark.parametrize("seed", range(6))
def test_after_a_reshard_parents_are_read_to_their_end_before_their_children(seed: int) -> None:
    settings = MappingSettings(starting_position="TRIM_HORIZON", batch_size=3)
    stream, recorder, driver = recorded(settings, seed=seed, shards=1)
    numbers = iter(range(1000))

    def put(count: int) -> None:
        for number in (next(numbers) for _ in range(count)):
            stream.put(f"user-{number % 9}", json.dumps([number % 9, number]))

    put(40)
    left, right = stream.split("shardId-000000000000")
    put(40)
    child = stream.merge(left, right)
    put(40)
    driver.run_until_idle()
    by_key: dict[int, list[int]] = defaultdict(list)
    for key, number in recorder.flat:
        by_key[key].append(number)
    assert sorted(number for _, number in recorder.flat) == list(range(120))
    assert all(found == sorted(found) for found in by_key.values())
    assert stream.shards[child].parents == (left, right)
    assert min(len(stream.shards[one].records) for one in (left, right)) > 0


def test_a_child_waits_while_its_parent_is_retried() -> None:
    clock = ManualClock()
    stream = KinesisStream("events", clock=clock)
    healthy_from = clock.now() + timedelta(minutes=3)
    seen: list[str] = []

    def handler(event: dict[str, Any], _: Any) -> None:
        if clock.now() < healthy_from:
            raise TimeoutError("the lake does not answer")
        seen.extend(record["eventID"].split(":")[0] for record in event["Records"])

    driver = MappingDriver(clock=clock)
    driver.add_mapping("archive_events", stream, handler, FROM_START)
    fill(stream, 5, keys=5)
    children = stream.split("shardId-000000000000")
    fill(stream, 20, keys=20)
    driver.run_until_idle()
    assert seen[:5] == ["shardId-000000000000"] * 5
    assert set(seen[5:]) == set(children)


def test_latest_reads_a_shard_that_appears_later_from_its_start() -> None:
    stream, recorder, driver = recorded(MappingSettings(starting_position="LATEST"))
    stream.split("shardId-000000000000")
    fill(stream, 4, keys=4)
    driver.run_until_idle()
    assert sorted(recorder.flat) == [0, 1, 2, 3]


def test_a_closed_shard_takes_no_records_and_only_neighbours_merge() -> None:
    stream, _, _ = recorded(shards=3)
    first, second, third = stream.shards
    with pytest.raises(ValueError, match="not adjacent"):
        stream.merge(first, third)
    stream.merge(first, second)
    fill(stream, 30, keys=30)
    assert stream.shards[first].records == stream.shards[second].records == []
    with pytest.raises(ValueError, match="closed"):
        stream.split(first)


def test_sequence_numbers_have_56_digits_and_only_grow() -> None:
    stream, _, _ = recorded(shards=2)
    numbers = [stream.put(f"user-{n}", b"{}").sequence_number for n in range(500)]
    assert {len(number) for number in numbers} == {56}
    assert numbers == sorted(set(numbers), key=int)
    assert [record.sequence_number for record in stream.records()] == numbers
