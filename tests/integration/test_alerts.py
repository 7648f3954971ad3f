"""Alerts over HTTP: listed, acknowledged, muted, by those who may, and never another tenant's."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.alerts.raising import raised_id
from millrace.core import clock
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import from_item
from tests.support.alerting import ALERT, Alerting
from tests.support.patterns import Story, World
from tests.support.platform import ACME, GLOBEX, Platform, platform
from tests.support.user_ids import number_of

LIST, ACK, MUTE = "/v1/alerts", "/v1/alerts/{id}/acknowledge", "/v1/alerts/{id}/mute"


@pytest.fixture
def running(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True) as made:
        yield made


@pytest.fixture
def world(running: Platform) -> Alerting:
    """Two alerts of now."""
    made = Alerting(running.dynamodb)
    made.now = clock.now()
    made.alerts.raise_all([replace(ALERT, at=made.now, subject=f"order:{name}") for name in ("a", "b")])
    made.track()
    return made


def listed(running: Platform, org: str = ACME, **query: str) -> list[dict[str, Any]]:
    answer = running.get(LIST, org=org, query=query)
    assert answer["status"] == 200
    items: list[dict[str, Any]] = answer["body"]["items"]
    return items


def changed(running: Platform, call: str, alert: str, body: object = b"", **how: Any) -> dict[str, Any]:
    return running.call(call, body, function="change_alerts", id=alert, **how)


def test_alerts_are_listed_as_the_document_says(running: Platform, world: Alerting) -> None:
    items = listed(running)
    assert {one["subject"] for one in items} == {"order:a", "order:b"}
    assert {one["state"] for one in items} == {"raised"}
    assert items[0]["expected"] == 1
    assert items[0]["observed"] == 0
    assert items[0]["endedAt"] is items[0]["mutedUntil"] is None
    assert items[0]["raisedAt"].endswith("Z")
    assert listed(running, GLOBEX) == []
    assert listed(running, state="ended") == []
    first = running.get(LIST, query={"limit": "1"})["body"]
    second = running.get(LIST, query={"limit": "1", "cursor": first["cursor"]})["body"]
    assert first["items"] + second["items"] == items
    assert second["cursor"] is None
    assert running.get(LIST, org=GLOBEX, query={"cursor": first["cursor"]})["status"] == 400
    assert running.get(LIST, query={"state": "open"})["status"] == 400
    assert running.get(LIST, scopes="events:read")["status"] == 403


def test_an_alert_is_acknowledged_once_with_a_note_and_an_audit_line(
    running: Platform, world: Alerting
) -> None:
    alert = listed(running)[0]["alertId"]
    answer = changed(running, ACK, alert, {"note": "known"}, principal="on call")
    assert answer["status"] == 200
    body = answer["body"]
    assert (body["state"], body["acknowledgedBy"], body["note"]) == ("acknowledged", "on call", "known")
    again = changed(running, ACK, alert, principal="another")
    assert again["body"] == body
    # The stream brings the same event.
    world.track()
    assert [one["alertId"] for one in listed(running, state="acknowledged")] == [alert]
    assert len(listed(running, state="raised")) == 1
    assert len(world.events("alert.acknowledged")) == 1
    (line,) = audited(running)
    assert (line["action"]["S"], line["principal"]["S"]) == ("alerts.acknowledge", "on call")
    assert orjson.loads(line["detail"]["S"]) == {"alertId": alert, "note": "known"}


def test_of_two_who_acknowledge_at_once_one_is_named(
    running: Platform, world: Alerting, monkeypatch: pytest.MonkeyPatch
) -> None:
    alert = listed(running)[0]["alertId"]
    emit = Emitter.emit

    def overtaken(self: Emitter, events: Any, **how: Any) -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Emitter, "emit", emit)
            changed(running, ACK, alert, principal="the quicker one")
        emit(self, events, **how)

    monkeypatch.setattr(Emitter, "emit", overtaken)
    slower = changed(running, ACK, alert, principal="the slower one")["body"]
    monkeypatch.undo()
    world.track()
    (item,) = listed(running, state="acknowledged")
    assert slower["acknowledgedBy"] == item["acknowledgedBy"] == "the quicker one"
    assert changed(running, ACK, "x" * 3000)["status"] == 404


def test_the_end_of_an_alert_stands(running: Platform, world: Alerting) -> None:
    world.alerts.end(ACME, ALERT.kind, ALERT.rule, "order:a", reason="late")
    world.track()
    (ended,) = listed(running, state="ended")
    assert changed(running, ACK, ended["alertId"])["body"] == ended
    assert world.events("alert.acknowledged") == []


def test_another_tenants_alert_is_not_there(running: Platform, world: Alerting) -> None:
    alert = listed(running)[0]["alertId"]
    until = clock.utc_text(clock.now() + timedelta(hours=1))
    for call, body in ((ACK, b""), (MUTE, {"until": until, "reason": "x"})):
        assert changed(running, call, alert, body, org=GLOBEX)["status"] == 404
        assert changed(running, call, alert, body, scopes="alerts:read")["status"] == 403
        assert changed(running, call, "nothing", body)["status"] == 404
    assert {line["action"]["S"] for line in audited(running) if "action" in line} == {"access.denied"}


def test_a_mute_holds_for_alerts_alike_until_it_ends(running: Platform, world: Alerting) -> None:
    first, second = sorted(listed(running), key=lambda one: str(one["subject"]))
    until = clock.utc_text(clock.now() + timedelta(hours=1))
    muted = changed(running, MUTE, first["alertId"], {"until": until, "reason": "a move"})
    assert muted["body"]["mutedUntil"] == until
    assert mutes(running) == {"order:a": until, "order:b": None}
    whole = {"until": until, "reason": "a move", "alike": ["rule"]}
    changed(running, MUTE, second["alertId"], whole)
    assert mutes(running) == {"order:a": until, "order:b": until}
    past = clock.utc_text(clock.now() - timedelta(seconds=1))
    changed(running, MUTE, second["alertId"], {**whole, "until": past})
    assert mutes(running) == {"order:a": until, "order:b": None}
    assert [one["action"]["S"] for one in audited(running)] == ["alerts.mute"] * 3


@pytest.mark.parametrize(
    "body",
    [
        {"reason": "no end"},
        {"until": "2026-11-30T12:00:00Z"},
        {"until": "tomorrow", "reason": "x"},
        {"until": "9999-01-01T00:00:00Z", "reason": "for ever"},
        {"until": "2026-11-30T12:00:00Z", "reason": "x", "alike": ["severity"]},
        {"until": "2026-11-30T12:00:00Z", "reason": "x", "alike": []},
        {"until": "2026-11-30T12:00:00Z", "reason": ""},
        [],
    ],
)
def test_a_mute_that_is_none_is_refused(running: Platform, world: Alerting, body: object) -> None:
    alert = listed(running)[0]["alertId"]
    assert changed(running, MUTE, alert, body)["status"] == 400
    assert set(mutes(running).values()) == {None}


def mutes(running: Platform) -> dict[str, str | None]:
    return {one["subject"]: one["mutedUntil"] for one in listed(running)}


def audited(running: Platform) -> list[dict[str, Any]]:
    rows = [row for row in running.rows("Metadata") if "#audit#" in row["entityTypeKey"]["S"]]
    return sorted(rows, key=lambda row: str(row["entityId"]["S"]))


def test_alerts_of_a_user_are_those_that_follow_from_an_event_of_theirs(running: Platform) -> None:
    world, story = World(stores=running.dynamodb), Story(noon=clock.now() - timedelta(hours=1))
    world.now = story.noon
    causes = [from_item(story.order(name, at), world.codec) for name, at in (("a", 0), ("b", 1), ("c", 2))]
    theirs = from_item(story.order("d", 3, org=GLOBEX), world.codec)
    world.alerts.raise_all(
        [
            *(
                replace(ALERT, subject=f"order:{at}", at=one.happened_at, cause=one)
                for at, one in enumerate(causes)
            ),
            replace(ALERT, org=GLOBEX, at=world.now, cause=theirs),
            replace(ALERT, subject="nobody's", at=world.now),
        ]
    )
    world.track([*world.deliveries(), *world.deliveries()])
    items = listed(running, userId="usr_1")
    assert {one["subject"] for one in items} == {"order:0", "order:1", "order:2"}
    assert items == [one for one in listed(running) if one["subject"] != "nobody's"]
    assert len(listed(running, GLOBEX, userId="usr_1")) == 1
    assert listed(running, userId="usr_2") == []
    first = running.get(LIST, query={"userId": "usr_1", "limit": "2"})["body"]
    rest = running.get(LIST, query={"userId": "usr_1", "limit": "2", "cursor": first["cursor"]})["body"]
    assert first["items"] + rest["items"] == items
    world.alerts.end(ACME, ALERT.kind, ALERT.rule, "order:1", reason="late")
    world.track()
    assert [one["subject"] for one in listed(running, userId="usr_1", state="ended")] == ["order:1"]
    assert listed(running, userId="usr_1", to=clock.utc_text(story.noon - timedelta(hours=1))) == []


def test_alerts_name_users_by_their_ids(running: Platform, world: Alerting) -> None:
    """In subjects and sentences, in every answer; what is stored, audited and muted has the number."""
    number, other = number_of(running, "ann@x"), number_of(running, "ann@x", GLOBEX)
    alerts = [
        replace(
            ALERT,
            rule=f"of {one}",
            at=world.now,
            subject=f"user:{one}",
            message=f"Two of user:{one}, at once.",
        )
        for one in (number, other)
    ]
    world.alerts.raise_all(alerts)
    world.track()
    by_rule = {one["rule"]: one for one in listed(running)}
    named, foreign = by_rule[f"of {number}"], by_rule[f"of {other}"]
    assert (named["subject"], named["message"]) == ("user:ann@x", "Two of user:ann@x, at once.")
    assert foreign["subject"] == f"user:{other}", "another tenant's person is nobody's here"
    acknowledged = changed(running, ACK, named["alertId"])["body"]
    until = clock.utc_text(clock.now() + timedelta(hours=1))
    muted = changed(running, MUTE, named["alertId"], {"until": until, "reason": "x", "alike": ["subject"]})
    assert acknowledged["subject"] == muted["body"]["subject"] == "user:ann@x"
    (line,) = [row for row in audited(running) if row["action"]["S"] == "alerts.mute"]
    assert orjson.loads(line["detail"]["S"])["alike"] == {"subject": f"user:{number}"}
    assert mutes(running)["user:ann@x"] == until
    again = replace(alerts[0], rule="another", about=("again",), at=clock.now())
    world.alerts.raise_all([again])
    world.track()
    rows = [row for name in ("Analytics", "Metadata") for row in running.rows(name)]
    assert "ann@x" not in str([*rows, *world.events()])
    assert {one["mutedUntil"] for one in listed(running) if one["subject"] == "user:ann@x"} == {until}
    read = running.get("/v1/events/{eventId}", eventId=raised_id(ACME, again.alert_id))["body"]
    assert read["data"]["payload"]["subject"] == "user:ann@x"


def test_alerts_of_a_user_are_found_by_the_id_before_and_since_it_is_a_number(running: Platform) -> None:
    world, story = World(stores=running.dynamodb), Story(noon=clock.now() - timedelta(hours=1))
    world.now = story.noon
    number = number_of(running, "usr_1")
    before, since = from_item(story.order("a", 0), world.codec), from_item(story.order("b", 1), world.codec)
    since.envelope["userId"] = number
    world.alerts.raise_all(
        [
            replace(ALERT, subject=f"order:{at}", at=one.happened_at, cause=one)
            for at, one in enumerate((before, since))
        ]
    )
    world.track([*world.deliveries(), *world.deliveries()])
    found = [one["subject"] for one in listed(running, userId="usr_1")]
    assert sorted(found) == ["order:0", "order:1"]
    assert listed(running, userId=number) == [], "a number is nobody's id"
    first = running.get(LIST, query={"userId": "usr_1", "limit": "1"})["body"]
    rest = running.get(LIST, query={"userId": "usr_1", "limit": "1", "cursor": first["cursor"]})["body"]
    assert [one["subject"] for one in (*first["items"], *rest["items"])] == found
