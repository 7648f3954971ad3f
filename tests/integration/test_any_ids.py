"""Ids of a tenant's own: any text where its setting says so, through the handlers, whatever the contracts say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.commands import tenants
from cli.main import run
from cli.target import Target
from millrace.core.errors import RetryableError
from millrace.core.identity import identity_text
from millrace.core.table import Table
from millrace.eventstore import tenant_ids
from tests.support import events
from tests.support.decisions import decisions
from tests.support.doors import write_key
from tests.support.platform import ACME, GLOBEX, Platform, platform

ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
TAKEN = [
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "018f3c1e-7c4a-7b3e-8d2f-9a6b5c4d3e2f",
    ULID,
    "pay/2026#7:ü",
    "x" * 128,
]
REFUSED = ["", "x" * 129, "a\nb", 7, None]


@pytest.fixture(scope="module")
def warm(bundle: Path) -> Iterator[Platform]:
    """One platform for all tests, as the deployed one is."""
    with platform(bundle, in_memory=True, scoring=True) as made:
        yield made


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions."""
    warm.empty()
    warm.restart_all()
    return warm


def let(running: Platform, ids: str, org: str = ACME) -> None:
    """The tenant's setting, and new copies of the functions: a warm one remembers the old one for a minute."""
    tenant_ids.write(Table(running.dynamodb, "Metadata"), org, ids)
    running.restart_all()


def statuses(answer: dict[str, Any]) -> list[str]:
    return [result["status"] for result in answer["body"]["results"]]


def test_a_tenant_sends_ids_of_its_own(running: Platform) -> None:
    sent = [events.order(eventId=one) for one in TAKEN]
    assert statuses(running.post(sent)) == ["rejected"] * len(TAKEN)
    let(running, tenant_ids.ANY)
    assert statuses(running.post(sent)) == ["accepted"] * len(TAKEN)
    assert statuses(running.post(sent)) == ["duplicate"] * len(TAKEN)
    assert statuses(running.post({**sent[2], "correlationId": "other"})) == ["conflict"]
    assert statuses(running.post([{**sent[0], "eventId": one} for one in REFUSED])) == ["rejected"] * 5
    assert statuses(running.post(sent, org=GLOBEX)) == ["rejected"] * len(TAKEN), (
        "the setting is of one tenant"
    )
    # What else is wrong is found as ever.
    answer = running.post(events.order(eventId="7", payload={"totalAmount": -1}))
    assert [one["pointer"] for one in answer["body"]["results"][0]["errors"]] == ["/data/payload/totalAmount"]

    running.settle()
    for one in TAKEN:
        assert running.get("/v1/events/{eventId}", eventId=identity_text(one))["body"]["eventId"] == one
        steps = running.get("/v1/events/{eventId}/trace", eventId=identity_text(one))["body"]["steps"]
        assert "archived" in [step["step"] for step in steps]


def test_what_waits_is_taken_once_the_setting_is_there(running: Platform) -> None:
    assert statuses(running.post(events.order(eventId=ULID))) == ["rejected"]
    let(running, tenant_ids.ANY)
    assert running.call("/v1/quarantine/replay", {"filter": {"all": True}})["body"]["replayed"] == 1
    assert running.stored(ACME, identity_text(ULID))
    let(running, tenant_ids.BY_CONTRACT)
    assert statuses(running.post(events.order(eventId="8"))) == ["rejected"]


def test_a_transaction_of_any_id_has_its_decision(running: Platform) -> None:
    let(running, tenant_ids.ANY)
    assert statuses(running.post(events.transaction(eventId=ULID))) == ["accepted"]
    running.settle()
    ((_, source),) = decisions(running)
    (made,) = decisions(running).values()
    assert source == ULID
    assert made.envelope["data"]["payload"]["transactionEventId"] == identity_text(ULID)


def test_where_the_setting_cannot_be_read_the_event_is_to_be_sent_again(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise RetryableError("no Metadata")

    monkeypatch.setattr(tenant_ids, "read", broken)
    assert statuses(running.post([events.order(), events.order(eventId=ULID)])) == ["accepted", "unavailable"]


def test_the_command(running: Platform, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    target = Target("local", "http://localhost:1/_aws/execute-api/a/$default", {"MetadataTable": "Metadata"})
    write_key(running)
    monkeypatch.setattr(tenants, "find_target", lambda _: target)
    monkeypatch.setattr(Target, "client", lambda *_: running.dynamodb)
    assert run(["tenants", "ids", "any", "--org", ACME]) == 0
    assert tenant_ids.read(Table(running.dynamodb, "Metadata"), ACME) == tenant_ids.ANY
    assert run(["tenants", "list", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out.splitlines()[-1])["items"]
    assert (listed["org"], listed["ids"]) == (ACME, "any")
    assert run(["tenants", "ids", "uuid4", "--org", ACME]) == 2
    assert run(["tenants", "ids", "any", "--org", "org_nobody"]) == 2
