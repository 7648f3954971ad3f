"""Alerts are raised once, bounded in a storm, muted, ended; their rows do not depend on the order of events."""

from copy import deepcopy
from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from millrace.alerts import raising
from millrace.alerts.alert import STORM
from millrace.alerts.mutes import Mute
from millrace.alerts.rows import AlertTracker
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import StoredEvent
from tests.support.alerting import ALERT, NOON, ORG, Alerting

ENDED, RAISED, ACKNOWLEDGED = "alert.ended", "alert.raised", "alert.acknowledged"


@pytest.fixture
def world(bundle: Path) -> Alerting:
    assert bundle.is_dir()
    return Alerting()


def end(world: Alerting, reason: str = "late", subject: str = ALERT.subject) -> bool:
    return world.alerts.end(ORG, ALERT.kind, ALERT.rule, subject, reason=reason)


def test_an_alert_that_is_found_again_is_the_same(world: Alerting) -> None:
    for _ in range(3):
        world.alerts.raise_all([ALERT, ALERT])
        world.now += timedelta(seconds=7)
    (payload,) = world.events(RAISED)
    assert payload["alertId"] == ALERT.alert_id
    assert (payload["expected"], payload["observed"], payload["muted"]) == (1, 0, False)


def test_there_is_one_open_alert_of_a_rule_and_a_subject(world: Alerting) -> None:
    later = replace(ALERT, about=("second",), at=NOON + timedelta(minutes=29))
    after = replace(ALERT, about=("third",), at=NOON + timedelta(minutes=31))
    for alert in (ALERT, later, after, ALERT, later):
        world.alerts.raise_all([alert])
    assert {one["alertId"] for one in world.events()} == {ALERT.alert_id, after.alert_id}


def test_without_a_quiet_time_it_is_open_until_it_ends(world: Alerting) -> None:
    first = replace(ALERT, quiet=None)
    next_year = replace(first, about=("second",), at=NOON + timedelta(days=400))
    world.alerts.raise_all([first])
    world.alerts.raise_all([next_year])
    assert len(world.events(RAISED)) == 1
    assert end(world, "recovered")
    world.alerts.raise_all([next_year])
    assert len(world.events(RAISED)) == 2
    assert len(world.events(ENDED)) == 1
    assert end(world, "recovered")
    world.alerts.raise_all([replace(first, about=("found late",), at=NOON + timedelta(days=300))])
    assert len(world.events(RAISED)) == 2, "the last alert of the subject is a later one"


def test_what_ends_twice_ends_once_and_what_is_not_open_does_not_end(world: Alerting) -> None:
    assert not end(world)
    world.alerts.raise_all([ALERT])
    world.now += timedelta(minutes=5)
    assert end(world)
    assert not end(world)
    world.alerts.raise_all([ALERT])
    (payload,) = world.events(ENDED)
    assert payload["reason"] == "late"
    assert payload["endedAt"] > payload["raisedAt"]
    assert payload["owner"] == ALERT.owner
    assert not end(world), "raised again, it is not open again"


def test_a_storm_is_a_bounded_number_and_one_that_counts_the_rest(world: Alerting) -> None:
    for _ in range(2):
        world.raise_some(3000)
    world.raise_some(3001)
    payloads = world.events(RAISED)
    (storm,) = (one for one in payloads if one["kind"] == STORM)
    assert len(payloads) == raising.MOST_AN_HOUR + 1
    assert storm["expected"] == raising.MOST_AN_HOUR
    assert world.alerts.end_storms() == 0, "its hour is not over"
    world.now += timedelta(hours=1, minutes=9)
    world.raise_some(3002)
    assert world.alerts.end_storms() == 0, "alerts of its hour may still be found"
    world.now += timedelta(minutes=2)
    assert world.alerts.end_storms() == 1
    assert world.alerts.end_storms() == 0
    (ended,) = world.events(ENDED)
    assert ended["alertId"] == storm["alertId"]
    assert ended["observed"] == 3002 - raising.MOST_AN_HOUR
    world.track()
    assert [one["observed"] for one in world.listed("ended")] == [3002 - raising.MOST_AN_HOUR]
    # In the next hour the rule is heard again.
    world.alerts.raise_all([replace(ALERT, subject="order:new", at=NOON + timedelta(hours=1))])
    assert len(world.events(RAISED)) == raising.MOST_AN_HOUR + 2


def test_a_storm_of_one_rule_or_tenant_holds_back_no_other(world: Alerting) -> None:
    world.raise_some(50)
    world.raise_some(1, rule="another")
    world.raise_some(1, org="org_globex")
    payloads = world.events(RAISED)
    assert len(payloads) == raising.MOST_AN_HOUR + 1 + 2
    world.track()
    assert len(list(world.listed(org="org_globex"))) == 1


def test_what_was_held_back_ends_without_an_event(world: Alerting) -> None:
    world.raise_some(raising.MOST_AN_HOUR + 1)
    held = world.alerts.end(
        ORG, ALERT.kind, ALERT.rule, f"order:ord_{raising.MOST_AN_HOUR}", reason="late"
    ) and world.events(ENDED)
    assert held == []


@pytest.mark.parametrize("before", ["_admit", "_hold"])
def test_an_alert_that_ends_while_it_is_raised_is_held_back_or_told_and_never_both(
    world: Alerting, monkeypatch: pytest.MonkeyPatch, before: str
) -> None:
    """Another function ends it when its episode has begun, and nobody has decided yet whether it is raised."""
    world.raise_some(raising.MOST_AN_HOUR)
    original = getattr(raising.Alerts, before)

    def ended_first(alerts: raising.Alerts, opened: list[Any]) -> Any:
        assert end(world, subject="order:new")
        return original(alerts, opened)

    with monkeypatch.context() as patch:
        patch.setattr(raising.Alerts, before, ended_first)
        world.alerts.raise_all([replace(ALERT, subject="order:new")])
    assert world.events(ENDED) == []
    assert "order:new" not in {one["subject"] for one in world.events(RAISED)}
    world.now += timedelta(hours=2)
    assert world.alerts.end_storms() == 1
    (storm,) = world.events(ENDED)
    assert storm["observed"] == 1, "it is counted"


def test_an_alert_that_ends_while_it_is_raised_is_told_where_there_is_room(
    world: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.raise_some(raising.MOST_AN_HOUR - 1)
    original = raising.Alerts._admit

    def ended_first(alerts: raising.Alerts, opened: list[Any]) -> Any:
        monkeypatch.setattr(raising.Alerts, "_admit", original)
        assert end(world, subject="order:new")
        # The last place is taken, and not by the other.
        world.made().raise_all([replace(ALERT, subject="order:other")])
        return original(alerts, opened)

    monkeypatch.setattr(raising.Alerts, "_admit", ended_first)
    world.alerts.raise_all([replace(ALERT, subject="order:new")])
    raised = [one for one in world.events(RAISED) if one["kind"] != STORM]
    assert len(raised) == raising.MOST_AN_HOUR
    (new,) = (one for one in raised if one["subject"] == "order:new")
    assert [one["alertId"] for one in world.events(ENDED)] == [new["alertId"]]
    world.track()
    assert [one["subject"] for one in world.listed("ended")] == ["order:new"]


def test_a_muted_alert_is_raised_and_says_that_it_is_muted(world: Alerting) -> None:
    until = NOON + timedelta(hours=1)
    world.mutes.put(ORG, Mute(until=until, by="ops", reason="a move", rule=ALERT.rule), NOON)
    world.alerts.raise_all([ALERT, replace(ALERT, rule="another")])
    assert {one["ruleId"]: one["muted"] for one in world.events()} == {ALERT.rule: True, "another": False}
    world.now = until
    world.alerts.raise_all([replace(ALERT, subject="order:ord_2", at=until)])
    assert [one["muted"] for one in world.events() if one["subject"] == "order:ord_2"] == [False]


def test_an_alert_that_could_not_be_stored_is_raised_by_the_retry(
    world: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RetryableError("no answer")

    with monkeypatch.context() as patch:
        patch.setattr(Emitter, "emit", fail)
        with pytest.raises(RetryableError):
            world.alerts.raise_all([ALERT])
    world.now += timedelta(minutes=1)
    world.alerts.raise_all([ALERT])
    assert [one["alertId"] for one in world.events(RAISED)] == [ALERT.alert_id]


def acknowledged(world: Alerting, minutes: int, by: str) -> None:
    at = NOON + timedelta(minutes=minutes)
    payload = {"alertId": ALERT.alert_id, "acknowledgedBy": by, "acknowledgedAt": by}
    envelope = {
        "eventId": f"event-{by}",
        "eventType": ACKNOWLEDGED,
        "timestamp": clock.utc_text(at),
        "data": {"payload": payload},
        "platform": {"orgId": ORG},
    }
    world.rows.apply(StoredEvent(envelope, b"", 4_000_000_000, ""))


def test_rows_do_not_depend_on_the_order_of_events(world: Alerting) -> None:
    world.alerts.raise_all([ALERT])
    world.now += timedelta(minutes=10)
    end(world)
    raised, ended = sorted(world.deliveries(), key=lambda one: one.item["sortKey"]["S"])
    steps = [
        lambda: world.track([raised]),
        lambda: world.track([ended]),
        lambda: acknowledged(world, 5, "first"),
        lambda: acknowledged(world, 6, "second"),
        lambda: acknowledged(world, 11, "after the end"),
    ]
    before, ends = deepcopy(dict(world.dynamodb.tables["Analytics"])), []
    for order in permutations(range(len(steps))):
        world.dynamodb.tables["Analytics"].clear()
        world.dynamodb.tables["Analytics"].update(deepcopy(before))
        for at in (*order, order[0]):
            steps[at]()
        ends.append(dict(world.dynamodb.tables["Analytics"]))
    assert all(one == ends[0] for one in ends)
    (item,) = world.listed()
    assert (item["state"], item["acknowledgedBy"], item["endReason"]) == ("ended", "first", "late")


def test_what_comes_after_the_end_changes_nothing(world: Alerting) -> None:
    world.alerts.raise_all([ALERT])
    end(world)
    world.track()
    acknowledged(world, 60, "late")
    (item,) = world.listed("ended")
    assert item["acknowledgedBy"] is None
    assert list(world.listed("raised", "acknowledged")) == []


def test_alerts_are_counted_by_what_became_of_them(world: Alerting) -> None:
    counted: list[dict[str, int]] = []
    tracker = AlertTracker(
        world.rows, world.codec, registry.load().deployed, lambda counts: counted.append({**counts})
    )
    tracker.track([])
    world.raise_some(3)
    end(world, subject="order:ord_1")
    tracker.track(world.deliveries())
    assert counted == [{"AlertsRaised": 3, "AlertsEnded": 1}]


def test_an_end_without_an_alert_is_not_listed(world: Alerting) -> None:
    world.alerts.raise_all([ALERT])
    end(world)
    world.track([one for one in world.deliveries() if one.item["eventType"]["S"] == ENDED])
    assert list(world.listed()) == []
    world.track()
    assert [one["state"] for one in world.listed()] == ["ended"]


def test_a_list_has_its_pages_and_states(world: Alerting) -> None:
    for number in range(12):
        world.now = NOON + timedelta(minutes=number)
        world.alerts.raise_all([replace(ALERT, subject=f"order:{number}", at=world.now)])
    for number in (3, 4):
        end(world, subject=f"order:{number}")
    world.track()
    found: list[str] = []
    after = None
    while True:
        page = list(
            zip(range(5), world.rows.listed(ORG, ("raised", "ended"), None, None, after, 5), strict=False)
        )
        if not page:
            break
        found += [item["subject"] for _, (_, item) in page]
        after = page[-1][1][0]
    assert found == [f"order:{number}" for number in reversed(range(12))]
    assert [one["subject"] for one in world.listed("ended")] == ["order:4", "order:3"]
    since, until = NOON + timedelta(minutes=2), NOON + timedelta(minutes=5)
    some = world.rows.listed(ORG, ("raised", "ended"), since, until, None, 50)
    assert [item["subject"] for _, item in some] == ["order:4", "order:3", "order:2"]
