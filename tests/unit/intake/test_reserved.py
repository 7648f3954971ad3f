"""What the platform derives is its own: no feeder can say it, under whatever source, and none of it in a replay."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.canary import events as canary
from millrace.compiler import samples
from millrace.contracts.contract import Contract
from millrace.contracts.registry import derived_types
from millrace.intake import reserved
from millrace.intake.bus import read_message
from millrace.intake.enrich import Origin
from millrace.intake.parse import Candidate
from tests.support.contracts import FILES, compiled
from tests.unit.intake.test_accept import NOW, World, codes, order, statuses

REFUSED = [("/eventType", "reserved_type")]
DERIVED = [path for path in FILES if compiled(path).derived]
OWN = {
    "alert.acknowledged",
    "alert.ended",
    "alert.raised",
    "consent.granted",
    "consent.withdrawn",
    "contract.retirement.announced",
    "fraud.decision.made",
    "ml.model.moved",
    "platform.canary.sent",
    "quality.check.failed",
}


@pytest.fixture
def world(bundle: Path) -> World:
    return World()


def golden(path: Path) -> dict[str, Any]:
    return {**samples.golden(path)[0], "timestamp": "2026-11-21T05:59:00Z"}


def test_the_contracts_say_which_types_are_the_platforms_own() -> None:
    assert {compiled(path).event_type for path in DERIVED} == OWN
    assert {c.event_type: c.tenant for c in map(compiled, DERIVED) if c.tenant} == {
        canary.EVENT_TYPE: canary.ORG
    }


@pytest.mark.parametrize("source", [None, "shop", "millrace.fraud"])
@pytest.mark.parametrize("version", [None, "1", "99", "none"])
@pytest.mark.parametrize("path", DERIVED, ids=lambda path: path.parent.name)
def test_a_client_cannot_send_one(world: World, path: Path, version: str | None, source: str | None) -> None:
    event = {key: value for key, value in golden(path).items() if key not in ("version", "eventSource")}
    if version is not None:
        event["version"] = version
    if source is not None:
        event["eventSource"] = source
    answered = world.send(order(), event, {**event, "data": {"payload": {}}}, order())
    assert statuses(answered) == ["accepted", "rejected", "rejected", "accepted"]
    assert codes(answered, 1) == codes(answered, 2) == REFUSED
    assert [entry.event_type for entry in world.kept.entries] == [event["eventType"]] * 2
    assert len(world.table.rows) == 2


@pytest.mark.parametrize("event_type", ["alert.raised", "alert.volume.fell", "alert.", "alert.x"])
def test_alerts_are_the_platforms_whether_a_contract_describes_them_or_not(
    world: World, event_type: str
) -> None:
    assert codes(world.send(order(eventType=event_type))) == REFUSED


def test_names_that_are_only_like_them_are_not(world: World) -> None:
    for event_type in ("alerts.raised", "Alert.raised", "fraud.decision.made.", "alert"):
        assert ("/eventType", "unknown_type") in codes(world.send(order(eventType=event_type)))
    (path,) = [path for path in FILES if path.parent.name == "campaign.alert_raised"]
    assert statuses(world.send(golden(path))) == ["accepted"]


def test_the_canarys_type_is_open_to_its_own_tenant_alone(world: World) -> None:
    (path,) = [path for path in FILES if path.parent.name == canary.EVENT_TYPE]
    sent = {key: value for key, value in golden(path).items() if key != "eventSource"}
    assert statuses(world.send(sent, org=canary.ORG)) == ["accepted"]
    assert codes(world.send(sent, org="org_acme")) == REFUSED
    assert codes(world.send({**sent, "eventSource": "millrace.canary"}, org=canary.ORG)) == [
        ("/eventSource", "rule")
    ]
    decision = golden(next(path for path in FILES if path.parent.name == "fraud.decision.made"))
    assert codes(world.send(decision, org=canary.ORG)) == REFUSED


@pytest.mark.parametrize("path", DERIVED, ids=lambda path: path.parent.name)
def test_a_binding_of_the_bus_brings_none(world: World, path: Path) -> None:
    event = golden(path)
    ours = {"org": "org_acme", "binding": "shop", "id": "1", "source": "millrace.intake", "detail": event}
    foreign = {
        **ours,
        "eventType": event["eventType"],
        "time": "2026-11-21T05:59:00Z",
        "detail": event["data"]["payload"],
    }
    for message in (ours, foreign):
        candidate, origin = read_message(json.dumps(message), "message-1", NOW)
        (result,) = world.intake.accept([candidate], origin)
        assert [(error.pointer, error.code) for error in result.errors] == REFUSED
    assert world.table.rows == {}


@pytest.mark.parametrize("dry_run", [True, False])
@pytest.mark.parametrize("path", DERIVED, ids=lambda path: path.parent.name)
def test_a_replay_lets_none_in_that_waited(world: World, path: Path, dry_run: bool) -> None:
    origin = Origin("org_acme", "operator", "replay-1", NOW, kind="replay")
    kept = Candidate(0, golden(path), principal="millrace.fraud")
    (result,) = world.intake.replay([kept], origin, dry_run=dry_run)
    assert [(error.pointer, error.code) for error in result.errors] == REFUSED
    assert world.table.rows == {}


@pytest.mark.parametrize("source", ["millrace.fraud", "millrace.", "MILLRACE.Quality", "millrace.x😀"])
def test_nobody_speaks_in_the_platforms_name(world: World, source: str) -> None:
    refused = [("/eventSource", "rule")]
    assert codes(world.send({**order(), "eventSource": source})) == refused
    # Nor by the name of a key, which is the source of an event that names none.
    origin = Origin("org_acme", source, "request-x", NOW)
    (result,) = world.intake.accept([Candidate(0, order())], origin)
    assert [(error.pointer, error.code) for error in result.errors] == refused
    (named,) = world.intake.accept([Candidate(0, {**order(), "eventSource": "shop"})], origin)
    assert named.errors == []


@pytest.mark.parametrize("source", ["millrace", "millrace-shop", "my.millrace.shop", "mill"])
def test_other_sources_are_anybodys(world: World, source: str) -> None:
    assert statuses(world.send({**order(), "eventSource": source})) == ["accepted"]


@pytest.mark.parametrize("event", [None, 7, [], {}, {"eventType": 7}, {"eventType": ["alert."]}])
def test_what_is_no_event_is_left_to_the_contract(world: World, event: Any) -> None:
    assert reserved.problem(event, "org_acme", "shop", world.registry) is None
    assert "reserved_type" not in [code for _, code in codes(world.send(event))]


def test_a_type_is_open_only_to_whom_all_of_its_majors_are(world: World) -> None:
    known = world.registry
    first: Contract = known.find(canary.EVENT_TYPE)
    for second, tenants in (
        (replace(first, version="2.0.0", tenant=None), set()),
        (replace(first, version="2.0.0", derived=False, tenant=None), {canary.ORG}),
    ):
        assert derived_types([first, second]) == derived_types([second, first]) == {first.event_type: tenants}
