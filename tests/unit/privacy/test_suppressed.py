"""Who is listed to be left out: by what was withdrawn, while restricted, of one tenant, and read once a minute."""

from datetime import UTC, datetime
from typing import Any

import pytest

from millrace.core.table import Table
from millrace.people.rows import PeopleRows
from millrace.privacy import listing
from millrace.privacy.consent import Statement
from millrace.privacy.person import of_user
from millrace.privacy.subjects import Subjects
from millrace.privacy.suppressed import SECONDS, Suppressed
from tests.support.stores import MemoryDynamoDB
from tests.unit.privacy.test_subjects import Clock, Keys

ACME, GLOBEX = "org_acme", "org#globex"


class World:
    def __init__(self) -> None:
        self.table, self.clock = Table(MemoryDynamoDB(), "SubjectKeys"), Clock()
        self.subjects, self.rows = Subjects(self.table, Keys()), PeopleRows(self.table, Keys())
        self.suppressed = Suppressed(self.table, self.clock)

    def number(self, org: str, user: str) -> str:
        return str(self.subjects.known_or_new(org, [of_user(user)])[of_user(user)].subject)

    def say(self, org: str, user: str, purpose: str, *, granted: bool) -> None:
        item: Any = Statement(granted, 1, "2026-11-21T06:00:00.000Z", "x").to_item()
        assert self.subjects.put_consent(org, of_user(user), purpose, item) is not None

    def restrict(self, org: str, user: str, *, restricted: bool) -> bool:
        row = self.rows.find(org, user)
        assert row is not None
        return self.rows.restrict(row, restricted=restricted)

    def left_out(self, org: str, purpose: str) -> frozenset[str]:
        return Suppressed(self.table).people(org, purpose)


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("org", [ACME, GLOBEX])
def test_who_has_withdrawn_is_left_out_of_that_purpose(world: World, org: str) -> None:
    ana, ben = world.number(org, "ana"), world.number(org, "ben")
    world.say(org, "ana", "analytics", granted=False)
    world.say(org, "ben", "model_training", granted=False)
    world.say(org, "ben", "analytics", granted=True)
    assert world.left_out(org, "analytics") == {ana}
    assert world.left_out(org, "model_training") == {ben}
    assert world.left_out(org, "training") == frozenset()
    assert world.left_out(ACME if org == GLOBEX else GLOBEX, "analytics") == frozenset()
    world.say(org, "ana", "analytics", granted=True)
    assert world.left_out(org, "analytics") == frozenset()
    assert all(
        row["listed"]["S"].startswith(ben) for row in world.table.scan(doing="look") if "listed" in row
    )


def test_who_is_restricted_is_left_out_of_all(world: World) -> None:
    ana = world.number(ACME, "ana")
    world.say(ACME, "ana", "analytics", granted=False)
    assert world.restrict(ACME, "ana", restricted=True)
    assert world.left_out(ACME, "fraud_prevention") == {ana}
    # What is said meanwhile counts when the restriction ends.
    world.say(ACME, "ana", "analytics", granted=True)
    world.say(ACME, "ana", "model_training", granted=False)
    assert world.left_out(ACME, "analytics") == {ana}
    assert world.restrict(ACME, "ana", restricted=False)
    assert world.left_out(ACME, "analytics") == frozenset()
    assert world.left_out(ACME, "model_training") == {ana}


def test_whose_key_is_deleted_is_listed_no_more(world: World) -> None:
    world.number(ACME, "ana")
    world.say(ACME, "ana", "analytics", granted=False)
    row = world.rows.find(ACME, "ana")
    assert row is not None
    assert world.rows.block(row, "r1", datetime(2026, 11, 21, tzinfo=UTC))
    world.rows.forget(ACME, row.place, row.subject, "r1")
    assert world.left_out(ACME, "analytics") == frozenset()
    assert not world.restrict(ACME, "ana", restricted=True)


def test_two_statements_at_once_both_hold(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ana = world.number(ACME, "ana")
    get = Table.get
    said: list[str] = []

    def overtaken(self: Table, *key: Any, **how: Any) -> Any:
        found = get(self, *key, **how)
        if not said:
            said.append("model_training")
            world.say(ACME, "ana", "model_training", granted=False)
        return found

    monkeypatch.setattr(Table, "get", overtaken)
    world.say(ACME, "ana", "analytics", granted=False)
    assert world.left_out(ACME, "analytics") == world.left_out(ACME, "model_training") == {ana}


def test_who_withdrew_before_there_was_a_list_is_listed_once_it_is_said_again(world: World) -> None:
    ana = world.number(ACME, "ana")
    world.say(ACME, "ana", "analytics", granted=False)
    row = world.rows.find(ACME, "ana")
    assert row is not None
    world.table.update({"subjectKey": {"S": row.place}}, "REMOVE listedKey, listed", doing="as before")
    assert world.left_out(ACME, "analytics") == frozenset()
    world.say(ACME, "ana", "analytics", granted=False)
    assert world.left_out(ACME, "analytics") == {ana}


def test_a_list_is_read_once_in_a_while(world: World) -> None:
    assert world.suppressed.people(ACME, "analytics") == frozenset()
    ana = world.number(ACME, "ana")
    world.say(ACME, "ana", "analytics", granted=False)
    assert world.suppressed.people(ACME, "analytics") == frozenset()
    world.clock.now += SECONDS
    assert world.suppressed.people(ACME, "analytics") == {ana}
    assert SECONDS <= 60, "a withdrawal holds within a minute"


def test_one_number_is_not_the_beginning_of_another() -> None:
    entries = ("12#analytics", "123#*", "4#analytics,marketing", "5#analytics_of_others")
    assert listing.of_purpose(entries, "analytics") == {"12", "123", "4"}
    assert listing.of_purpose(entries, "marketing") == {"123", "4"}
