"""Passes: two at once, one that is killed or throttled, some hours alone, and what is read and written once."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from millrace.core.identity import identity
from millrace.eventstore import receipts
from millrace.reconcile.request import Window
from tests.support import events
from tests.support.platform import ACME, GLOBEX, platform
from tests.support.reconciling import (
    Reading,
    World,
    ago,
    filled,
    folders,
    lose_object,
    lose_pointer,
    only,
    order,
    row_of,
    words,
)


@pytest.fixture
def world(bundle: Path) -> Iterator[World]:
    with platform(bundle, in_memory=True) as running:
        yield World(running)


def test_two_passes_at_once_and_one_that_is_killed(world: World) -> None:
    filled(world)
    lost = [order(4) for _ in range(30)]
    world.without_capture(lost, ACME)

    class KilledError(BaseException):
        pass

    class Dying:
        """The log takes the rows, and the pass is no more."""

        def put_records(self, **request: Any) -> Any:
            world.running.kinesis.put_records(**request)
            raise KilledError

    with pytest.raises(KilledError):
        world.look(world.made(kinesis=Dying()))
    assert not world.result(ACME, ago(4)[:10]).get("checked")
    results, identities = world.check._differences._results, [identity(one["eventId"]) for one in lost]
    repaired = results.past_repairs(ACME, ago(4)[:10], identities)
    assert {one: past.count for one, past in repaired.items()} == dict.fromkeys(identities, 1)
    # Another one begins after it, and a third beside that: the third is as far as the reading when the other repairs.
    world.later()
    other = world.made()
    read, beside = world.check._differences._results.past_repairs, list[dict[str, int]]()

    def past_repairs(*query: Any) -> Any:
        repairs = read(*query)
        if not beside:
            beside.append({})
            beside.append(words(world.look(other)))
        return repairs

    world.check._differences._results.past_repairs = past_repairs
    assert words(world.look())["repaired"] == 1
    assert beside[1]["repaired"] == 1
    assert world.carry() == 90, "the killed one's, and both others'"
    world.silver.run()
    world.later()
    last = world.look()
    assert words(last).keys() == {"equal"}
    raw = [key for key in world.running.objects("raw/events/") if ACME in key]
    assert raw


def test_a_store_that_throttles_leaves_a_tenant_s_day_and_the_next_pass_ends_equal(world: World) -> None:
    filled(world)
    world.without_capture([order(4) for _ in range(5)], ACME)

    class Throttled:
        def __init__(self, operation: str, after: int) -> None:
            self._operation, self._left = operation, after

        def __getattr__(self, name: str) -> Any:
            real = getattr(world.running.dynamodb, name)
            if name != self._operation:
                return real

            def call(**request: Any) -> Any:
                self._left -= 1
                if self._left < 0:
                    raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
                return real(**request)

            return call

    for operation in ("query", "batch_get_item", "batch_write_item"):
        for after in (0, 1, 2):
            throttled = world.look(world.made(dynamodb=Throttled(operation, after)))
            assert throttled.left, "what failed is left for another pass"
            assert "ThrottledError" in world.warned.pop()
    world.later()
    world.look()
    world.carry()
    world.silver.run()
    world.later()
    assert words(world.look()).keys() == {"equal"}


def test_a_log_that_refuses_is_warned_of_and_used_again(world: World) -> None:
    world.without_capture([order(4)], ACME)

    class Refusing:
        def put_records(self, *, Records: list[Any], **_: Any) -> Any:  # noqa: N803
            return {"Records": [{"ErrorCode": "ProvisionedThroughputExceededException"} for _ in Records]}

    assert words(world.look(world.made(kinesis=Refusing()))) == {"repaired": 1}
    assert world.warned == ["the log did not take 1 of 1 rows"]
    world.later()
    world.look()
    assert world.carry() == 1


def test_some_hours_are_compared_without_the_rest_of_their_day(world: World) -> None:
    filled(world, 60)
    event = order(3)
    world.without_capture([event, order(40)], ACME)
    read: list[str] = []
    check = world.made(s3=Reading(world, read))
    hour = int(event["timestamp"][11:13])
    day = event["timestamp"][:10]
    results = check.run(ACME, Window(day, hour, hour + 1), world.now)
    assert {result.hour for result in results} == {hour}
    assert sum(result.missing["manifest"] for result in results) == 1
    raw = [key for key in read if key.startswith("raw/")]
    assert raw
    assert all(f"day={day[8:]}/" in key for key in raw)
    kept = world.result(ACME, day)
    assert kept[f"{hour:02}#order.created"]["status"]["S"] == "repaired"
    assert ("checked" in kept) == (hour == 0)


def test_a_log_only_event_in_two_hours_is_one_event(world: World) -> None:
    event, world.days = events.inference(), 4
    day = (world.now - timedelta(days=2)).date().isoformat()
    for hour in (9, 7):
        world.running.post({**event, "timestamp": f"{day}T{hour:02}:30:00.000Z"})
        world.settle()
    assert words(world.look()) == {"equal": 1}
    # Raw has it in both hours, silver in the one that was received first.
    for hour in (7, 9):
        (result,) = world.check.run(ACME, Window(day, hour, hour + 1), world.now)
        assert result.status.word == "equal", (hour, result.differences)


def test_what_is_kept_of_an_hour_is_written_when_it_changes(world: World) -> None:
    event = order(5)
    world.running.post(event)
    world.settle()
    world.look()
    day, name = event["timestamp"][:10], f"{int(event['timestamp'][11:13]):02}#order.created"
    first = world.result(ACME, day)[name]
    assert {key: value["N"] for key, value in first["counts"]["M"].items()} == dict.fromkeys(
        ("events", "userEvents", "owned", "manifest", "raw", "silver"), "1"
    )
    world.later()
    world.look()
    assert world.result(ACME, day)[name] == first
    assert world.result(ACME, day)["checked"]["checkedAt"]["S"] > first["at"]["S"]
    lose_pointer(world, event)
    world.look()
    changed = world.result(ACME, day)[name]
    assert changed["status"]["S"] == "repaired"
    assert json.loads(changed["differences"]["S"])[0]["missing"] == ["userEvents"]
    assert int(changed["expiresAt"]["N"]) > world.now.timestamp()


def test_raw_is_read_and_pointers_are_looked_for_once(world: World) -> None:
    """A scheduled pass does so for what is new; one on demand, and one after the object has gone, does it again."""
    sent = [order(5) for _ in range(5)]
    world.running.post(sent)
    world.settle()
    pointers: list[int] = []
    read: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.running.dynamodb, name)

        def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803
            pointers.append(len(RequestItems.get("UserEvents", {}).get("Keys", [])))
            return world.running.dynamodb.batch_get_item(RequestItems=RequestItems)

    check = world.made(dynamodb=Counting(), s3=Reading(world, read))
    first = world.look(check, full=False)
    objects = len(world.running.objects("raw/events/"))
    assert (sum(pointers), folders(read)) == (5, ["raw"] * objects)
    second = world.look(check, full=False)
    assert (sum(pointers), folders(read)) == (5, ["raw"] * objects + ["reconcile"])
    assert second.to_json() == first.to_json(), "nothing is counted otherwise"
    late = order(5)
    world.running.post(late)
    world.settle()
    lose_pointer(world, late)
    hour = only(world.look(check, full=False))
    assert (hour["counts"]["userEvents"], hour["missing"]) == (5, {"userEvents": 1})
    assert folders(read).count("raw") == objects + 1, "the object of the late one alone"
    assert sum(pointers) == 7, "its pointer, under the key of today and under the one of before"
    world.later()
    assert words(world.look(check, full=False)) == {"equal": 1}
    lose_pointer(world, sent[0])
    assert words(world.look(check, full=False)) == {"equal": 1}
    assert words(world.look(check)) == {"repaired": 1}
    lose_object(world, sent[0])
    world.later()
    hour = only(world.look(check, full=False))
    assert hour["missing"]["raw"] >= 1, "a note does not say that its object is there"


def test_an_event_whose_time_is_over_is_not_missed_in_the_tables(world: World) -> None:
    event = order(5)
    world.running.post(event)
    world.settle()
    world.look(full=False)
    row = row_of(world, "Events", event)
    for table in ("Events", "UserEvents"):
        for item in world.running.rows(table):
            key = {name: item[name] for name in ("eventId", "userKey", "sortKey") if name in item}
            key = (
                {"eventId": key["eventId"]}
                if table == "Events"
                else {k: key[k] for k in ("userKey", "sortKey")}
            )
            world.running.dynamodb.delete_item(TableName=table, Key=key)
    assert words(world.look(full=False)) == {"open": 1}
    # The clock of a pass decides, be it by a note or by raw itself.
    over = datetime.fromtimestamp(int(row["expiresAt"]["N"]), UTC) + timedelta(hours=1)
    day = Window(event["timestamp"][:10])
    for full in (False, True):
        (result,) = world.check.run(ACME, day, over, full=full)
        assert (result.status.word, result.counts["raw"], result.counts["owned"]) == ("equal", 1, 0)


def test_a_tenant_s_day_that_fails_holds_up_no_other(world: World) -> None:
    event = order(5)
    for org in (ACME, GLOBEX):
        world.without_capture([event], org)
    broken = {
        "entityTypeKey": {"S": receipts.partition(ACME, receipts.MANIFEST, event["timestamp"][:10])},
        "entityId": {"S": "a row of no manifest"},
    }
    world.running.dynamodb.put_item(TableName="Metadata", Item=broken)
    report = world.look()
    assert (report.left, [one["org"] for one in report.differences]) == (1, [GLOBEX])
    assert world.warned == [f"{ACME} {event['timestamp'][:10]}: KeyError: 'ids'"]
    assert world.carry() == 1
