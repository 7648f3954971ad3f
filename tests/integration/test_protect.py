"""What an earlier release stored in clear is rewritten in place: nothing of it is left, and nothing is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.compare import TableComparison
from cli.rebuild import Rebuild
from millrace.contracts import registry
from millrace.core import clock, keys
from millrace.core.objects import Objects
from millrace.core.table import Table
from millrace.eventstore import pending
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.privacy.identities import is_number
from tests.support import events
from tests.support.erasing import Requests
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, ids, platform
from tests.support.protecting import NUMBER, USER, clear, in_clear, protecting, raw_rows, some
from tests.support.stores import MemoryDynamoDB
from tests.support.user_ids import number_of

ONE = "/v1/events/{eventId}"
KEYS = {"Events": ("eventId",), "UserEvents": ("userKey", "sortKey")}


@pytest.fixture(scope="module")
def one(bundle: Path) -> Iterator[Platform]:
    with platform(bundle, in_memory=True, scoring=True) as made:
        yield made


@pytest.fixture
def running(one: Platform) -> Platform:
    one.empty()
    one.restart_all()
    return one


def rebuilt_differs(running: Platform, table: str) -> int:
    again = MemoryDynamoDB(like={"Again": table})
    first, second = Table(running.dynamodb, table), Table(again, "Again")
    contracts = registry.load()
    Rebuild(Objects(running.s3, LAKE), contracts, table=table, into=second, original=first).run()
    return TableComparison(Codec(contracts.dictionary), first, second, KEYS[table]).different()


def test_nothing_is_left_in_clear_and_answers_are_what_they_were(running: Platform) -> None:
    mine, theirs = some(), some()
    clear(running, mine)
    clear(running, theirs, GLOBEX)
    assert {"usr_marked", str(NUMBER)} <= {*in_clear(running)}
    told = [running.get(ONE, eventId=one["eventId"])["body"] for one in mine[:5]]
    done = protecting(running).run()
    assert in_clear(running) == []
    assert (done["events"].rewritten, done["raw"].rewritten) == (12 + 6, 12 + 6)
    running.restart_all()
    assert [running.get(ONE, eventId=one["eventId"])["body"] for one in mine[:5]] == told
    for user, expected in ((USER, mine[:2]), (str(NUMBER), mine[2:4])):
        listed = running.get("/v1/events", query={"userId": user})["body"]["items"]
        assert {*ids(one for one in listed if one["eventType"] != "fraud.decision.made")} == {*ids(expected)}
        assert {one["userId"] for one in listed} == {user}
    trace = running.get("/v1/events/{eventId}/trace", eventId=mine[0]["eventId"])["body"]
    assert {"accepted", "projected", "archived"} <= {step["step"] for step in trace["steps"]}
    for org, sent in ((ACME, mine), (GLOBEX, theirs)):
        # Events that are stored in the log only are accepted each time.
        answer = running.post([*sent[:5], sent[6]], org=org)["body"]
        assert answer["duplicates"] == 6
    changed = json.loads(json.dumps(mine[0]))
    changed["data"]["metadata"]["shippingAddress"]["street"] = "Another Street 2"
    assert running.post([changed])["body"]["conflicts"] == 1


@pytest.mark.parametrize("table", ["Events", "UserEvents"])
def test_a_table_that_is_rebuilt_from_raw_is_the_same(running: Platform, table: str) -> None:
    clear(running, some())
    protecting(running).run()
    assert rebuilt_differs(running, table) == 0


def test_raw_has_the_same_rows_in_the_same_order_under_the_same_keys(running: Platform) -> None:
    clear(running, some())
    old = running.objects("raw/")
    manifest = {row["object"]["S"]: row["rows"] for row in running.rows("Metadata") if "bytes" in row}
    protecting(running).run()
    new = running.objects("raw/")
    assert [*old] == [*new]
    hidden = {"user_id", "payload", "metadata", "fingerprint", "sealed_subject", "sealed_values"}
    for key, body in old.items():
        for one, other in zip(raw_rows([body]), raw_rows([new[key]]), strict=True):
            assert {name for name in one if one[name] != other[name]} <= hidden
    rows = [row for row in running.rows("Metadata") if "bytes" in row]
    assert {row["object"]["S"]: row["rows"] for row in rows} == manifest
    sizes = {f"s3://{LAKE}/{key}": len(body) for key, body in new.items()}
    assert all(int(row["bytes"]["N"]) == sizes[row["object"]["S"]] for row in rows)
    days = {one.day for one in pending.read(Table(running.dynamodb, "Metadata"), ACME)}
    assert days == {clock.day_text(row["event_time"]) for row in raw_rows(new.values())}


def test_a_pointer_that_a_redrive_brings_back_is_moved_by_the_next_run(running: Platform) -> None:
    clear(running, some())
    old = [row for row in running.rows("UserEvents") if keys.user_of(row["userKey"]["S"])[1] == USER]
    protecting(running).run()
    kept = running.rows("UserEvents")
    for row in old:
        running.dynamodb.put_item(TableName="UserEvents", Item=row)
    assert protecting(running).run()["pointers"].rewritten == len(old) == 2
    assert running.rows("UserEvents") == kept


def test_alerts_of_users_are_of_their_numbers(running: Platform) -> None:
    clear(running, some())
    about = {"alertId": "a-1", "kind": "pattern", "severity": "low", "title": f"for user:{USER}", "score": 1}
    for name, user in (("a-1", USER), ("a-2", None)):
        row = {
            "metricKey": f"{ACME}#alert",
            "tileKey": name,
            "raised": f"{clock.utc_micros(clock.now())}#{name}",
            "raisedPayload": json.dumps({**about, "alertId": name, "subject": f"user:{user or 'all'}"}),
            **({"userKey": keys.by_user(ACME, user)} if user else {}),
        }
        item = {part: {"S": value} for part, value in row.items()}
        running.dynamodb.put_item(TableName="Analytics", Item=item)
    assert protecting(running).run()["alerts"].rewritten == 1
    running.restart_all()
    rows = {
        row["tileKey"]["S"]: row for row in running.rows("Analytics") if row["tileKey"]["S"] in ("a-1", "a-2")
    }
    number = rows["a-1"]["userKey"]["S"].partition("#")[2]
    assert number == number_of(running, USER)
    said = json.loads(rows["a-1"]["raisedPayload"]["S"])
    assert said == {**about, "title": f"for user:{number}", "subject": f"user:{number}"}
    assert json.loads(rows["a-2"]["raisedPayload"]["S"])["subject"] == "user:all"


def test_who_was_erased_before_is_nobody_afterwards(running: Platform) -> None:
    old = [events.shipped_order(user=USER), events.order(user=USER)]
    clear(running, old)
    running.post([events.order(user=USER)])
    running.settle()
    number = Requests(running).erased(USER)["subject"]
    running.restart_all()
    assert running.rows("SubjectKeys")
    protecting(running).run()
    assert in_clear(running) == []
    codec = Codec(registry.load().dictionary)
    found = {row["eventId"]["S"]: from_item(row, codec).envelope for row in running.rows("Events")}
    made = [found[f"{ACME}#{one['eventId']}"] for one in old]
    assert {is_number(one["userId"]) for one in made} == {True}
    assert len({one["userId"] for one in made} - {number}) == 1
    assert "sealed" not in made[0]["platform"], "nobody has a key that would open it"
    assert made[0]["data"]["metadata"]["shippingAddress"]["street"] == "sealed"
    running.restart_all()
    assert running.post([old[0]])["body"]["rejected"] == 1, "and it does not come back"


def test_a_certificate_after_it_has_nothing_to_say_of_old_rows(running: Platform) -> None:
    clear(running, some())
    protecting(running).run()
    running.restart_all()
    made = Requests(running).erased(USER)["certificate"]
    assert made["verified"]["before"] == {"looked": 0}
    assert made["verified"]["events"]["looked"] == 2
    assert made["verified"]["raw"]["looked"] == 2
    running.restart_all()
    assert running.get("/v1/events", query={"userId": USER})["body"]["items"] == []
