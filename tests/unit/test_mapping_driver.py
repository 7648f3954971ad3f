"""The mapping driver hands records over as AWS does: batches, order, shards, positions, event fields."""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.support.mappings import (
    FailureDestination,
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
    NotIdleError,
)

pytestmark = pytest.mark.unit

FROM_START = MappingSettings(starting_position="TRIM_HORIZON")


class Recorder:
    """A handler that keeps the decoded data of each batch."""

    def __init__(self, stream: KinesisStream) -> None:
        self.clock = stream.clock
        self.batches: list[list[Any]] = []
        self.events: list[dict[str, Any]] = []
        self.at: list[float] = []
        self._start = self.clock.now()

    def __call__(self, event: dict[str, Any], context: Any) -> None:
        self.events.append(json.loads(json.dumps(event)))
        self.at.append((self.clock.now() - self._start).total_seconds())
        data = [base64.b64decode(record["kinesis"]["data"]) for record in event["Records"]]
        self.batches.append([json.loads(one) for one in data])
        event[
            "Records"
        ].clear()  # A handler may do what it likes with its event: redelivery builds a new one.

    @property
    def flat(self) -> list[Any]:
        return [one for batch in self.batches for one in batch]


Setup = Callable[..., tuple[KinesisStream, Recorder, MappingDriver]]


@pytest.fixture
def setup() -> Setup:
    def build(settings: MappingSettings = FROM_START, *, seed: int = 1, **stream: Any) -> Any:
        log = KinesisStream("events", clock=ManualClock(), **stream)
        recorder = Recorder(log)
        driver = MappingDriver(clock=log.clock, seed=seed)
        driver.add_mapping("archive_events", log, recorder, settings)
        return log, recorder, driver

    return build


def fill(stream: KinesisStream, count: int, *, keys: int = 1) -> None:
    for number in range(count):
        stream.put(f"user-{number % keys}", json.dumps(number))


def test_a_batch_holds_at_most_batch_size_records(setup: Setup) -> None:
    stream, recorder, driver = setup(MappingSettings(starting_position="TRIM_HORIZON", batch_size=3))
    fill(stream, 8)
    driver.run_until_idle()
    assert recorder.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]
    counted = driver.statistics("archive_events")
    assert (counted.invocations, counted.delivered, counted.done, counted.failed) == (3, 8, 8, 0)


def test_without_a_window_one_record_is_handed_over_at_once(setup: Setup) -> None:
    stream, recorder, driver = setup()
    fill(stream, 1)
    driver.run_until_idle()
    assert recorder.at == [0.0]


def test_the_batching_window_gathers_until_it_ends(setup: Setup) -> None:
    window = MappingSettings(starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=30)
    stream, recorder, driver = setup(window)
    fill(stream, 2)
    driver.run_for(timedelta(seconds=20))
    assert recorder.batches == []
    fill(stream, 1)
    driver.run_until_idle()
    assert recorder.batches == [[0, 1, 0]]
    assert recorder.at == [30.0]


def test_a_full_batch_does_not_wait_for_the_window(setup: Setup) -> None:
    settings = MappingSettings(
        starting_position="TRIM_HORIZON", batch_size=2, maximum_batching_window_in_seconds=300
    )
    stream, recorder, driver = setup(settings)
    fill(stream, 3)
    driver.run_for(timedelta(seconds=1))
    assert recorder.batches == [[0, 1]]
    driver.run_until_idle()
    assert recorder.at == [0.0, 300.0]
    fill(stream, 2)
    driver.run_until_idle()
    assert recorder.at == [0.0, 300.0, 300.0]


def test_a_batch_ends_at_six_megabytes_and_then_does_not_wait(setup: Setup) -> None:
    settings = MappingSettings(starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=60)
    stream, recorder, driver = setup(settings)
    for _ in range(7):
        stream.put("asset-7", json.dumps("x" * 1_000_000))
    driver.run_for(timedelta(seconds=1))
    # 1 MB of data is 1.33 MB in base64: four fit, the fifth would pass the limit.
    assert [len(batch) for batch in recorder.batches] == [4]
    assert len(json.dumps(recorder.events[0])) <= 6 * 1024 * 1024
    driver.run_until_idle()
    assert [len(batch) for batch in recorder.batches] == [4, 3]


def test_a_kinesis_record_has_the_fields_that_lambda_gives(setup: Setup) -> None:
    stream, recorder, driver = setup()
    stream.clock.advance(0.125)
    put = stream.put("user-1", b"17")
    driver.run_until_idle()
    arn = "arn:aws:kinesis:us-east-1:111122223333:stream/events"
    assert recorder.events == [
        {
            "Records": [
                {
                    "kinesis": {
                        "kinesisSchemaVersion": "1.0",
                        "partitionKey": "user-1",
                        "sequenceNumber": put.sequence_number,
                        "data": "MTc=",
                        "approximateArrivalTimestamp": 1795165200.125,
                    },
                    "eventSource": "aws:kinesis",
                    "eventVersion": "1.0",
                    "eventID": f"shardId-000000000000:{put.sequence_number}",
                    "eventName": "aws:kinesis:record",
                    "invokeIdentityArn": "arn:aws:iam::111122223333:role/lambda-role",
                    "awsRegion": "us-east-1",
                    "eventSourceARN": arn,
                }
            ]
        }
    ]


def test_the_context_says_who_is_invoked(setup: Setup) -> None:
    stream, _, driver = setup()
    seen: list[Any] = []
    driver.add_mapping("route_events", stream, lambda _, context: seen.append(context), FROM_START)
    fill(stream, 1)
    driver.run_until_idle()
    assert seen[0].function_name == "route_events"
    assert seen[0].invoked_function_arn.endswith(":function:route_events")
    assert seen[0].aws_request_id == driver.statistics("route_events").history[0].request_id
    assert seen[0].get_remaining_time_in_millis() > 0


def test_trim_horizon_reads_what_was_there_and_latest_does_not(setup: Setup) -> None:
    stream, recorder, driver = setup()
    fill(stream, 2)
    newest = Recorder(stream)
    driver.add_mapping("newest", stream, newest, MappingSettings(starting_position="LATEST"))
    stream.put("user-1", "99")
    driver.run_until_idle()
    assert recorder.flat == [0, 1, 99]
    assert newest.flat == [99]


def test_trim_horizon_is_the_oldest_record_that_is_kept(setup: Setup) -> None:
    stream, _, driver = setup()
    fill(stream, 1)
    stream.clock.advance(timedelta(hours=24))
    fill(stream, 2)
    late = Recorder(stream)
    driver.add_mapping("late", stream, late, FROM_START)
    driver.run_until_idle()
    assert late.flat == [0, 1]
    assert driver.statistics("late").discarded.total() == 0


def test_records_that_expire_unread_are_lost_and_no_destination_hears_of_them(setup: Setup) -> None:
    destination = FailureDestination("s3")
    settings = MappingSettings(
        starting_position="TRIM_HORIZON", maximum_record_age_in_seconds=36_000, on_failure=destination
    )
    stream, recorder, driver = setup(settings, retention=timedelta(hours=48))
    fill(stream, 3)
    stream.clock.advance(timedelta(hours=47))
    stream.put("user-1", "3")
    stream.clock.advance(timedelta(hours=1))
    driver.run_until_idle()
    assert recorder.flat == [3]
    assert driver.statistics("archive_events").discarded == {"Expired": 3}
    assert destination.documents == []


def test_every_mapping_of_a_stream_gets_every_record_at_its_own_pace(setup: Setup) -> None:
    stream, recorder, driver = setup()
    other = Recorder(stream)
    driver.add_mapping(
        "other", stream, other, MappingSettings(starting_position="TRIM_HORIZON", batch_size=1)
    )
    fill(stream, 5)
    driver.run_until_idle()
    assert recorder.flat == other.flat == [0, 1, 2, 3, 4]
    assert (len(recorder.batches), len(other.batches)) == (1, 5)


def test_a_shard_keeps_the_order_of_its_records_and_the_seed_mixes_shards(setup: Setup) -> None:
    stories = []
    for seed in (1, 1, 2):
        settings = MappingSettings(starting_position="TRIM_HORIZON", batch_size=2)
        stream, _, driver = setup(settings, seed=seed, shards=4)
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


def test_parallel_batches_of_a_shard_keep_the_order_of_each_partition_key(setup: Setup) -> None:
    settings = MappingSettings(starting_position="TRIM_HORIZON", batch_size=4, parallelization_factor=5)
    stream, recorder, driver = setup(settings)
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


def test_a_failing_batch_holds_its_own_lane_only(setup: Setup) -> None:
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
def test_after_a_reshard_parents_are_read_to_their_end_before_their_children(setup: Setup, seed: int) -> None:
    settings = MappingSettings(starting_position="TRIM_HORIZON", batch_size=3)
    stream, recorder, driver = setup(settings, seed=seed, shards=1)
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


def test_a_child_waits_while_its_parent_is_retried(setup: Setup) -> None:
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


def test_latest_reads_a_shard_that_appears_later_from_its_start(setup: Setup) -> None:
    stream, recorder, driver = setup(MappingSettings(starting_position="LATEST"))
    stream.split("shardId-000000000000")
    fill(stream, 4, keys=4)
    driver.run_until_idle()
    assert sorted(recorder.flat) == [0, 1, 2, 3]


def test_a_closed_shard_takes_no_records_and_only_neighbours_merge(setup: Setup) -> None:
    stream, _, _ = setup(shards=3)
    first, second, third = stream.shards
    with pytest.raises(ValueError, match="not adjacent"):
        stream.merge(first, third)
    stream.merge(first, second)
    fill(stream, 30, keys=30)
    assert stream.shards[first].records == stream.shards[second].records == []
    with pytest.raises(ValueError, match="closed"):
        stream.split(first)


def test_sequence_numbers_have_56_digits_and_only_grow(setup: Setup) -> None:
    stream, _, _ = setup(shards=2)
    numbers = [stream.put(f"user-{n}", b"{}").sequence_number for n in range(500)]
    assert {len(number) for number in numbers} == {56}
    assert numbers == sorted(set(numbers), key=int)
    assert [record.sequence_number for record in stream.records()] == numbers


def test_iterator_age_is_the_age_of_the_last_record_of_the_batch(setup: Setup) -> None:
    stream, _, driver = setup()
    fill(stream, 1)
    stream.clock.advance(100)
    fill(stream, 1)
    stream.clock.advance(7)
    driver.run_until_idle()
    assert driver.iterator_age("archive_events") == timedelta(seconds=7)


def test_time_moves_only_when_all_work_waits(setup: Setup) -> None:
    window = MappingSettings(starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=60)
    stream, recorder, driver = setup(window)
    eager = Recorder(stream)
    driver.add_mapping("eager", stream, eager, FROM_START)
    fill(stream, 1)
    assert driver.step()
    assert (eager.at, recorder.at) == ([0.0], [])
    assert driver.step()
    assert recorder.at == [60.0]
    assert not driver.step()


def test_a_record_over_one_mebibyte_is_refused(setup: Setup) -> None:
    stream, _, _ = setup()
    with pytest.raises(ValueError, match="over 1 MiB"):
        stream.put("user-1", b"x" * (1024 * 1024))
    with pytest.raises(ValueError, match="256 characters"):
        stream.put("", b"{}")


def test_settings_out_of_bounds_are_refused_as_by_aws() -> None:
    for wrong in (
        {"batch_size": 0},
        {"batch_size": 10_001},
        {"maximum_batching_window_in_seconds": 301},
        {"parallelization_factor": 11},
        {"maximum_retry_attempts": -2},
        {"maximum_record_age_in_seconds": 59},
        {"starting_position": "AT_TIMESTAMP"},
        {"function_response_types": ("ReportBatchItemFailure",)},
    ):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MappingSettings(**{"starting_position": "LATEST", **wrong})  # type: ignore[arg-type]


def test_settings_come_from_a_synthesized_template() -> None:
    destination = FailureDestination("s3")
    read = MappingSettings.from_template(
        {
            "FunctionName": {"Ref": "ArchiveEvents"},
            "EventSourceArn": {"Fn::GetAtt": ["EventStream", "Arn"]},
            "StartingPosition": "TRIM_HORIZON",
            "BatchSize": 500,
            "MaximumRecordAgeInSeconds": 64800,
            "FunctionResponseTypes": ["ReportBatchItemFailures"],
            "FilterCriteria": {"Filters": [{"Pattern": '{"eventName":["INSERT"]}'}]},
            "DestinationConfig": {"OnFailure": {"Destination": {"Fn::GetAtt": ["Lake", "Arn"]}}},
        },
        on_failure=destination,
    )
    assert read == MappingSettings(
        starting_position="TRIM_HORIZON",
        batch_size=500,
        maximum_record_age_in_seconds=64800,
        function_response_types=("ReportBatchItemFailures",),
        filter_criteria=('{"eventName":["INSERT"]}',),
        on_failure=destination,
    )
    with pytest.raises(ValueError, match="DestinationConfig"):
        MappingSettings.from_template({"StartingPosition": "LATEST"}, on_failure=destination)


def test_work_without_end_is_reported_with_the_last_error(setup: Setup) -> None:
    clock = ManualClock()
    stream = KinesisStream("events", clock=clock)

    def handler(event: dict[str, Any], _: Any) -> None:
        stream.put("loop", b"{}")

    driver = MappingDriver(clock=clock)
    driver.add_mapping("loop", stream, handler, FROM_START)
    fill(stream, 1)
    with pytest.raises(NotIdleError, match="after 50 steps"):
        driver.run_until_idle(max_steps=50)


def test_source_and_driver_share_one_clock(setup: Setup) -> None:
    _, recorder, driver = setup()
    with pytest.raises(ValueError, match="same clock"):
        driver.add_mapping("other", KinesisStream("other", clock=ManualClock()), recorder, FROM_START)
