"""Every store against every other: a hole in any of them is found and mended, and nothing else is touched."""

import json
import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from millrace.core import clock
from millrace.eventstore import failed_days, pending, receipts
from millrace.eventstore.silver import SilverReceipt, to_items
from millrace.reconcile.judge import TRIES
from millrace.reconcile.outcome import Report
from millrace.reconcile.window import Window
from tests.integration.test_lake_only import inference
from tests.support import events
from tests.support.platform import ACME, GLOBEX, LAKE, platform
from tests.support.reconciling import World


@pytest.fixture
def world(bundle: Path) -> Iterator[World]:
    with platform(bundle) as running:
        yield World(running)


def ago(hours: float) -> str:
    return events.moment(timedelta(hours=hours))


def order(hours: float = 3, **changes: Any) -> dict[str, Any]:
    return events.order(timestamp=ago(hours), **changes)


def filled(world: World, count: int = 30) -> list[dict[str, Any]]:
    """Both tenants' events over three days, some of them only in the log, delivered with duplicates; all in every store."""
    rng = random.Random(7)
    world.days = 4
    some = events.mixed(count, rng)
    lonely = [inference(timestamp=ago(rng.uniform(2, 60))) for _ in range(count // 6)]
    for org in (ACME, GLOBEX):
        for start in range(0, len(some), 400):
            assert world.running.post(some[start : start + 400], org=org)["status"] == 202
        # Without a row nothing keeps these from coming twice.
        assert world.running.post([*lonely, *lonely], org=org)["status"] == 202
    world.settle()
    return [*some, *lonely]


def words(report: Report) -> dict[str, int]:
    return {word: count for word, count in report.to_json()["cells"].items() if count}


def only(report: Report) -> dict[str, Any]:
    """The one hour that is not equal."""
    (told,) = report.told
    return told


def row_of(world: World, table: str, event: dict[str, Any], org: str = ACME) -> dict[str, Any]:
    (row,) = (
        row
        for row in world.running.rows(table)
        if event["eventId"] in row["eventId"]["S"] and row["orgId"]["S"] == org
    )
    return row


def test_thousands_of_events_of_two_tenants_are_equal_everywhere(world: World) -> None:
    sent = filled(world, 510)
    report = world.look()
    said = report.to_json()
    assert words(report) == {"equal": sum(report.cells.values())}
    stored = [event for event in sent if event["eventType"] != "ml.model.inference"]
    owned = [event for event in stored if event["eventType"] != "system.health.check"]
    distinct = {"events": len(stored), "userEvents": len(owned), "owned": len(owned)}
    lake = dict.fromkeys(("manifest", "raw", "silver"), len(sent))
    assert said["counts"] == {name: 2 * count for name, count in {**distinct, **lake}.items()}
    assert not any(said["missing"].values())
    assert not any(said["events"].values())
    assert world.carry() == 0, "nothing was put anywhere"
    assert pending.read(world.running.dynamodb, "Metadata") == []


def test_what_was_stored_while_nothing_was_captured_goes_through_the_log(world: World) -> None:
    filled(world)
    gap = [
        order(4, correlationId="gap"),
        events.transaction(timestamp=ago(4)),
        events.health_check(timestamp=ago(30)),
    ]
    world.without_capture(gap, ACME)
    found = world.look()
    assert words(found)["repaired"] == 3, (found.to_json()["missing"], found.told[:3])
    assert "open" not in words(found)
    assert found.to_json()["events"]["repaired"] == 3
    assert found.missing == {"manifest": 3, "raw": 3, "silver": 3, "userEvents": 2}
    named = {one["eventId"] for told in found.told for one in told["differences"]}
    assert named == {event["eventId"] for event in gap}
    assert world.carry() == 3
    world.silver.run()
    world.later()
    again = world.look()
    assert words(again) == {"equal": sum(again.cells.values())}
    # Those that read the log beside the archive have it, too.
    routed = [json.dumps(message) for message in world.running.messages()]
    assert sum(gap[0]["eventId"] in text for text in routed) == 1
    assert row_of(world, "UserEvents", gap[0])["userKey"]["S"] == f"{ACME}#usr_4711"


Plant = Callable[[World, dict[str, Any]], None]


def lose_pointer(world: World, event: dict[str, Any]) -> None:
    row = row_of(world, "UserEvents", event)
    key = {name: row[name] for name in ("userKey", "sortKey")}
    world.running.dynamodb.delete_item(TableName="UserEvents", Key=key)


def manifest_rows(world: World, event: dict[str, Any]) -> list[dict[str, Any]]:
    day = event["timestamp"][:10]
    name = receipts.partition(ACME, receipts.MANIFEST, day)
    wanted = bytes.fromhex(event["eventId"].replace("-", ""))
    found = (row for row in world.running.rows("Metadata") if row["entityTypeKey"]["S"] == name)
    return [row for row in found if wanted in bytes(row["ids"]["B"])]


def lose_manifest(world: World, event: dict[str, Any]) -> None:
    for row in manifest_rows(world, event):
        key = {name: row[name] for name in ("entityTypeKey", "entityId")}
        world.running.dynamodb.delete_item(TableName="Metadata", Key=key)


def lose_object(world: World, event: dict[str, Any]) -> None:
    for row in manifest_rows(world, event):
        world.running.s3.delete_object(Bucket=LAKE, Key=row["object"]["S"].split("/", 3)[3])


def break_object(world: World, event: dict[str, Any]) -> None:
    for row in manifest_rows(world, event):
        key = row["object"]["S"].split("/", 3)[3]
        world.running.s3.put_object(Bucket=LAKE, Key=key, Body=b"no Parquet at all")


def lose_in_silver(world: World, event: dict[str, Any]) -> None:
    identifier = bytes.fromhex(event["eventId"].replace("-", ""))
    del world.silver.days[ACME, event["timestamp"][:10]][event["eventType"], identifier]


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
def test_a_hole_in_any_store_is_found_and_mended(world: World, plant: Plant, missing: dict[str, int]) -> None:
    filled(world)
    event = order(5)
    world.running.post(event)
    world.settle()
    assert words(world.look()).keys() == {"equal"}
    plant(world, event)
    found = world.look()
    told = only(found)
    assert (told["org"], told["eventType"], told["hour"]) == (
        ACME,
        "order.created",
        int(event["timestamp"][11:13]),
    )
    assert (told["status"], told["missing"]) == ("repaired", missing)
    assert [one["eventId"] for one in told["differences"]] == [event["eventId"]]
    world.carry()
    for _ in range(2):
        # A row of the manifest without its object goes once its events are in another one; then a run can take the day.
        world.later()
        world.look()
        world.silver.run()
    world.later()
    last = world.look()
    assert words(last).keys() == {"equal"}, last.told
    assert pending.read(world.running.dynamodb, "Metadata") == []
    assert world.carry() == 0


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


def test_what_is_on_its_way_is_no_hole(world: World) -> None:
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


def test_an_hour_that_is_not_over_is_not_looked_at(world: World) -> None:
    world.without_capture([events.order()], ACME)
    world.now = clock.now()
    assert world.look().cells == {}
    world.later(2)
    assert words(world.look()) == {"repaired": 1}


def test_one_tenant_s_events_are_never_another_s(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.settle()
    world.without_capture([event], GLOBEX)
    told = only(world.look())
    assert (told["org"], told["missing"]["manifest"]) == (GLOBEX, 1)
    world.carry()
    world.silver.run()
    world.later()
    assert words(world.look()).keys() == {"equal"}


def test_a_dead_letter_is_a_reason_and_not_a_hole(world: World) -> None:
    """The record would be set aside again; once it is fed and archived the hour is equal."""
    event = order(3)
    world.without_capture([event], ACME)
    row = row_of(world, "Events", event)
    day = row["receivedAt"]["S"][:10]
    image = {name: {kind: _json(value) for kind, value in held.items()} for name, held in row.items()}
    record = {"eventName": "INSERT", "dynamodb": {"SequenceNumber": "1", "NewImage": image}}
    for consumer in ("archive_events", "project_events"):
        world.running.s3.put_object(
            Bucket=LAKE,
            Key=f"dead-letters/{consumer}/day={day}/table-1.json",
            Body=json.dumps({"consumer": consumer, "reason": "a fault", "record": record}).encode(),
        )
    report = world.look()
    assert words(report) == {"explained": 1}
    (difference,) = only(report)["differences"]
    assert difference["reasons"] == ["dead letter of project_events", "dead letter of archive_events"]
    assert world.carry() == 0
    for key in world.running.objects("dead-letters/"):
        world.running.s3.delete_object(Bucket=LAKE, Key=key)
    assert words(world.look()) == {"repaired": 1}


def test_what_silver_could_not_type_is_explained(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.settle()
    lose_in_silver(world, event)
    day = event["timestamp"][:10]
    table = "silver.order_created_v1"
    receipt = SilverReceipt(
        ACME, day, table, "run", ago(0), 1, "order.created/1.2.0", "1", [], dead=[event["eventId"]]
    )
    for item in to_items(receipt):
        world.running.dynamodb.put_item(TableName="Metadata", Item=item)
    assert only(world.look())["differences"][0]["reasons"] == ["silver could not type it"]
    assert pending.read(world.running.dynamodb, "Metadata") == []


def test_a_day_that_waits_for_silver_is_explained_until_it_waits_too_long(world: World) -> None:
    world.running.post(order(3))
    world.running.settle()
    assert words(world.look()) == {"explained": 1}
    world.later(8)
    told = only(world.look())
    assert (told["status"], told["open"]) == ("open", 1)


def test_a_day_that_is_set_aside_is_explained_however_long(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.running.settle()
    day, dynamodb = event["timestamp"][:10], world.running.dynamodb
    assert failed_days.set_aside(dynamodb, "Metadata", ACME, day, by="cli:ann", now=datetime.now(UTC))
    world.later(8)
    told = only(world.look())
    assert (told["status"], told["open"]) == ("explained", 0)
    assert told["differences"][0]["reasons"] == ["its day is set aside by an operator"]
    # A run that was under way has landed something else of it: nobody opens the day again.
    for row in pending.read(dynamodb, "Metadata"):
        assert pending.clear(dynamodb, "Metadata", row.org, row.day, row.token)
    assert only(world.look())["status"] == "explained"
    assert pending.read(dynamodb, "Metadata") == []


def test_a_row_of_events_that_is_gone_stays_open(world: World) -> None:
    event = order(3)
    world.running.post(event)
    world.settle()
    key = {"eventId": {"S": f"{ACME}#{event['eventId']}"}}
    world.running.dynamodb.delete_item(TableName="Events", Key=key)
    told = only(world.look())
    assert (told["status"], told["missing"]) == ("open", {"events": 1})
    assert world.carry() == 0


def test_what_only_the_log_had_and_raw_has_lost_stays_open(world: World) -> None:
    event = inference(timestamp=ago(3))
    world.running.post(event)
    world.settle()
    lose_object(world, event)
    told = only(world.look())
    assert (told["status"], told["missing"]) == ("open", {"raw": 1})
    # Without silver only the manifest knows the id, and neither its type nor its hour.
    world.silver.days.clear()
    world.now += timedelta(days=1)
    told = only(world.look())
    assert (told["eventType"], told["status"]) == ("unplaced", "open")


def test_nothing_is_repaired_for_ever(world: World) -> None:
    """The log takes the row and nothing comes of it: after the third time the hour is open, and the log is left alone."""
    event = order(3)
    world.without_capture([event], ACME)
    for _ in range(TRIES):
        assert words(world.look()) == {"repaired": 1}
        assert words(world.look()) == {"repaired": 1}, "asked again at once, it waits for what was done"
        assert len(world.running.log_records()) == _ + 1
        world.later()
    told = only(world.look())
    assert (told["status"], told["differences"][0]["reasons"][-1]) == ("open", "repaired 3 times in vain")
    assert len(world.running.log_records()) == TRIES


def test_two_passes_at_once_and_one_that_is_killed(world: World) -> None:
    filled(world)
    world.without_capture([order(4) for _ in range(30)], ACME)

    class KilledError(BaseException):
        pass

    class Dying:
        """The log takes the rows, and the pass is no more."""

        def put_records(self, **asked: Any) -> Any:
            world.running.kinesis.put_records(**asked)
            raise KilledError

    with pytest.raises(KilledError):
        world.look(world.made(kinesis=Dying()))
    assert not world.result(ACME, ago(4)[:10]).get("checked")
    # Another one begins after it, and a third beside that: the third is as far as the reading when the other repairs.
    world.later()
    other = world.made()
    read, beside = world.check._suspects._results.tried, list[dict[str, int]]()

    def tried(*asked: Any) -> Any:
        found = read(*asked)
        if not beside:
            beside.append({})
            beside.append(words(world.look(other)))
        return found

    world.check._suspects._results.tried = tried
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

            def call(**asked: Any) -> Any:
                self._left -= 1
                if self._left < 0:
                    raise ClientError({"Error": {"Code": "ThrottlingException"}}, name)
                return real(**asked)

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


def test_a_log_that_refuses_is_told_of_and_tried_again(world: World) -> None:
    world.without_capture([order(4)], ACME)

    class Refusing:
        def put_records(self, *, Records: list[Any], **_: Any) -> Any:  # noqa: N803
            return {"Records": [{"ErrorCode": "ProvisionedThroughputExceededException"} for _ in Records]}

    assert words(world.look(world.made(kinesis=Refusing()))) == {"repaired": 1}
    assert world.warned == ["the log did not take 1 of 1 rows"]
    world.later()
    world.look()
    assert world.carry() == 1


def test_some_hours_are_looked_at_without_the_rest_of_their_day(world: World) -> None:
    filled(world, 60)
    event = order(3)
    world.without_capture([event, order(40)], ACME)
    asked: list[str] = []
    read = world.check._raw._body

    def body(key: str) -> bytes | None:
        asked.append(key)
        held: bytes | None = read(key)
        return held

    world.check._raw._body = body
    hour = int(event["timestamp"][11:13])
    day = event["timestamp"][:10]
    cells = world.check.run(ACME, Window(day, hour, hour + 1), world.now)
    assert {cell.hour for cell in cells} == {hour}
    assert sum(cell.missing["manifest"] for cell in cells) == 1
    assert all(f"day={day[8:]}/" in key for key in asked)
    kept = world.result(ACME, day)
    assert kept[f"{hour:02}#order.created"]["status"]["S"] == "repaired"
    assert ("checked" in kept) == (hour == 0)


def test_a_log_only_event_in_two_hours_is_one_event_and_no_hole(world: World) -> None:
    event, world.days = inference(), 4
    day = (world.now - timedelta(days=2)).date().isoformat()
    for hour in (9, 7):
        world.running.post({**event, "timestamp": f"{day}T{hour:02}:30:00.000Z"})
        world.settle()
    assert words(world.look()) == {"equal": 1}
    # Raw has it in both hours, silver in the one that was received first.
    for hour in (7, 9):
        (cell,) = world.check.run(ACME, Window(day, hour, hour + 1), world.now)
        assert cell.status.word == "equal", (hour, cell.differences)


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
    asked: list[int] = []
    read: list[str] = []

    class Counting:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.running.dynamodb, name)

        def batch_get_item(self, *, RequestItems: dict[str, Any]) -> Any:  # noqa: N803
            asked.append(len(RequestItems.get("UserEvents", {}).get("Keys", [])))
            return world.running.dynamodb.batch_get_item(RequestItems=RequestItems)

    class Reading:
        def __getattr__(self, name: str) -> Any:
            return getattr(world.running.s3, name)

        def get_object(self, *, Bucket: str, Key: str) -> Any:  # noqa: N803
            read.append(Key.partition("/")[0])
            return world.running.s3.get_object(Bucket=Bucket, Key=Key)

    check = world.made(dynamodb=Counting(), s3=Reading())
    first = world.look(check, again=False)
    objects = len(world.running.objects("raw/events/"))
    assert (sum(asked), read) == (5, ["raw"] * objects)
    second = world.look(check, again=False)
    assert (sum(asked), read) == (5, ["raw"] * objects + ["reconcile"])
    assert second.to_json() == first.to_json(), "nothing is counted otherwise"
    late = order(5)
    world.running.post(late)
    world.settle()
    lose_pointer(world, late)
    told = only(world.look(check, again=False))
    assert (told["counts"]["userEvents"], told["missing"]) == (5, {"userEvents": 1})
    assert read.count("raw") == objects + 1, "the object of the late one alone"
    assert sum(asked) == 7, "its pointer, under the key of today and under the one of before"
    world.later()
    assert words(world.look(check, again=False)) == {"equal": 1}
    lose_pointer(world, sent[0])
    assert words(world.look(check, again=False)) == {"equal": 1}
    assert words(world.look(check)) == {"repaired": 1}
    lose_object(world, sent[0])
    world.later()
    told = only(world.look(check, again=False))
    assert told["missing"]["raw"] >= 1, "a note does not say that its object is there"


def test_an_event_whose_time_is_over_is_not_missed_in_the_tables(world: World) -> None:
    event = order(5)
    world.running.post(event)
    world.settle()
    world.look(again=False)
    row = row_of(world, "Events", event)
    for table in ("Events", "UserEvents"):
        for found in world.running.rows(table):
            key = {name: found[name] for name in ("eventId", "userKey", "sortKey") if name in found}
            key = (
                {"eventId": key["eventId"]}
                if table == "Events"
                else {k: key[k] for k in ("userKey", "sortKey")}
            )
            world.running.dynamodb.delete_item(TableName=table, Key=key)
    assert words(world.look(again=False)) == {"open": 1}
    # The clock of a pass decides, be it by a note or by raw itself.
    over = datetime.fromtimestamp(int(row["expiresAt"]["N"]), UTC) + timedelta(hours=1)
    day = Window(event["timestamp"][:10])
    for again in (False, True):
        (cell,) = world.check.run(ACME, day, over, again=again)
        assert (cell.status.word, cell.counts["raw"], cell.counts["owned"]) == ("equal", 1, 0)


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
    assert (report.left, [told["org"] for told in report.told]) == (1, [GLOBEX])
    assert world.warned == [f"{ACME} {event['timestamp'][:10]}: KeyError: 'ids'"]
    assert world.carry() == 1


def _json(value: Any) -> Any:
    import base64

    return value if isinstance(value, str) else base64.b64encode(bytes(value)).decode()
