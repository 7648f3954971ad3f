"""Events that came before their contract: replayed by themselves once a deploy has brought it."""

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.compiler.bundle import assemble
from millrace.core import custom_resource
from millrace.intake.waiting import EVENTS_AT_ONCE, Task
from tests.support import events
from tests.support.platform import ACME, GLOBEX, Platform

ROOT = Path(__file__).parents[2]


class Context:
    seconds = 300

    def get_remaining_time_in_millis(self) -> int:
        return self.seconds * 1000


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What CloudFormation was told."""
    messages: list[dict[str, Any]] = []
    monkeypatch.setattr(
        custom_resource,
        "_answer",
        lambda event, status, reason, data: messages.append({"status": status, "reason": reason, **data}),
    )
    return messages


def new_contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same contracts with `shop.opened` beside them."""
    schemas = tmp_path / "schemas"
    shutil.copytree(ROOT / "schemas", schemas)
    source = schemas / "events/operations/system.health.check/v1.yaml"
    target = schemas / "events/operations/shop.opened/v1.yaml"
    target.parent.mkdir()
    target.write_text(source.read_text().replace("system.health.check", "shop.opened"))
    assemble(schemas, ROOT / "warehouse", tmp_path / "bundle")
    monkeypatch.setenv("MILLRACE_BUNDLE", str(tmp_path / "bundle"))


def statuses(running: Platform, org: str) -> list[str]:
    return [item["status"] for item in running.get("/v1/quarantine", org=org)["body"]["items"]]


def replayed(running: Platform) -> int:
    """How many events all rounds have replayed, by what they wrote up."""
    audits = [row for row in running.rows("Metadata") if row.get("principal", {}).get("S") == "deploy"]
    return sum(json.loads(row["detail"]["S"]).get("replayed", 0) for row in audits)


SUCCESS = {"status": "SUCCESS", "reason": ""}


def test_what_waited_is_replayed_once_its_contract_is_there(
    running: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]
) -> None:
    waiting = {
        org: [events.health_check(eventType="shop.opened") for _ in range(3)] for org in (ACME, GLOBEX)
    }
    for org, sent in waiting.items():
        assert running.post(sent, org=org)["body"]["rejected"] == 3
    running.post([events.health_check(eventType="never.known"), events.order(payload={"totalAmount": -1})])

    running.deploy_contracts(Context())
    assert answers == [SUCCESS]
    assert running.rows("Events") == []

    new_contracts(tmp_path, monkeypatch)
    running.restart_all()
    running.deploy_contracts(Context(), request_id="deploy-2")
    for org, sent in waiting.items():
        for event in sent:
            assert running.stored(org, event["eventId"])
        assert statuses(running, org).count("replayed") == 3
    assert replayed(running) == 6
    running.deploy_contracts(Context(), request_id="deploy-3")
    assert replayed(running) == 6
    assert len(running.rows("Events")) == 6
    assert answers == [SUCCESS] * 3


def test_a_long_backlog_is_replayed_in_turns_with_that_of_others(
    running: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]
) -> None:
    many = [events.health_check(eventType="shop.opened") for _ in range(5 * EVENTS_AT_ONCE)]
    few = events.health_check(eventType="shop.opened")
    running.post(many, org=ACME)
    running.post(few, org=GLOBEX)
    new_contracts(tmp_path, monkeypatch)
    running.restart_all()
    hurried = Context()
    hurried.seconds = 30
    request = {"RequestType": "Create", "RequestId": "deploy", "LogicalResourceId": "Replayed"}
    running.invoke("replay_waiting", request, hurried)
    assert (answers, running.rows("Events")) == ([SUCCESS], [])
    for _ in range(3):
        # Who the tenants are, then a task of each.
        running.next_task(hurried)
    assert running.stored(GLOBEX, few["eventId"])
    assert statuses(running, ACME).count("replayed") == EVENTS_AT_ONCE
    while running.next_task(hurried):
        pass
    assert set(statuses(running, ACME)) == {"replayed"}


def test_a_task_that_does_not_end_goes_round_the_event_that_does_it(
    running: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]
) -> None:
    killer, after = (events.health_check(eventType="shop.opened") for _ in range(2))
    # Newest first, so the killer comes first.
    running.post(after)
    time.sleep(0.01)
    running.post(killer)
    new_contracts(tmp_path, monkeypatch)
    running.restart_all()
    from millrace.quarantine.store import QuarantineStore

    entries = QuarantineStore._entries_of

    def killed(store: Any, key: str) -> Any:
        found = entries(store, key)
        if any(one["eventId"] == killer["eventId"] for one in found.values()):
            raise MemoryError
        return found

    monkeypatch.setattr(QuarantineStore, "_entries_of", killed)
    request = {"RequestType": "Create", "RequestId": "deploy", "LogicalResourceId": "Replayed"}
    running.invoke("replay_waiting", request, Context())
    running.next_task(Context())
    task = Task("deploy", datetime.now(UTC), ACME, "unknown_type")
    record = {"body": task.to_text(), "attributes": {}}
    for delivery in (1, 2, 3):
        record["attributes"] = {"ApproximateReceiveCount": str(delivery)}
        with pytest.raises(MemoryError):
            running.invoke("replay_waiting", {"Records": [record]}, Context())
    record["attributes"] = {"ApproximateReceiveCount": "4"}
    running.sqs.purge_queue(QueueUrl=running.waiting)
    running.invoke("replay_waiting", {"Records": [record]}, Context())
    while running.next_task(Context()):
        pass
    assert running.stored(ACME, after["eventId"])
    assert sorted(statuses(running, ACME)) == ["open", "replayed"]
    assert answers == [SUCCESS]


@pytest.mark.parametrize("kind", ["Create", "Update", "Delete"])
def test_whatever_fails_the_deploy_is_answered(
    running: Platform, monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]], kind: str
) -> None:
    from millrace.intake.waiting_queue import TaskQueue

    def broken(*_: object) -> None:
        raise RuntimeError("no queue")

    monkeypatch.setattr(TaskQueue, "put", broken)
    request = {"RequestType": kind, "RequestId": "deploy", "LogicalResourceId": "Replayed"}
    running.invoke("replay_waiting", request, Context())
    assert answers == [SUCCESS]
    assert not running.next_task()


def test_a_delete_begins_nothing(running: Platform, answers: list[dict[str, Any]]) -> None:
    request = {"RequestType": "Delete", "RequestId": "deploy", "LogicalResourceId": "Replayed"}
    running.invoke("replay_waiting", request, Context())
    assert (answers, running.next_task()) == ([SUCCESS], False)
