"""A batch that grew too old, or a record that was set aside, results again once the cause is fixed: nothing is missing."""

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cli.main import run
from cli.redrive import REDRIVE_MARK, Redrive, RedriveResult, _unfinished
from millrace.core.objects import Objects
from millrace.core.prefixes import REDRIVEN
from millrace.eventstore import consumers
from tests.support import events
from tests.support.lambdas import LambdaClient
from tests.support.platform import GLOBEX, LAKE, Platform, ids, platform
from tests.support.rows import pointed_at

# Several consumers may share a function.
FUNCTIONS = tuple(dict.fromkeys(one.function for one in consumers.CONSUMERS if one.redrivable))


@pytest.fixture
def giving_up(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, giving_up=True, scoring=True) as running:
        yield running


def redrive(running: Platform, stem: str, client: LambdaClient | None = None) -> Redrive:
    return Redrive(Objects(running.s3, LAKE), client or LambdaClient(running), stem=stem, function=stem)


def state(running: Platform) -> dict[str, Any]:
    """What each consumer has made, by event id."""
    raw = {
        (row["org_id"], row["event_id"])
        for body in running.objects("raw/events/").values()
        for row in pq.read_table(io.BytesIO(body)).to_pylist()
    }
    pointers = {(row["userKey"]["S"], row["sortKey"]["S"]) for row in running.rows("UserEvents")}
    sent = {message["detail"]["eventId"] for message in running.messages()}
    decided = {
        row["eventId"]["S"]
        for row in running.rows("Events")
        if row["eventType"]["S"] == "fraud.decision.made"
    }
    sets = {row["featureKey"]["S"]: len(row) for row in running.rows("FeatureStore")}
    return {"raw": raw, "pointers": pointers, "bus": sent, "decisions": decided, "sets": sets}


def outage(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every store behind the consumers is out of reach until the batches are too old."""

    def down(*_: Any, **__: Any) -> Any:
        raise ConnectionError("the store is out of reach")

    with monkeypatch.context() as broken:
        for stem in FUNCTIONS:
            broken.setitem(running.functions, stem, down)
        running.settle()


def posted(running: Platform) -> list[dict[str, Any]]:
    sent = [events.order(user=f"u{n}") for n in range(5)] + [events.transaction(user=n % 2) for n in range(5)]
    assert running.post(sent)["status"] == 202
    assert running.post([events.health_check(), events.order()], org=GLOBEX)["status"] == 202
    return sent


def test_what_an_outage_outlasted_ends_as_if_there_had_been_none(
    giving_up: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = giving_up
    posted(running)
    outage(running, monkeypatch)
    assert {len(held) for held in state(running).values()} == {0}, "nothing got through"
    for stem in FUNCTIONS:
        redriving = redrive(running, stem)
        keys = redriving.failed_batches()
        assert keys, stem
        total = redriving.run(keys, redriving.feed_batch, parallel=1)
        given_up = sum(running.driver.statistics(stem).discarded.values())
        assert total["rows"] >= given_up > 0
        assert total["different"] == 0
        assert redriving.failed_batches() == []
        assert set(running.objects(f"{REDRIVEN}{stem}/")) == {f"{REDRIVEN}{stem}/{key}" for key in keys}
    running.settle()  # the decisions that were made meanwhile are events too
    made = state(running)
    accepted = {row["eventId"]["S"] for row in running.rows("Events")}
    assert {f"{org}#{event_id}" for org, event_id in made["raw"]} == accepted
    assert len(made["decisions"]) == 5
    assert (
        len(made["pointers"]) == 16
    )  # 6 orders, 5 transactions and 5 decisions have a user, a health check has none
    assert len(made["bus"]) > 0
    later = state(running)
    assert {name: later[name] for name in later if name != "bus"} == {n: made[n] for n in made if n != "bus"}


def test_an_object_lies_where_lambda_puts_it_and_says_what_lambda_says(
    giving_up: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(giving_up)
    outage(giving_up, monkeypatch)
    mapping = giving_up.driver.mappings["project_events"].mapping_id
    keys = [key for key in giving_up.objects("aws/lambda/") if key.split("/")[2] == mapping]
    records = 0
    # The batch came back in halves, and each part that grew too old is an object.
    for key in keys:
        document = json.loads(giving_up.objects(key)[key])
        assert key.split("/")[3].startswith("shardId-")
        assert document["requestContext"]["condition"] == "RecordAgeExceeded"
        assert document["requestContext"]["functionArn"].endswith(":function:project_events")
        held = len(json.loads(document["payload"])["Records"])
        assert document["DDBStreamBatchInfo"]["batchSize"] == held
        records += held
    assert records == 12


def test_a_batch_that_fails_again_stays_and_is_counted(
    giving_up: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(giving_up)
    outage(giving_up, monkeypatch)
    redriving = redrive(giving_up, "project_events")
    keys = redriving.failed_batches()
    results: list[RedriveResult] = []
    with monkeypatch.context() as broken:
        broken.setitem(giving_up.functions, "project_events", lambda *_: 1 / 0)
        total = redriving.run(keys, redriving.feed_batch, parallel=2, progress=results.append)
    assert total == {"rows": 12, "different": 12, "batches": len(keys)}
    assert "division" in str(results[0].reason)
    assert redriving.failed_batches() == keys
    assert giving_up.objects(REDRIVEN) == {}
    assert redriving.run(keys, redriving.feed_batch, parallel=2)["different"] == 0


def test_counting_changes_nothing(giving_up: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    posted(giving_up)
    outage(giving_up, monkeypatch)
    client = LambdaClient(giving_up)
    redriving = redrive(giving_up, "archive_events", client)
    keys = redriving.failed_batches()
    assert redriving.run(keys, redriving.count, parallel=2)["rows"] >= 12
    assert redriving.failed_batches() == keys
    assert client.calls == []


def test_batches_of_a_mapping_that_a_deploy_replaced_are_found(
    giving_up: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    posted(giving_up)
    outage(giving_up, monkeypatch)
    client = LambdaClient(giving_up)
    keys = redrive(giving_up, "archive_events", client).failed_batches()
    client.forgotten = {"archive_events", "route_events"}
    assert redrive(giving_up, "archive_events", client).failed_batches() == keys


def test_a_dead_letter_comes_back_once_the_cause_is_fixed(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = [events.order(), events.order()]
    running.post(sent)
    with monkeypatch.context() as broken:
        # A fault of the code: each record raises something that is not a failing dependency.
        broken.setattr("millrace.eventstore.projection.to_pointer", lambda *_: 1 / 0)
        running.settle()
        assert running.rows("UserEvents") == []
        redriving = redrive(running, "project_events")
        keys = redriving.dead_letters()
        assert len(keys) == 2
        results: list[RedriveResult] = []
        total = redriving.run(keys, redriving.feed_dead_letter, parallel=1, progress=results.append)
        assert total == {"rows": 2, "different": 2, "batches": 2}
        assert "ZeroDivisionError" in str(results[0].reason)
        assert redriving.dead_letters() == keys
    total = redriving.run(keys, redriving.feed_dead_letter, parallel=2)
    assert total == {"rows": 2, "different": 0, "batches": 2}
    assert redriving.dead_letters() == []
    assert sorted(pointed_at(row)[1] for row in running.rows("UserEvents")) == sorted(ids(sent))
    moved = running.s3.head_object(Bucket=LAKE, Key=f"{REDRIVEN}project_events/{keys[0]}")
    assert REDRIVE_MARK in moved["Metadata"]


def test_a_dead_letter_whose_feeding_was_cut_off_is_fed_again(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.post(events.order())
    with monkeypatch.context() as broken:
        broken.setattr("millrace.eventstore.projection.to_pointer", lambda *_: 1 / 0)
        running.settle()
    redriving = redrive(running, "project_events")
    (key,) = redriving.dead_letters()
    with monkeypatch.context() as broken:

        def cut(*_: Any) -> None:
            raise KeyboardInterrupt

        broken.setattr(redriving, "_move", cut)
        with pytest.raises(KeyboardInterrupt):
            redriving.feed_dead_letter(key)
    assert redriving.dead_letters() == [key]
    assert redriving.feed_dead_letter(key) == RedriveResult(key, 1)
    assert len(running.rows("UserEvents")) == 1


def test_where_nothing_failed_there_is_nothing_to_redrive(running: Platform) -> None:
    running.post(events.order())
    running.settle()
    redriving = redrive(running, "archive_events")
    assert redriving.failed_batches() == redriving.dead_letters() == []
    assert redriving.run([], redriving.feed_batch, parallel=1) == {"rows": 0, "different": 0, "batches": 0}


class Account:
    """What the command asks of an account: stacks, their resources, and the platform's own stores."""

    env = "dev"

    def __init__(self, running: Platform, operation: str = "") -> None:
        self.running, self.operation = running, operation

    def client(self, service: str, **_: Any) -> Any:
        return {
            "s3": self.running.s3,
            "lambda": LambdaClient(self.running),
            "cloudformation": self,
            "dynamodb": self.running.dynamodb,
        }[service]

    def output(self, name: str) -> str:
        tables = {"EventsTable": "Events", "UserEventsTable": "UserEvents"}
        return {"LakeBucket": LAKE, "TypeShards": "1", **tables}[name]

    def get_paginator(self, operation: str) -> Any:
        return Account(self.running, operation)

    def paginate(self, **_: Any) -> Iterator[dict[str, Any]]:
        if self.operation == "describe_stacks":
            yield {"Stacks": [{"StackName": "millrace-dev-consumers", "StackStatus": "OK", "StackId": "1"}]}
            return
        yield {
            "StackResourceSummaries": [
                {
                    "ResourceType": "AWS::Lambda::Function",
                    "LogicalResourceId": "projecteventsFunction9AF84746",
                    "PhysicalResourceId": "project_events",
                }
            ]
        }


def test_the_command_says_what_it_did(
    giving_up: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    posted(giving_up)
    outage(giving_up, monkeypatch)
    for module in ("redrive", "rebuild"):
        monkeypatch.setattr(f"cli.commands.{module}.find_target", lambda _: Account(giving_up))

    def answered(*arguments: str) -> tuple[int, Any]:
        code = run([*arguments, "--json"])
        return code, json.loads(capsys.readouterr().out.splitlines()[-1])

    parts = len(redrive(giving_up, "project_events").failed_batches())
    counted = {"rows": 12, "different": 0, "batches": parts}
    assert answered("redrive", "project_events", "--dry-run") == (0, counted)
    with monkeypatch.context() as broken:
        broken.setitem(giving_up.functions, "project_events", lambda *_: 1 / 0)
        assert answered("redrive", "project_events") == (1, {**counted, "different": 12})
    assert answered("redrive", "project_events") == (0, counted)
    assert answered("redrive", "project_events") == (0, {"rows": 0, "different": 0, "batches": 0})
    assert run(["redrive", "project_events"]) == 0
    assert "nothing to redrive" in capsys.readouterr().out
    assert answered("redrive", "no_such_function")[0] == 2
    # The archive has written nothing yet, so every row is in the original alone; it is results then, and all are equal.
    assert answered("rebuild", "--table", "Events", "--into", "Again") == (1, {"rows": 0, "different": 12})
    redriving = redrive(giving_up, "archive_events")
    redriving.run(redriving.failed_batches(), redriving.feed_batch, parallel=1)
    assert answered("rebuild", "--table", "Events", "--into", "Again") == (0, {"rows": 12, "different": 0})
    assert answered("rebuild", "--table", "Events", "--into", "Events")[0] == 2
    assert answered("rebuild", "--table", "UserEvents", "--into", "Again")[0] == 2


@pytest.mark.parametrize(
    ("answer", "unfinished"),
    [
        (b'{"batchItemFailures": [{"itemIdentifier": "7"}]}', True),
        (b'{"batchItemFailures": []}', False),
        (b"null", False),
        (b"", False),
        (b"[]", False),
    ],
)
def test_a_batch_that_one_of_several_consumers_did_not_finish_is_not_redriven(
    answer: bytes, unfinished: bool
) -> None:
    assert _unfinished(answer) is unfinished
