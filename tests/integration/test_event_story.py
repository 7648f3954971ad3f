"""Events told as a story over HTTP: their order, what came from what, decisions and alerts, and what is awaited."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.api import story as stories
from millrace.contracts import registry
from millrace.core import clock
from millrace.core.table import Item
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import derived
from millrace.eventstore.row import from_item, to_item
from tests.support.patterns import Story, World
from tests.support.platform import ACME, GLOBEX, Platform, platform

LIST = "/v1/events"
CHECKOUT = "checkout-17"
PATTERN = "order_without_completion"
DECISION = "schemas/events/payments/fraud.decision.made/samples/v1.golden.json"


@pytest.fixture
def running(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True) as made:
        yield made


@pytest.fixture
def world(running: Platform) -> World:
    """Patterns and alerts over the platform's stores, at noon, which was four hours ago."""
    made = World(PATTERN, stores=running.dynamodb)
    made.now = clock.parse(clock.utc_text(clock.now() - timedelta(hours=4)))
    return made


@pytest.fixture
def story(world: World) -> Story:
    return Story(noon=world.now)


def told(running: Platform, org: str = ACME, **query: str) -> dict[str, Any]:
    scopes = query.pop("scopes", "events:read alerts:read")
    query = {"correlationId": CHECKOUT, "story": "true", **query}
    answer = running.get(LIST, org=org, query=query, scopes=scopes)
    assert answer["status"] == 200, answer
    body: dict[str, Any] = answer["body"]
    return body


def rewritten(item: Item, codec: Codec, **changes: Any) -> Item:
    """A row of an event of which a part of the envelope is another."""
    event = from_item(item, codec)
    envelope = {**event.envelope, **changes}
    contract = registry.load().find(event.event_type)
    return to_item(envelope, contract, event.fingerprint, codec)


def derived_from(item: Item, codec: Codec, cause: str) -> Item:
    platform = {**from_item(item, codec).envelope["platform"], "derivedFrom": cause}
    return rewritten(item, codec, platform=platform)


def id_of(item: Item) -> str:
    return str(item["eventId"]["S"].rpartition("#")[2])


def test_events_are_told_oldest_first_with_gaps_and_lateness(
    running: Platform, world: World, story: Story
) -> None:
    story.completed("a", 20, late=7, correlationId=CHECKOUT)
    story.order("a", 0, correlationId=CHECKOUT)
    story.tell("payment.captured", 20, {"paymentId": "p"}, correlationId=CHECKOUT)
    story.order("b", 1, correlationId="another")
    story.order("c", 1, correlationId=CHECKOUT, org=GLOBEX)
    world.append([*story.items, *story.items])
    body = told(running)
    items = body["items"]
    # Of one moment, in the order of their ids.
    assert [one["eventId"] for one in items] == [id_of(story.items[at]) for at in (1, 0, 2)]
    said = [(one["story"]["sincePreviousMs"], one["story"]["lateMs"]) for one in items]
    assert said == [(None, 0), (1_200_000, 420_000), (0, 0)]
    assert {one["story"]["cause"] for one in items} == {None}
    types = body["leftOut"].pop("types")
    assert body["leftOut"] == {"older": False, "alerts": False}
    assert types == sorted({*types})
    assert len(told(running, org=GLOBEX)["items"]) == 1
    # The envelopes are those of the list.
    listed = running.get(LIST, query={"correlationId": CHECKOUT})["body"]
    assert listed.keys() == {"items", "cursor"}
    without = [{name: value for name, value in one.items() if name != "story"} for one in items]
    by_id = {one["eventId"]: one for one in listed["items"]}
    assert without == [by_id[one["eventId"]] for one in items]


def test_a_decision_stands_with_its_transaction(running: Platform, world: World, story: Story) -> None:
    first, second = (
        story.tell("transaction.created", at, {"transaction_id": f"t{at}"}, correlationId=CHECKOUT)
        for at in (0, 1)
    )
    world.append([first, second])
    assert [one["story"]["decision"] for one in told(running)["items"]] == [None, None]
    cause, payload = (
        from_item(first, world.codec),
        json.loads(Path(DECISION).read_text())[0]["data"]["payload"],
    )
    received = clock.utc_text(world.now + timedelta(seconds=1))
    made = derived(
        "fraud", cause, "fraud.decision.made", payload, happened_at=cause.happened_at, received_at=received
    )
    world.alerts._emitter.emit([made])
    decisions = [one["story"]["decision"] for one in told(running)["items"]]
    names = ("riskClass", "score", "decidedAt")
    assert decisions == [{"eventId": made.event_id, **{name: payload[name] for name in names}}, None]


def test_what_is_awaited_becomes_an_alert_and_that_ends(
    running: Platform, world: World, story: Story
) -> None:
    world.run([story.order("a", 0, correlationId=CHECKOUT)])
    (order,) = told(running)["items"]
    until, due = (clock.utc_text(story.noon + timedelta(minutes=minutes)) for minutes in (30, 32))
    awaited = [{"pattern": PATTERN, "eventTypes": ["order.completed"], "until": until, "due": due}]
    assert order["story"]["awaits"] == awaited

    world.now = story.noon + timedelta(minutes=33)
    world.sweep()
    _, raised = told(running)["items"]
    assert raised["story"]["alert"] is None
    world.track()
    order, raised = told(running)["items"]
    assert "awaits" not in order["story"]
    assert raised["story"]["cause"] == {
        "eventId": order["eventId"],
        "eventType": "order.created",
        "timestamp": order["timestamp"],
        "elapsedMs": 33 * 60_000,
    }
    alert = raised["story"]["alert"]
    assert (alert["state"], alert["subject"], alert["mutedUntil"]) == ("raised", "order:a", None)

    running.call("/v1/alerts/{id}/acknowledge", b"", function="change_alerts", id=alert["alertId"])
    acknowledged = told(running)["items"][-1]
    assert acknowledged["eventType"] == "alert.acknowledged"
    assert acknowledged["story"]["cause"]["eventId"] == raised["eventId"]
    assert acknowledged["story"]["alert"]["state"] == "acknowledged"

    world.now = clock.now()
    world.run([story.completed("a", 50, correlationId=CHECKOUT)])
    world.track()
    items = told(running)["items"]
    states = [one["story"]["alert"]["state"] for one in items if one["eventType"].startswith("alert.")]
    assert states == ["ended"] * 3
    (ended,) = [one for one in items if one["eventType"] == "alert.ended"]
    assert ended["story"]["cause"]["eventType"] == "order.completed"


@pytest.mark.parametrize("asked", [0, 20])
def test_what_has_come_is_not_awaited_though_its_timer_is_set(
    running: Platform, world: World, story: Story, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    monkeypatch.setattr(stories, "MOST_ASKED", asked)
    for number, name in enumerate("abcd"):
        story.order(name, number, correlationId=CHECKOUT)
    # One on the page, one of another correlation, one too late.
    story.completed("a", 4, correlationId=CHECKOUT)
    story.completed("b", 5, correlationId="another")
    story.completed("c", 33, correlationId=CHECKOUT)
    world.run(story.items)
    awaiting = [number for number, one in enumerate(told(running)["items"]) if "awaits" in one["story"]]
    # The page alone does not show the second.
    assert awaiting == ([2, 3] if asked else [1, 2, 3])


def test_types_that_a_filter_does_not_find_are_named(running: Platform, world: World, story: Story) -> None:
    world.append([story.order("a", 0, correlationId=CHECKOUT)])
    types = told(running)["leftOut"]["types"]
    assert "cart.item_added" in types
    assert not {"order.created", "alert.raised"} & {*types}
    by_user = running.get(LIST, query={"userId": "usr_1", "story": "true"})["body"]["leftOut"]["types"]
    assert "alert.raised" in by_user
    assert "cart.item_added" not in by_user
    of_type = {"eventType": "order.created", "story": "true"}
    assert running.get(LIST, query=of_type)["body"]["leftOut"]["types"] == []


def test_a_pattern_s_alert_is_in_the_story_of_its_closing_event(
    running: Platform, world: World, story: Story
) -> None:
    flags = World("review_flagged_thrice", stores=running.dynamodb)
    flags.now = world.now
    first, second, closing = (
        story.flagged(number, correlationId=CHECKOUT if number == 2 else "another") for number in range(3)
    )
    # What closes it comes first.
    for one in (closing, first, second):
        flags.run([one])
    flags.track()
    # Reports themselves are in no index of correlations.
    (raised,) = told(running)["items"]
    assert raised["eventType"] == "alert.raised"
    assert raised["story"]["cause"]["eventId"] == id_of(closing)
    assert raised["story"]["alert"]["subject"] == "target:rev_1"


def test_without_the_right_to_alerts_there_are_none(running: Platform, world: World, story: Story) -> None:
    world.run([story.order("a", 0, correlationId=CHECKOUT), story.order("b", 40, correlationId=CHECKOUT)])
    world.now = story.noon + timedelta(minutes=41)
    world.sweep()
    world.track()
    assert len(told(running)["items"]) == 3
    body = told(running, scopes="events:read")
    assert [one["eventType"] for one in body["items"]] == ["order.created"] * 2
    assert not [one for one in body["items"] if one["story"].keys() & {"alert", "awaits"}]
    assert body["leftOut"] == {"older": False, "alerts": True, "types": body["leftOut"]["types"]}
    assert running.get(LIST, query={"correlationId": CHECKOUT}, scopes="alerts:read")["status"] == 403


def test_a_cause_may_be_later_elsewhere_gone_or_the_effect(
    running: Platform, world: World, story: Story
) -> None:
    later, elsewhere = story.order("a", 5, correlationId=CHECKOUT), story.order("b", 1)
    made = [story.order(name, 2, correlationId=CHECKOUT) for name in "cdef"]
    theirs = story.order("g", 1, org=GLOBEX)
    gone = "00000000-0000-4000-8000-00000000dead"
    causes = [id_of(later), id_of(elsewhere).upper(), gone, id_of(theirs)]
    rows = [derived_from(row, world.codec, cause) for row, cause in zip(made, causes, strict=True)]
    # Two that name each other, and one that names itself.
    one, other, itself = (story.order(name, 3, correlationId=CHECKOUT) for name in "hij")
    rows += [derived_from(one, world.codec, id_of(other)), derived_from(other, world.codec, id_of(one))]
    world.append([later, elsewhere, theirs, *rows, derived_from(itself, world.codec, id_of(itself))])
    by_id = {one["eventId"]: one["story"]["cause"] for one in told(running)["items"]}
    said = [by_id[id_of(row)] for row in (*made, one, other, itself)]
    assert [cause["elapsedMs"] for cause in said] == [-180_000, 60_000, None, None, 0, 0, 0]
    assert [cause["eventType"] for cause in said[:4]] == ["order.created", "order.created", None, None]


def test_a_long_story_is_paged_to_its_end(running: Platform, world: World, story: Story) -> None:
    # Six of each second.
    rows = [story.order(str(number), number // 6 / 60, correlationId=CHECKOUT) for number in range(3000)]
    world.append(reversed(rows))
    seen: list[str] = []
    gaps: list[int | None] = []
    cursor: dict[str, str] = {}
    while True:
        body = told(running, limit="500", **cursor)
        assert body["leftOut"]["older"] is False
        seen += [one["eventId"] for one in body["items"]]
        gaps += [one["story"]["sincePreviousMs"] for one in body["items"]]
        if body["cursor"] is None:
            break
        cursor = {"cursor": body["cursor"]}
    assert seen == [id_of(row) for row in rows]
    assert gaps == [None] + [1000 if number % 6 == 0 else 0 for number in range(1, 3000)]
    for query in ({"correlationId": "x"}, {"story": "false"}):
        refused = {"correlationId": CHECKOUT, "story": "true", **cursor, **query}
        assert running.get(LIST, query=refused)["status"] == 400
    part = told(running, **{"from": clock.utc_text(story.noon + timedelta(seconds=499))})
    assert [one["eventId"] for one in part["items"]] == seen[-6:]


def test_a_story_without_end_says_that_it_begins_late(
    running: Platform, world: World, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stories, "MOST_EVENTS", 4)
    rows = [story.order(str(number), number, correlationId=CHECKOUT) for number in range(5)]
    world.append(rows[:4])
    assert told(running)["leftOut"]["older"] is False
    world.append(rows[4:])
    body = told(running)
    assert [one["eventId"] for one in body["items"]] == [id_of(row) for row in rows[1:]]
    assert body["leftOut"]["older"] is True
    first = body["items"][0]["timestamp"]
    earlier = told(running, to=first)
    assert [one["eventId"] for one in earlier["items"]] == [id_of(rows[0])]


def test_keys_in_milliseconds_have_their_place(running: Platform, world: World, story: Story) -> None:
    rows = [story.order(str(number), number / 60_000, correlationId=CHECKOUT) for number in range(3)]
    # As older rows have them.
    for row in (rows[0], rows[2]):
        moment, _, name = row["sortKey"]["S"].partition("#")
        row["sortKey"] = {"S": f"{moment[:-4]}Z#{name}"}
    world.append(rows)
    first = told(running, limit="2")
    second = told(running, limit="2", cursor=first["cursor"])
    items = first["items"] + second["items"]
    assert [one["eventId"] for one in items] == [id_of(row) for row in rows]
    assert [one["story"]["sincePreviousMs"] for one in items] == [None, 1, 1]


def test_any_list_is_told(running: Platform, world: World, story: Story) -> None:
    world.append([story.order("a", 1), story.order("a", 0)])
    for query in ({"entity": "order:a"}, {"userId": "usr_1"}, {"eventType": "order.created"}):
        body = running.get(LIST, query={**query, "story": "true"})["body"]
        assert [one["eventId"] for one in body["items"]] == [id_of(story.items[at]) for at in (1, 0)]


def test_an_alert_of_a_client_is_an_event_like_any(running: Platform, world: World, story: Story) -> None:
    payload = {"alertId": "x", "kind": "k", "severity": "info", "title": "t"}
    row = story.tell("alert.raised", 1, payload, correlationId=CHECKOUT)
    world.append([row])
    (item,) = told(running, scopes="events:read")["items"]
    assert item["eventType"] == "alert.raised"
    assert "alert" not in item["story"]
