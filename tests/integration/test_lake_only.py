"""Events of `store: none`: straight into the log, archived and routed like any other, in no table."""

import base64
import json
from typing import Any

import pytest

from millrace.eventstore.append import AppendResult
from millrace.eventstore.append_to_log import LogAppender
from tests.integration.test_slice import archived
from tests.support import events
from tests.support.platform import ACME, Platform


def in_log(running: Platform) -> list[dict[str, Any]]:
    return [json.loads(record) for record in running.log_records()]


def test_they_are_always_accepted_and_lie_in_the_lake_alone(running: Platform) -> None:
    event = events.inference()
    mixed = [event, events.order(), events.inference(data={"payload": {}})]
    assert [r["status"] for r in running.post(mixed)["body"]["results"]] == [
        "accepted",
        "accepted",
        "rejected",
    ]
    assert running.post(event)["body"]["accepted"] == 1, "nothing remembers the id"
    assert len(running.rows("Events")) == 1
    assert running.get("/v1/events/{eventId}", eventId=event["eventId"])["status"] == 404
    for record in running.log_records():
        running.log.put("key", record)
    running.settle()
    assert archived(running)[(ACME, event["eventId"])] >= 1
    assert running.objects("dead-letters/") == {}


def test_copies_in_one_request_are_told_apart(running: Platform) -> None:
    event = events.inference()
    clash = {**event, "region": "elsewhere"}
    answer = running.post([event, event, clash])["body"]
    assert [result["status"] for result in answer["results"]] == ["accepted", "duplicate", "conflict"]
    assert len(in_log(running)) == 1


class Kinesis:
    """Takes a record at its n-th try; counts calls and what they held."""

    def __init__(self, tries: dict[str, int]) -> None:
        self.tries, self.calls = tries, list[int]()

    def put_records(self, *, StreamARN: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.calls.append(len(Records))
        answers = []
        for record in Records:
            name = json.loads(record["Data"])["dynamodb"]["NewImage"]["eventId"]["S"]
            self.tries[name] = self.tries.get(name, 1) - 1
            answers.append(
                {"ErrorCode": "ProvisionedThroughputExceededException"} if self.tries[name] > 0 else {}
            )
        return {"FailedRecordCount": 0, "Records": answers}


def rows(count: int, size: int = 10) -> list[dict[str, Any]]:
    return [{"eventId": {"S": f"org#{n:036d}"}, "body": {"B": b"x" * size}} for n in range(count)]


def test_only_failed_records_are_put_again_and_never_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("millrace.eventstore.append_to_log.FIRST_PAUSE_SECONDS", 0)
    stubborn, late = rows(3)[1]["eventId"]["S"], rows(3)[2]["eventId"]["S"]
    kinesis = Kinesis({stubborn: 99, late: 2})
    outcomes = LogAppender(kinesis, "arn").append(rows(3))
    assert outcomes == [AppendResult.ACCEPTED, AppendResult.UNAVAILABLE, AppendResult.ACCEPTED]
    assert kinesis.calls == [3, 2, 1, 1]


@pytest.mark.parametrize(
    ("count", "size", "calls"), [(500, 10, [500]), (501, 10, [500, 1]), (60, 150_000, [26, 26, 8])]
)
def test_calls_keep_to_the_limits(count: int, size: int, calls: list[int]) -> None:
    kinesis = Kinesis({})
    assert set(LogAppender(kinesis, "arn").append(rows(count, size))) == {AppendResult.ACCEPTED}
    assert kinesis.calls == calls


def test_a_direct_record_has_the_form_of_a_change_record() -> None:
    kept: list[dict[str, Any]] = []

    class Keep:
        def put_records(self, *, StreamARN: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
            kept.extend(Records)
            return {"Records": [{}] * len(Records)}

    LogAppender(Keep(), "arn").append(rows(1))
    change = json.loads(kept[0]["Data"])
    assert change["eventName"] == "INSERT"
    assert base64.b64decode(change["dynamodb"]["NewImage"]["body"]["B"]) == b"x" * 10
