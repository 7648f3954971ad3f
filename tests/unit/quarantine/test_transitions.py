"""An open refused event is closed once, and what a replay has claimed is not discarded."""

from datetime import UTC, datetime, timedelta

import pytest

from millrace.core import clock
from millrace.core.table import Table
from millrace.quarantine.entry import day_key, quarantine_id
from millrace.quarantine.transitions import Transitions
from tests.support.stores import MemoryDynamoDB

ORG = "org_acme"
AT = datetime(2026, 11, 21, 6, tzinfo=UTC)
ID = quarantine_id("request", 0, AT)


@pytest.fixture
def dynamodb() -> MemoryDynamoDB:
    dynamodb = MemoryDynamoDB()
    row = {"entityTypeKey": day_key(ORG, "2026-11-21"), "entityId": ID, "status": "open"}
    dynamodb.put_item(TableName="Metadata", Item={name: {"S": value} for name, value in row.items()})
    return dynamodb


@pytest.fixture
def transitions(dynamodb: MemoryDynamoDB) -> Transitions:
    return Transitions(Table(dynamodb, "Metadata"))


def status(dynamodb: MemoryDynamoDB) -> str:
    (row,) = dynamodb.tables["Metadata"].values()
    return str(row["status"]["S"])


@pytest.mark.parametrize("first", ["replayed", "discarded"])
@pytest.mark.parametrize("then", ["replayed", "discarded"])
def test_what_is_closed_stays_as_it_was_closed(
    dynamodb: MemoryDynamoDB, transitions: Transitions, first: str, then: str
) -> None:
    assert transitions.close(ORG, [ID], first, "one") == {ID}
    assert transitions.close(ORG, [ID], then, "another") == set()
    assert transitions.claim(ORG, [ID], "request", "patch") == set()
    assert status(dynamodb) == first


def test_what_is_claimed_can_be_replayed_and_not_discarded(
    dynamodb: MemoryDynamoDB, transitions: Transitions
) -> None:
    assert transitions.claim(ORG, [ID], "request", "patch") == {ID}
    assert transitions.close(ORG, [ID], "discarded", "one") == set()
    assert transitions.release(ORG, {ID: "[]"}, "another request") == set()
    assert transitions.close(ORG, [ID], "replayed", "another") == {ID}
    assert status(dynamodb) == "replayed"


def test_what_is_claimed_is_for_the_same_patch_until_its_time(
    transitions: Transitions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert transitions.claim(ORG, [ID], "first", "a patch") == {ID}
    assert transitions.claim(ORG, [ID], "second", "another patch") == set()
    assert transitions.open_ones(ORG, [ID]) == {ID}
    assert transitions.claim(ORG, [ID], "second", "a patch") == {ID}
    later = AT + timedelta(days=400)
    monkeypatch.setattr(clock, "now", lambda: later)
    assert transitions.claim(ORG, [ID], "third", "another patch") == {ID}
    assert transitions.close(ORG, [ID], "replayed", "one") == {ID}
    assert transitions.open_ones(ORG, [ID]) == set()


def test_what_is_given_back_can_be_discarded(dynamodb: MemoryDynamoDB, transitions: Transitions) -> None:
    transitions.claim(ORG, [ID], "request", "patch")
    assert transitions.release(ORG, {ID: "[]"}, "request") == {ID}
    assert transitions.close(ORG, [ID], "discarded", "one") == {ID}
    assert status(dynamodb) == "discarded"


def test_another_tenant_closes_nothing(dynamodb: MemoryDynamoDB, transitions: Transitions) -> None:
    assert transitions.close("org_globex", [ID], "discarded", "one") == set()
    assert status(dynamodb) == "open"
