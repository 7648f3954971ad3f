"""What the mapping driver does when a batch fails: retries, partial answers, bisecting, giving up, redelivery."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from tests.support.mappings import (
    REPORT_BATCH_ITEM_FAILURES,
    Backoff,
    Crash,
    FailureDestination,
    Faults,
    KinesisStream,
    ManualClock,
    MappingDriver,
    MappingSettings,
    MappingStatistics,
)

pytestmark = pytest.mark.unit

Answer = Callable[[list[str]], Any]


class Stage:
    """One shard with records keyed ``0``, ``1``, …, and a mapping whose answer the test decides."""

    def __init__(self, count: int, answer: Answer, *, faults: Faults | None = None, **settings: Any) -> None:
        self.clock = ManualClock()
        self.stream = KinesisStream("events", clock=self.clock)
        self.numbers = [self.stream.put(str(n), b"{}").sequence_number for n in range(count)]
        self.answer = answer
        self.batches: list[str] = []
        self.at: list[float] = []
        self.start = self.clock.now()
        self.driver = MappingDriver(clock=self.clock, seed=3)
        chosen = MappingSettings(**{"starting_position": "TRIM_HORIZON", **settings})
        self.driver.add_mapping("score", self.stream, self.handle, chosen, faults=faults or Faults())

    def handle(self, event: dict[str, Any], _: Any) -> Any:
        keys = [record["kinesis"]["partitionKey"] for record in event["Records"]]
        self.batches.append("".join(keys))
        self.at.append((self.clock.now() - self.start).total_seconds())
        return self.answer(keys)

    def run(self) -> MappingStatistics:
        self.driver.run_until_idle()
        return self.statistics

    @property
    def statistics(self) -> MappingStatistics:
        return self.driver.statistics("score")


def failing_on(*poison: str) -> Answer:
    def answer(keys: list[str]) -> None:
        found = set(poison) & set(keys)
        if found:
            raise ValueError(f"cannot read {sorted(found)}")

    return answer


def failing_times(times: int) -> Answer:
    left = iter(range(times))

    def answer(_: list[str]) -> None:
        if next(left, None) is not None:
            raise ConnectionError("table is throttled")

    return answer


def reporting(stage: list[Stage], *poison: str, extra: tuple[str, ...] = ()) -> Answer:
    """Answer with the sequence numbers of the poison in the batch, the highest first."""

    def answer(keys: list[str]) -> dict[str, Any]:
        found = [stage[0].numbers[int(key)] for key in reversed(keys) if key in poison]
        return {"batchItemFailures": [{"itemIdentifier": one} for one in (*extra, *found)]}

    return answer


def partial(count: int, *poison: str, **settings: Any) -> Stage:
    cell: list[Stage] = []
    types = (REPORT_BATCH_ITEM_FAILURES,)
    cell.append(Stage(count, reporting(cell, *poison), function_response_types=types, **settings))
    return cell[0]


def test_a_raised_error_brings_the_whole_batch_back_and_holds_the_shard() -> None:
    stage = Stage(5, failing_times(2), batch_size=3)
    counted = stage.run()
    assert stage.batches == ["012", "012", "012", "34"]
    assert (counted.failed, counted.delivered, counted.done) == (2, 11, 5)
    assert counted.last_error == "ConnectionError: table is throttled"


def test_retries_wait_longer_each_time_on_the_injected_clock() -> None:
    stage = Stage(1, failing_times(4))
    stage.run()
    assert stage.at == [0.0, 1.0, 3.0, 7.0, 15.0]
    assert Backoff().wait(500) == timedelta(seconds=60)


def test_a_crash_is_no_answer_even_when_the_handler_catches_every_exception() -> None:
    crashes = iter([True, False])

    def die_if(killed: bool) -> None:
        if killed:
            raise Crash

    def answer(_: list[str]) -> None:
        try:
            die_if(next(crashes))
        except Exception:  # noqa: BLE001  # what a careless handler does
            return

    stage = Stage(3, answer)
    counted = stage.run()
    assert stage.batches == ["012", "012"]
    assert (counted.failed, counted.done) == (1, 3)


def test_an_exit_and_an_answer_without_json_form_fail_the_batch() -> None:
    answers = iter([SystemExit(1), {"at": object()}, None])

    def answer(_: list[str]) -> Any:
        one = next(answers)
        if isinstance(one, SystemExit):
            raise one
        return one

    stage = Stage(2, answer)
    stage.run()
    assert stage.batches == ["01", "01", "01"]
    assert "Runtime.MarshalError" in str(stage.statistics.last_error)


@pytest.mark.parametrize("answer", [None, {}, {"batchItemFailures": []}, {"batchItemFailures": None}])
def test_empty_and_null_answers_are_success(answer: object) -> None:
    stage = Stage(3, lambda _: answer, function_response_types=(REPORT_BATCH_ITEM_FAILURES,))
    assert stage.run().done == 3
    assert stage.batches == ["012"]


@pytest.mark.parametrize(
    "failure",
    [
        {"itemIdentifier": ""},
        {"itemIdentifier": None},
        {"itemIdentfier": "1"},
        {"itemIdentifier": "17"},
        "1",
        {},
    ],
)
def test_an_identifier_that_names_no_record_fails_the_whole_batch(failure: object) -> None:
    cell: list[Stage] = []
    answers = iter([{"batchItemFailures": [failure]}, None])

    def answer(keys: list[str]) -> Any:
        bad = next(answers)
        if bad is not None:
            bad["batchItemFailures"].append({"itemIdentifier": cell[0].numbers[2]})
        return bad

    cell.append(Stage(3, answer, function_response_types=(REPORT_BATCH_ITEM_FAILURES,)))
    cell[0].run()
    assert cell[0].batches == ["012", "012"]


@pytest.mark.parametrize("answer", ["done", ["0"], {"batchItemFailures": "0"}])
def test_an_answer_of_another_form_fails_the_whole_batch(answer: object) -> None:
    types = (REPORT_BATCH_ITEM_FAILURES,)
    stage = Stage(2, lambda _: answer, function_response_types=types, maximum_retry_attempts=0)
    assert stage.run().discarded == {"RetryAttemptsExhausted": 2}


def test_the_lowest_failed_number_is_the_checkpoint_and_all_after_it_comes_again() -> None:
    stage = partial(8, "3", "6", maximum_retry_attempts=1)
    counted = stage.run()
    # 4 and 5 were fine, yet they come again; the attempts are those of the batch that is left.
    assert stage.batches == ["01234567", "34567"]
    assert counted.done == 3
    assert counted.discarded == {"RetryAttemptsExhausted": 5}


def test_without_report_batch_item_failures_the_answer_is_not_looked_at() -> None:
    cell: list[Stage] = []
    cell.append(Stage(8, reporting(cell, "3")))
    assert cell[0].run().done == 8
    assert cell[0].batches == ["01234567"]


def test_bisecting_halves_a_failed_batch_until_the_poison_is_alone() -> None:
    destination = FailureDestination("sqs")
    stage = Stage(
        8,
        failing_on("5"),
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=1,
        on_failure=destination,
    )
    counted = stage.run()
    assert stage.batches == ["01234567", "0123", "4567", "45", "4", "5", "5", "67"]
    assert (counted.done, counted.discarded) == (7, {"RetryAttemptsExhausted": 1})
    assert [document["KinesisBatchInfo"]["batchSize"] for document in destination.documents] == [1]


def test_splitting_does_not_use_up_the_retry_quota() -> None:
    stage = Stage(4, failing_times(3), bisect_batch_on_function_error=True, maximum_retry_attempts=1)
    counted = stage.run()
    # 0123, 01 and 0 fail. Two of these were splits; 0 has its retry left and passes.
    assert stage.batches == ["0123", "01", "0", "0", "1", "23"]
    assert counted.done == 4


def test_bisecting_and_a_partial_answer_split_at_the_returned_number() -> None:
    stage = partial(8, "2", bisect_batch_on_function_error=True, maximum_retry_attempts=1)
    counted = stage.run()
    # The split at 2 costs no attempt. Then 2 is the first record, nothing can be split off, and AWS promises
    # no more: the records behind it share its attempts.
    assert stage.batches == ["01234567", "234567", "234567"]
    assert (counted.done, counted.discarded) == (2, {"RetryAttemptsExhausted": 6})


@pytest.mark.parametrize("retries", [0, 1, 4])
def test_a_batch_is_tried_once_more_than_maximum_retry_attempts(retries: int) -> None:
    stage = Stage(4, failing_on("1"), batch_size=2, maximum_retry_attempts=retries)
    counted = stage.run()
    assert stage.batches == ["01"] * (retries + 1) + ["23"]
    assert (counted.done, counted.discarded) == (2, {"RetryAttemptsExhausted": 2})


def test_without_an_attempt_limit_a_batch_is_retried_until_the_stream_drops_it() -> None:
    destination = FailureDestination("sqs")
    stage = Stage(1, failing_on("0"), on_failure=destination)
    counted = stage.run()
    assert counted.discarded == {"Expired": 1}
    assert stage.at[-1] < timedelta(hours=24).total_seconds()
    assert len(stage.batches) > 1400
    assert destination.documents == []


def test_records_past_the_maximum_age_are_given_up_and_younger_ones_go_on() -> None:
    destination = FailureDestination("sqs")
    stage = Stage(2, failing_times(6), maximum_record_age_in_seconds=120, on_failure=destination)
    stage.clock.advance(60)
    stage.stream.put("2", b"{}")
    counted = stage.run()
    assert counted.discarded == {"RecordAgeExceeded": 2}
    assert counted.done == 1
    assert stage.batches[0] == "012"
    assert stage.batches[-1] == "2"
    assert max(at for at, batch in zip(stage.at, stage.batches, strict=True) if batch == "012") <= 120
    (document,) = destination.documents
    assert document["requestContext"]["condition"] == "RecordAgeExceeded"
    assert document["KinesisBatchInfo"]["batchSize"] == 2


def test_records_too_old_at_the_first_read_never_reach_the_function() -> None:
    destination = FailureDestination("sns")
    stage = Stage(3, failing_on(), maximum_record_age_in_seconds=60, on_failure=destination)
    stage.clock.advance(61)
    assert stage.run().discarded == {"RecordAgeExceeded": 3}
    assert stage.batches == []
    assert destination.documents[0]["requestContext"]["approximateInvokeCount"] == 0


def test_the_destination_gets_the_metadata_of_the_batch() -> None:
    destination = FailureDestination("sqs")
    stage = Stage(3, failing_on("0"), maximum_retry_attempts=2, on_failure=destination)
    counted = stage.run()
    assert destination.documents == [
        {
            "requestContext": {
                "requestId": counted.history[-1].request_id,
                "functionArn": "arn:aws:lambda:us-east-1:111122223333:function:score",
                "condition": "RetryAttemptsExhausted",
                "approximateInvokeCount": 3,
            },
            "responseContext": {
                "statusCode": 200,
                "executedVersion": "$LATEST",
                "functionError": "Unhandled",
            },
            "version": "1.0",
            "timestamp": "2026-11-20T09:00:03.000Z",
            "KinesisBatchInfo": {
                "shardId": "shardId-000000000000",
                "startSequenceNumber": stage.numbers[0],
                "endSequenceNumber": stage.numbers[2],
                "approximateArrivalOfFirstRecord": "2026-11-20T09:00:00.000Z",
                "approximateArrivalOfLastRecord": "2026-11-20T09:00:00.000Z",
                "batchSize": 3,
                "streamArn": "arn:aws:kinesis:us-east-1:111122223333:stream/events",
            },
        }
    ]
    assert destination.objects == {}


def test_an_s3_destination_also_gets_the_event_itself_under_awss_key() -> None:
    destination = FailureDestination("s3")
    stage = Stage(2, failing_on("1"), maximum_retry_attempts=0, on_failure=destination)
    stage.run()
    ((key, body),) = destination.objects.items()
    assert key.startswith("aws/lambda/")
    assert "/shardId-000000000000/2026/11/20/2026-11-20T09.00.00-" in key
    # The payload is text in the document: a redrive parses it and hands it to the same handler.
    event = json.loads(json.loads(body)["payload"])
    stage.answer = failing_on()
    stage.handle(event, None)
    assert stage.batches[-1] == "01"


def test_a_finished_batch_can_be_delivered_again_and_counts_as_done_once() -> None:
    stage = Stage(9, failing_on(), batch_size=1, faults=Faults(duplicate_delivery=0.5))
    counted = stage.run()
    assert counted.delivered > 9
    assert counted.done == 9
    assert stage.batches == sorted(stage.batches)


def test_redeliver_falls_back_to_an_older_checkpoint_in_order() -> None:
    stage = Stage(6, failing_on(), batch_size=2)
    stage.run()
    stage.driver.redeliver("score", batches=2)
    stage.stream.put("6", b"{}")
    counted = stage.run()
    assert stage.batches == ["01", "23", "45", "23", "45", "6"]
    assert (counted.done, counted.delivered) == (7, 11)


@pytest.mark.parametrize(
    ("faults", "handled"), [(Faults(crash_before=0.5), "once"), (Faults(crash_after=0.5), "again")]
)
def test_a_kill_before_the_work_loses_it_and_a_kill_after_it_doubles_it(faults: Faults, handled: str) -> None:
    stage = Stage(20, failing_on(), batch_size=1, faults=faults)
    counted = stage.run()
    assert counted.failed > 0
    assert counted.done == 20
    assert (len(stage.batches) == 20) is (handled == "once")


@pytest.mark.parametrize("seed", range(5))
def test_under_every_fault_each_record_ends_once_and_at_least_once_with_the_handler(seed: int) -> None:
    clock = ManualClock()
    stream = KinesisStream("events", clock=clock, shards=3, seed=seed)
    driver = MappingDriver(clock=clock, seed=seed)
    seen: Counter[str] = Counter()

    def handler(event: Mapping[str, Any], _: Any) -> None:
        seen.update(record["eventID"] for record in event["Records"])
        if any(record["kinesis"]["partitionKey"] == "poison" for record in event["Records"]):
            raise ValueError("poison")

    settings = MappingSettings(
        starting_position="TRIM_HORIZON",
        batch_size=7,
        parallelization_factor=3,
        bisect_batch_on_function_error=True,
        maximum_retry_attempts=2,
        filter_criteria=({"data": {"kind": ["order"]}},),
    )
    faults = Faults(crash_before=0.02, crash_after=0.02, duplicate_delivery=0.1)
    driver.add_mapping("archive_events", stream, handler, settings, faults=faults)
    for number in range(300):
        key = "poison" if number % 50 == 7 else f"user-{number % 23}"
        stream.put(key, {"kind": "order" if number % 5 else "heartbeat"})
        if number == 150:
            stream.split(next(iter(stream.shards)))
    driver.run_until_idle()
    counted = driver.statistics("archive_events")
    assert counted.filtered == 60
    assert counted.discarded["RetryAttemptsExhausted"] >= 6
    assert counted.done + counted.filtered + counted.discarded.total() == 300
    assert len(seen) == 240
    assert max(seen.values()) > 1
