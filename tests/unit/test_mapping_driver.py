"""The mapping driver hands records over as AWS does: batches, positions, event fields."""

from __future__ import annotations

import json
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
from tests.support.mappings.recorder import FROM_START, Recorder, fill, recorded

pytestmark = pytest.mark.unit


def test_a_batch_holds_at_most_batch_size_records() -> None:
    stream, recorder, driver = recorded(MappingSettings(starting_position="TRIM_HORIZON", batch_size=3))
    fill(stream, 8)
    driver.run_until_idle()
    assert recorder.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]
    counted = driver.statistics("archive_events")
    assert (counted.invocations, counted.delivered, counted.done, counted.failed) == (3, 8, 8, 0)


def test_without_a_window_one_record_is_handed_over_at_once() -> None:
    stream, recorder, driver = recorded()
    fill(stream, 1)
    driver.run_until_idle()
    assert recorder.at == [0.0]


def test_the_batching_window_gathers_until_it_ends() -> None:
    window = MappingSettings(starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=30)
    stream, recorder, driver = recorded(window)
    fill(stream, 2)
    driver.run_for(timedelta(seconds=20))
    assert recorder.batches == []
    fill(stream, 1)
    driver.run_until_idle()
    assert recorder.batches == [[0, 1, 0]]
    assert recorder.at == [30.0]


def test_a_full_batch_does_not_wait_for_the_window() -> None:
    settings = MappingSettings(
        starting_position="TRIM_HORIZON", batch_size=2, maximum_batching_window_in_seconds=300
    )
    stream, recorder, driver = recorded(settings)
    fill(stream, 3)
    driver.run_for(timedelta(seconds=1))
    assert recorder.batches == [[0, 1]]
    driver.run_until_idle()
    assert recorder.at == [0.0, 300.0]
    fill(stream, 2)
    driver.run_until_idle()
    assert recorder.at == [0.0, 300.0, 300.0]


def test_a_batch_ends_at_six_megabytes_and_then_does_not_wait() -> None:
    settings = MappingSettings(starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=60)
    stream, recorder, driver = recorded(settings)
    for _ in range(7):
        stream.put("asset-7", json.dumps("x" * 1_000_000))
    driver.run_for(timedelta(seconds=1))
    # 1 MB of data is 1.33 MB in base64: four fit, the fifth would pass the limit.
    assert [len(batch) for batch in recorder.batches] == [4]
    assert len(json.dumps(recorder.events[0])) <= 6 * 1024 * 1024
    driver.run_until_idle()
    assert [len(batch) for batch in recorder.batches] == [4, 3]


def test_a_kinesis_record_has_the_fields_that_lambda_gives() -> None:
    stream, recorder, driver = recorded()
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


def test_the_context_says_who_is_invoked() -> None:
    stream, _, driver = recorded()
    seen: list[Any] = []
    driver.add_mapping("route_events", stream, lambda _, context: seen.append(context), FROM_START)
    fill(stream, 1)
    driver.run_until_idle()
    assert seen[0].function_name == "route_events"
    assert seen[0].invoked_function_arn.endswith(":function:route_events")
    assert seen[0].aws_request_id == driver.statistics("route_events").history[0].request_id
    assert seen[0].get_remaining_time_in_millis() > 0


def test_trim_horizon_reads_what_was_there_and_latest_does_not() -> None:
    stream, recorder, driver = recorded()
    fill(stream, 2)
    newest = Recorder(stream)
    driver.add_mapping("newest", stream, newest, MappingSettings(starting_position="LATEST"))
    stream.put("user-1", "99")
    driver.run_until_idle()
    assert recorder.flat == [0, 1, 99]
    assert newest.flat == [99]


def test_trim_horizon_is_the_oldest_record_that_is_kept() -> None:
    stream, _, driver = recorded()
    fill(stream, 1)
    stream.clock.advance(timedelta(hours=24))
    fill(stream, 2)
    late = Recorder(stream)
    driver.add_mapping("late", stream, late, FROM_START)
    driver.run_until_idle()
    assert late.flat == [0, 1]
    assert driver.statistics("late").discarded.total() == 0


def test_records_that_expire_unread_are_lost_and_no_destination_hears_of_them() -> None:
    destination = FailureDestination("s3")
    settings = MappingSettings(
        starting_position="TRIM_HORIZON", maximum_record_age_in_seconds=36_000, on_failure=destination
    )
    stream, recorder, driver = recorded(settings, retention=timedelta(hours=48))
    fill(stream, 3)
    stream.clock.advance(timedelta(hours=47))
    stream.put("user-1", "3")
    stream.clock.advance(timedelta(hours=1))
    driver.run_until_idle()
    assert recorder.flat == [3]
    assert driver.statistics("archive_events").discarded == {"Expired": 3}
    assert destination.documents == []


def test_every_mapping_of_a_stream_gets_every_record_at_its_own_pace() -> None:
    stream, recorder, driver = recorded()
    other = Recorder(stream)
    driver.add_mapping(
        "other", stream, other, MappingSettings(starting_position="TRIM_HORIZON", batch_size=1)
    )
    fill(stream, 5)
    driver.run_until_idle()
    assert recorder.flat == other.flat == [0, 1, 2, 3, 4]
    assert (len(recorder.batches), len(other.batches)) == (1, 5)


def test_iterator_age_is_the_age_of_the_last_record_of_the_batch() -> None:
    stream, _, driver = recorded()
    fill(stream, 1)
    stream.clock.advance(100)
    fill(stream, 1)
    stream.clock.advance(7)
    driver.run_until_idle()
    assert driver.iterator_age("archive_events") == timedelta(seconds=7)


def test_time_moves_only_when_all_work_waits() -> None:
    window = MappingSettings(starting_position="TRIM_HORIZON", maximum_batching_window_in_seconds=60)
    stream, recorder, driver = recorded(window)
    eager = Recorder(stream)
    driver.add_mapping("eager", stream, eager, FROM_START)
    fill(stream, 1)
    assert driver.step()
    assert (eager.at, recorder.at) == ([0.0], [])
    assert driver.step()
    assert recorder.at == [60.0]
    assert not driver.step()


def test_a_record_over_one_mebibyte_is_refused() -> None:
    stream, _, _ = recorded()
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


def test_work_without_end_is_reported_with_the_last_error() -> None:
    clock = ManualClock()
    stream = KinesisStream("events", clock=clock)

    def handler(event: dict[str, Any], _: Any) -> None:
        stream.put("loop", b"{}")

    driver = MappingDriver(clock=clock)
    driver.add_mapping("loop", stream, handler, FROM_START)
    fill(stream, 1)
    with pytest.raises(NotIdleError, match="after 50 steps"):
        driver.run_until_idle(max_steps=50)


def test_source_and_driver_share_one_clock() -> None:
    _, recorder, driver = recorded()
    with pytest.raises(ValueError, match="same clock"):
        driver.add_mapping("other", KinesisStream("other", clock=ManualClock()), recorder, FROM_START)
