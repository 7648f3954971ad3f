"""Requests that are due soon or overdue: told once to their own tenant, until they are done."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.people.deadlines import DUE, KIND, OVERDUE, Deadlines, waiting
from millrace.people.requests import DONE, FAILED, OPEN, Requests, SubjectRequest, due, new_id
from tests.support.alerting import NOON, ORG, Alerting

OTHER = "org_globex"


class World:
    """Requests and alerts on one clock."""

    def __init__(self) -> None:
        self.alerting = Alerting()
        self.requests = Requests(Table(self.alerting.dynamodb, "Metadata"))
        self.deadlines = Deadlines(self.requests, self.alerting.alerts)

    def ask(self, days_ago: float, kind: Any = "erase", org: str = ORG, subject: str = "7") -> SubjectRequest:
        """A request of so many days before noon."""
        made = request(NOON - timedelta(days=days_ago), kind, subject=subject)
        self.requests.open(org, made)
        return made

    def look(self, days: float = 0, *orgs: str) -> int:
        """As the daily job does it, so many days after noon."""
        self.alerting.now = NOON + timedelta(days=days)
        return self.deadlines.look(orgs or (ORG, OTHER), self.alerting.now, pytest.fail)

    def told(self, org: str = ORG) -> list[tuple[str, str, str]]:
        """Rule, subject and state of each alert."""
        self.alerting.track()
        found = list(self.alerting.listed(org=org))
        assert {one["kind"] for one in found} <= {KIND}
        return sorted((one["rule"], one["subject"], one["state"]) for one in found)


def request(
    at: datetime, kind: Any = "erase", state: str = OPEN, subject: str = "7", done_at: datetime | None = None
) -> SubjectRequest:
    return SubjectRequest(
        request_id=new_id(at),
        kind=kind,
        state=state,
        subject=subject,
        place="p",
        by="officer",
        reason="asked",
        received_at=clock.utc_text(at),
        due_at=due(at),
        done_at=None if done_at is None else clock.utc_text(done_at),
    )


@pytest.fixture
def world(bundle: Any) -> World:
    assert bundle.is_dir()
    return World()


def test_a_request_is_told_of_five_days_before_it_is_due_and_when_it_is(world: World) -> None:
    asked = world.ask(24.9)
    about = f"request:{asked.request_id}"
    assert (world.look(), world.told()) == (0, [])
    for day in (0.2, 1, 2):
        assert world.look(day) == 1
    assert world.told() == [(DUE, about, "raised")]
    for day in (5.2, 6, 60):
        assert world.look(day) == 1
    assert world.told() == [(DUE, about, "ended"), (OVERDUE, about, "raised")]
    assert world.told(OTHER) == []
    first, second = sorted(world.alerting.events("alert.raised"), key=lambda one: str(one["ruleId"]))
    assert (first["severity"], second["severity"], first["owner"]) == ("warning", "critical", "privacy")
    assert (first["title"], second["title"]) == (
        f"A person asked for an erasure, and it is due on {asked.due_at[:10]}",
        f"A person asked for an erasure, and it was due on {asked.due_at[:10]}",
    )
    world.requests.end(ORG, asked.request_id, DONE, NOON + timedelta(days=61))
    assert world.look(61.5) == 0
    assert world.told() == [(DUE, about, "ended"), (OVERDUE, about, "ended")]
    assert world.look(62) == 0
    assert len(world.alerting.events("alert.ended")) == 2


def test_what_is_done_in_time_or_of_another_tenant_is_told_to_nobody_else(world: World) -> None:
    done, other = world.ask(10), world.ask(26, org=OTHER)
    world.requests.end(ORG, done.request_id, DONE, NOON)
    assert world.look(17) == 1
    assert (world.told(), world.told(OTHER)) == ([], [(OVERDUE, f"request:{other.request_id}", "raised")])


def test_a_tenant_that_cannot_be_looked_at_keeps_no_other_from_it(world: World) -> None:
    world.ask(26, org=OTHER)
    said: list[str] = []

    def listed(org: str, after: str | None = None) -> Iterator[SubjectRequest]:
        if org == ORG:
            raise RetryableError("no answer")
        return read(org, after)

    read, world.requests.listed = world.requests.listed, listed  # type: ignore[method-assign]
    with pytest.raises(RetryableError, match="1 tenants"):
        world.deadlines.look((ORG, OTHER), NOON, said.append)
    assert len(said) == 1
    assert [rule for rule, *_ in world.told(OTHER)] == [DUE]


def test_a_later_request_settles_what_came_before_it() -> None:
    days = [NOON - timedelta(days=day) for day in range(6)]
    exported = request(days[0], "export", DONE, "1", NOON)
    failed = request(days[1], "export", FAILED, "1", NOON)
    correction = request(days[1], "rectify", OPEN, "1")
    erased = request(days[2], "erase", DONE, "2", NOON)
    of_erased = [request(days[3], "rectify", OPEN, "2"), request(days[4], "export", FAILED, "2", NOON)]
    stuck = request(days[5], "erase", FAILED, "3", NOON)
    newest_first = [exported, failed, correction, erased, *of_erased, stuck]
    assert list(waiting(newest_first)) == [correction, stuck]
    assert list(waiting([failed, exported])) == [failed], "what came before settles nothing"
