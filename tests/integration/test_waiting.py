"""Events that came before their contract: replayed by themselves once a deploy has brought it."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from layers.build import assemble_bundle
from millrace.contracts import registry
from millrace.core import custom_resource
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
    said: list[dict[str, Any]] = []
    monkeypatch.setattr(
        custom_resource,
        "_answer",
        lambda event, status, reason, data: said.append({"status": status, "reason": reason, **data}),
    )
    return said


def deploy(running: Platform, context: Context | None = None) -> None:
    request = {"RequestType": "Update", "RequestId": "deploy-1", "LogicalResourceId": "Replayed"}
    running.functions["replay_waiting"].handler(request, context or Context())


def new_contracts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same contracts with `shop.opened` beside them."""
    schemas = tmp_path / "schemas"
    shutil.copytree(ROOT / "schemas", schemas)
    source = schemas / "events/operations/system.health.check/v1.yaml"
    target = schemas / "events/operations/shop.opened/v1.yaml"
    target.parent.mkdir()
    target.write_text(source.read_text().replace("system.health.check", "shop.opened"))
    assemble_bundle(schemas, tmp_path / "bundle")
    monkeypatch.setenv("MILLRACE_BUNDLE", str(tmp_path / "bundle"))


def test_what_waited_is_replayed_and_the_run_reported(
    running: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]
) -> None:
    waiting = {
        org: [events.health_check(eventType="shop.opened") for _ in range(3)] for org in (ACME, GLOBEX)
    }
    for org, sent in waiting.items():
        assert running.post(sent, org=org)["body"]["rejected"] == 3
    running.post([events.health_check(eventType="never.known"), events.order(payload={"totalAmount": -1})])

    deploy(running)
    assert answers == [{"status": "SUCCESS", "reason": "", "replayed": "0", "stillFailing": "7", "left": "0"}]
    assert running.rows("Events") == []

    new_contracts(tmp_path, monkeypatch)
    deploy(running)
    assert (answers[1]["replayed"], answers[1]["stillFailing"]) == ("6", "1")
    for org, sent in waiting.items():
        for event in sent:
            assert running.stored(org, event["eventId"])
        statuses = [item["status"] for item in running.get("/v1/quarantine", org=org)["body"]["items"]]
        assert statuses.count("replayed") == 3
    audits = [row for row in running.rows("Metadata") if row.get("principal", {}).get("S") == "deploy"]
    assert {json.loads(row["detail"]["S"])["replayed"] for row in audits} >= {3}
    deploy(running)
    assert answers[2]["replayed"] == "0"
    assert len(running.rows("Events")) == 6


def test_a_failing_store_or_little_time_never_fails_the_deploy(
    running: Platform, monkeypatch: pytest.MonkeyPatch, answers: list[dict[str, Any]]
) -> None:
    running.post(events.health_check(eventType="shop.opened"))
    hurried = Context()
    hurried.seconds = 20
    deploy(running, hurried)
    assert (answers[0]["status"], answers[0]["left"]) == ("SUCCESS", "4")
    from millrace.core.errors import RetryableError
    from millrace.quarantine.store import QuarantineStore

    def broken(*_: object) -> None:
        raise RetryableError("no table")

    monkeypatch.setattr(QuarantineStore, "open", broken)
    deploy(running)
    assert answers[1]["status"] == "SUCCESS"
    assert registry.load().contracts
