"""Every store against every other: an event missing in any of them is found and repaired, and nothing else is touched."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.reconcile import request
from tests.support import events
from tests.support.platform import ACME, GLOBEX, LAKE, platform
from tests.support.reconciling import (
    World,
    ago,
    break_object,
    filled,
    lose_in_silver,
    lose_manifest,
    lose_object,
    lose_pointer,
    manifest_rows,
    only,
    order,
    row_of,
    words,
)


@pytest.fixture
def world(bundle: Path) -> Iterator[World]:
    with platform(bundle, in_memory=True) as running:
        yield World(running)


def test_thousands_of_events_of_two_tenants_are_equal_everywhere(world: World) -> None:
    sent = filled(world, 510)
    report = world.look()
    answer = report.to_json()
    assert words(report) == {"equal": sum(report.hours.values())}
    stored = [event for event in sent if event["eventType"] != "ml.model.inference"]
    owned = [event for event in stored if event["eventType"] != "system.health.check"]
    distinct = {"events": len(stored), "userEvents": len(owned), "owned": len(owned)}
    lake = dict.fromkeys(("manifest", "raw", "silver"), len(sent))
    assert answer["counts"] == {name: 2 * count for name, count in {**distinct, **lake, "tiles": 0}.items()}
    assert not any(answer["missing"].values())
    assert not any(answer["events"].values())
    assert world.carry() == 0, "nothing was put anywhere"
    assert pending.read(Table(world.running.dynamodb, "Metadata")) == []


def test_what_was_stored_while_nothing_was_captured_goes_through_the_log(world: World) -> None:
    filled(world)
    gap = [
        order(4, correlationId="gap"),
        events.transaction(timestamp=ago(4)),
        events.health_check(timestamp=ago(30)),
    ]
    world.without_capture(gap, ACME)
    report = world.look()
    assert words(report)["repaired"] == 3, (report.to_json()["missing"], report.differences[:3])
    assert "open" not in words(report)
    assert report.to_json()["events"]["repaired"] == 3
    assert report.missing == {"manifest": 3, "raw": 3, "silver": 3, "userEvents": 2}
    named = {one["eventId"] for hour in report.differences for one in hour["differences"]}
    assert named == {event["eventId"] for event in gap}
    assert world.carry() == 3
    world.silver.run()
    world.later()
    second = world.look()
    assert words(second) == {"equal": sum(second.hours.values())}
    # Those that read the log beside the archive have it, too.
    routed = [json.dumps(message) for message in world.running.messages()]
    assert sum(gap[0]["eventId"] in text for text in routed) == 1
    assert row_of(world, "UserEvents", gap[0])["userKey"] == row_of(world, "Events", gap[0])["userKey"]


Plant = Callable[[World, dict[str, Any]], None]


@pytest.mark.parametrize(
    ("plant", "missing"),
    [
        (lose_pointer, {"userEvents": 1}),
        (lose_manifest, {"manifest": 1}),
        (lose_object, {"raw": 1}),
        (break_object, {"raw": 1}),
        (lose_in_silver, {"silver": 1}),
    ],
)
def test_an_event_missing_in_any_store_is_found_and_repaired(
    world: World, plant: Plant, missing: dict[str, int]
) -> None:
    filled(world)
    event = order(5)
    world.running.post(event)
    world.settle()
    assert words(world.look()).keys() == {"equal"}
    plant(world, event)
    report = world.look()
    hour = only(report)
    assert (hour["org"], hour["eventType"], hour["hour"]) == (
        ACME,
        "order.created",
        int(event["timestamp"][11:13]),
    )
    assert (hour["status"], hour["missing"]) == ("repaired", missing)
    assert [one["eventId"] for one in hour["differences"]] == [event["eventId"]]
    world.carry()
    for _ in range(2):
        # A row of the manifest without its object goes once its events are in another one; then a run can take the day.
        world.later()
        world.look()
        world.silver.run()
    world.later()
    last = world.look()
    assert words(last).keys() == {"equal"}, last.differences
    assert pending.read(Table(world.running.dynamodb, "Metadata")) == []
    assert world.carry() == 0


def test_without_receipts_an_old_day_is_compared_by_its_objects(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Receipts expire with the rows of their events; what runs are planned from stays, and shows that an object is lost."""
    event = order(5)
    world.running.post(event)
    world.settle()
    ((key, body),) = [one for one in world.running.objects("raw/").items() if "business" in one[0]]
    monkeypatch.setattr(world, "windows", lambda at: request.of_days([event["timestamp"][:10]], at))
    world.expire(95)
    assert world.running.rows("Events") == manifest_rows(world, event) == []
    report = world.look()
    assert (words(report), report.counts["manifest"]) == ({"equal": 1}, 1)
    world.running.s3.delete_object(Bucket=LAKE, Key=key)
    for known in (True, False):
        report = world.look()
        assert report.to_json()["events"]["open"] == report.missing["raw"] == 1
        assert {one["eventType"] for one in report.differences} == {"order.created" if known else "unplaced"}
        world.silver.days.clear()
    world.running.s3.put_object(Bucket=LAKE, Key=key, Body=body)
    world.look()
    world.silver.run()
    assert words(world.look()) == {"equal": 1}
    world.expire(310)
    world.running.s3.delete_object(Bucket=LAKE, Key=key)
    world.silver.days.clear()
    assert words(world.look()) == {}, "where raw has expired, nothing is compared"


def test_only_what_is_lost_is_put_into_the_log(world: World) -> None:
    sent = [order(5) for _ in range(20)]
    world.running.post(sent)
    world.settle()
    lose_object(world, sent[0])
    (row,) = manifest_rows(world, sent[0])
    together = int(row["rows"]["N"])
    assert world.look().missing == {"raw": together}
    assert world.carry() == together < 20
    event = order(6)
    world.without_capture([event], ACME)
    world.later()
    world.look()
    assert world.carry() == 1


def test_what_is_on_its_way_is_not_missing(world: World) -> None:
    filled(world)
    world.without_capture([order(3)], ACME)
    world.now = clock.now() + timedelta(minutes=10)
    report = world.look()
    assert "repaired" not in words(report)
    assert report.to_json()["events"]["settling"] == 1
    assert world.carry() == 0
    # The same event once its time is over.
    world.later()
    assert words(world.look())["repaired"] == 1


def test_an_hour_that_is_not_over_is_not_compared(world: World) -> None:
    world.without_capture([events.order()], ACME)
    world.now = clock.now()
    assert world.look().hours == {}
    world.later(2)
    assert words(world.look()) == {"repaired": 1}


def test_one_tenant_s_events_are_never_another_s(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.settle()
    world.without_capture([event], GLOBEX)
    hour = only(world.look())
    assert (hour["org"], hour["missing"]["manifest"]) == (GLOBEX, 1)
    world.carry()
    world.silver.run()
    world.later()
    assert words(world.look()).keys() == {"equal"}
