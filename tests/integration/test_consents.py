"""Consents over the API: given, withdrawn, read, in the audit; of two tenants none sees the other's; intake reads what was said."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from millrace.contracts import registry
from millrace.core import clock
from millrace.core.table import Table
from millrace.eventstore.append import AppendResult, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.privacy import assemble
from millrace.privacy.consent import Statement, said
from millrace.privacy.subjects import ERASED, person_key
from millrace.privacy.suppressed import Suppressed
from tests.integration.test_access_api import Api
from tests.support import events
from tests.support.platform import ACME, GLOBEX, platform

PATH = "/v1/subjects/usr_4711/consents"


@pytest.fixture(scope="module")
def api(bundle: Path) -> Iterator[Api]:
    with platform(bundle) as running:
        yield Api(running)


def held(api: Api, key: str, path: str = PATH) -> dict[str, bool]:
    status, answer = api(key, "GET", path)
    assert status == 200, answer
    return {one["purpose"]: one["holds"] for one in answer["items"]}


def test_a_statement_holds_for_one_person_of_one_tenant(api: Api) -> None:
    mine, other = (api.key(org, "subjects:read", "subjects:write") for org in (ACME, GLOBEX))
    by_default = held(api, mine)
    assert (by_default["marketing"], by_default["analytics"], by_default["service"]) == (False, True, True)
    status, answer = api(mine, "PUT", f"{PATH}/marketing", {"granted": True})
    assert (status, answer["holds"], answer["statement"]["version"]) == (200, True, 1)
    assert answer["statement"]["by"].startswith(f"key of {ACME}")
    assert api(mine, "PUT", f"{PATH}/analytics", {"granted": False, "version": 1})[0] == 200
    assert held(api, mine) == {**by_default, "marketing": True, "analytics": False}
    assert held(api, other) == by_default
    assert held(api, mine, PATH.replace("4711", "4712")) == by_default
    assert api(mine, "PUT", f"{PATH}/marketing", {"granted": False})[1]["holds"] is False
    assert held(api, mine)["marketing"] is False
    lines = [
        item
        for item in Table(api.running.dynamodb, "Metadata").scan(doing="look")
        if item["entityTypeKey"]["S"] == f"{ACME}#audit#chain" and "consents.change" in str(item)
    ]
    assert len(lines) == 3
    assert "usr_4711" not in str(lines), "the audit names a person by its number"


def test_intake_reads_what_was_said(api: Api) -> None:
    key = api.key(ACME, "subjects:write")
    assert api(key, "PUT", "/v1/subjects/42/consents/marketing", {"granted": True})[0] == 200
    running = api.running
    tables = (Table(running.dynamodb, "SubjectKeys"), Table(running.dynamodb, "Metadata"))
    people = assemble.subjects(*tables, running.kms_key)
    person = people.known(ACME, ["user:42", "user:43"])
    assert set(person) == {"user:42"}, "nobody is made by a question"
    statement = said(person["user:42"].consents, "marketing")
    assert statement is not None
    assert statement.granted


def test_who_is_not_there_has_said_nothing(api: Api) -> None:
    running = api.running
    tables = (Table(running.dynamodb, "SubjectKeys"), Table(running.dynamodb, "Metadata"))
    people = assemble.subjects(*tables, running.kms_key)
    item = Statement(True, 1, "2026-11-21T06:00:00.000Z", "x").to_item()
    assert people.put_consent(ACME, "user:nobody", "marketing", item) is None
    assert people.known(ACME, ["user:nobody"]) == {}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/nothing", {"granted": True}, 404),
        ("/service", {"granted": False}, 400),
        ("/marketing", {"granted": True, "version": 9}, 400),
        ("/marketing", {"granted": "yes"}, 400),
        ("/marketing", {}, 400),
    ],
)
def test_what_cannot_be_said_is_answered(api: Api, path: str, body: object, status: int) -> None:
    key = api.key(ACME, "subjects:read", "subjects:write")
    found, problem = api(key, "PUT", f"{PATH}{path}", body)
    assert (found, problem["status"]) == (status, status)


def test_it_needs_its_right(api: Api) -> None:
    reader = api.key(ACME, "subjects:read", "events:read")
    assert api(reader, "PUT", f"{PATH}/marketing", {"granted": True})[0] == 403
    assert api(api.key(ACME, "events:read"), "GET", PATH)[0] == 403


def test_who_says_something_after_an_erasure_is_a_new_person(api: Api) -> None:
    key, running = api.key(ACME, "subjects:read", "subjects:write"), api.running
    path = "/v1/subjects/usr_gone/consents"
    assert api(key, "PUT", f"{path}/marketing", {"granted": True})[0] == 200
    table = Table(running.dynamodb, "SubjectKeys")
    people = assemble.subjects(table, Table(running.dynamodb, "Metadata"), running.kms_key)
    before = people.known(ACME, ["user:usr_gone"])["user:usr_gone"]
    place = person_key(ACME, people.secrets(ACME), "user:usr_gone")
    table.put(
        {"subjectKey": {"S": place}, "state": {"S": ERASED}, "erasedAt": {"S": "2026-11-21T06:00:00.000Z"}}
    )
    # As a function that knows nothing of the person yet.
    running.restart_all()
    assert held(api, key, path)["marketing"] is False
    assert api(key, "PUT", f"{path}/marketing", {"granted": True})[1]["holds"] is True
    fresh = assemble.subjects(table, Table(running.dynamodb, "Metadata"), running.kms_key)
    after = fresh.known(ACME, ["user:usr_gone"])["user:usr_gone"]
    assert after.subject != before.subject
    assert "marketing" in after.consents


def events_of(api: Api, org: str, user: str) -> list[dict[str, Any]]:
    """The consent events of a person, as they are stored, oldest first."""
    running, codec = api.running, Codec(registry.load().dictionary)
    tables = (Table(running.dynamodb, "SubjectKeys"), Table(running.dynamodb, "Metadata"))
    name = f"user:{user}"
    number = str(assemble.subjects(*tables, running.kms_key).known(org, [name])[name].subject)
    stored = [from_item(row, codec).envelope for row in running.rows("Events")]
    return sorted(
        (one for one in stored if one["platform"]["orgId"] == org and one.get("userId") == number),
        key=lambda one: str(one["timestamp"]),
    )


def test_each_change_is_an_event_of_the_person_and_no_name(api: Api) -> None:
    key, path = api.key(ACME, "subjects:write"), "/v1/subjects/usr_events/consents"
    said = [
        api(key, "PUT", f"{path}/{purpose}", {"granted": granted})[1]["statement"]
        for purpose, granted in (("marketing", True), ("marketing", False), ("analytics", False))
    ]
    found = events_of(api, ACME, "usr_events")
    assert [(one["eventType"], one["data"]["payload"]["purpose"]) for one in found] == [
        ("consent.granted", "marketing"),
        ("consent.withdrawn", "marketing"),
        ("consent.withdrawn", "analytics"),
    ]
    assert [one["timestamp"] for one in found] == [one["at"] for one in said]
    assert all(one["data"]["payload"]["recordedBy"].startswith("key of") for one in found)
    assert "usr_events" not in str(api.running.rows("Events")), "a person is named by the number"


def test_a_call_that_is_made_again_changes_nothing(api: Api) -> None:
    key, path = api.key(ACME, "subjects:write"), "/v1/subjects/usr_again/consents/marketing"
    first = api(key, "PUT", path, {"granted": True})[1]
    api.running.restart_all()
    assert api(key, "PUT", path, {"granted": True})[1] == first
    assert len(events_of(api, ACME, "usr_again")) == 1


def test_a_call_that_ended_before_its_event_is_completed_by_the_next(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, path = api.key(ACME, "subjects:write"), "/v1/subjects/usr_ended/consents/marketing"
    with monkeypatch.context() as patch:
        patch.setattr(TableAppender, "append", lambda _, items: [AppendResult.UNAVAILABLE for _ in items])
        assert api(key, "PUT", path, {"granted": True})[0] >= 500
    assert events_of(api, ACME, "usr_ended") == []
    api.running.restart_all()
    answer = api(key, "PUT", path, {"granted": True})[1]
    assert [one["timestamp"] for one in events_of(api, ACME, "usr_ended")] == [answer["statement"]["at"]]


def test_of_statements_at_once_the_last_one_written_is_the_newest(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of one moment, and one whose clock is behind: the moments, and so the events, have the order of the writes."""
    key, path = api.key(ACME, "subjects:read", "subjects:write"), "/v1/subjects/usr_once/consents/marketing"
    now = clock.now()
    for granted, ago in ((True, 0), (False, 0), (True, 0), (False, 5), (True, 60)):
        monkeypatch.setattr(clock, "now", lambda ago=ago: now - timedelta(seconds=ago))
        answer = api(key, "PUT", path, {"granted": granted})[1]
        assert (answer["holds"], answer["statement"]["granted"]) == (granted, granted)
    monkeypatch.undo()
    found = events_of(api, ACME, "usr_once")
    said = ["consent.granted", "consent.withdrawn", "consent.granted", "consent.withdrawn", "consent.granted"]
    assert [one["eventType"] for one in found] == said
    moments = [one["timestamp"] for one in found]
    assert moments == sorted(set(moments)), "no two are of one moment"
    api.running.restart_all()
    assert held(api, key, "/v1/subjects/usr_once/consents")["marketing"] is True


def test_a_statement_that_lost_a_race_is_behind_the_one_that_won(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the same row; the one with the earlier moment is written second, and stands."""
    key, path = api.key(ACME, "subjects:read", "subjects:write"), "/v1/subjects/usr_race/consents/marketing"
    assert api(key, "PUT", path, {"granted": True})[0] == 200
    running = api.running
    people = assemble.subjects(
        Table(running.dynamodb, "SubjectKeys"), Table(running.dynamodb, "Metadata"), running.kms_key
    )
    update, now = Table.update, clock.now()
    later = Statement(True, 2, clock.utc_text(now + timedelta(seconds=30)), "other").to_item()

    def overtaken(table: Table, *arguments: Any, **more: Any) -> bool:
        monkeypatch.setattr(Table, "update", update)
        assert people.put_consent(ACME, "user:usr_race", "marketing", later) == later
        return update(table, *arguments, **more)

    monkeypatch.setattr(Table, "update", overtaken)
    earlier = Statement(False, 1, clock.utc_text(now), "shop").to_item()
    kept = people.put_consent(ACME, "user:usr_race", "marketing", earlier)
    assert kept is not None
    assert kept["M"]["granted"] == {"BOOL": False}
    assert kept["M"]["at"]["S"] > later["M"]["at"]["S"]
    assert held(api, key, "/v1/subjects/usr_race/consents")["marketing"] is False


@pytest.mark.parametrize("erased", [False, True])
def test_a_person_is_named_by_the_id_and_not_by_the_number(api: Api, erased: bool) -> None:
    key, running = api.key(ACME, "subjects:read", "subjects:write"), api.running
    user = f"usr_numbered_{erased}"
    assert api(key, "PUT", f"/v1/subjects/{user}/consents/marketing", {"granted": True})[0] == 200
    table = Table(running.dynamodb, "SubjectKeys")
    people = assemble.subjects(table, Table(running.dynamodb, "Metadata"), running.kms_key)
    number = people.ids(ACME, [user])[user]
    if erased:
        table.delete({"subjectKey": {"S": person_key(ACME, people.secrets(ACME), f"user:{user}")}})
    path = f"/v1/subjects/{number}/consents"
    before = len(running.rows("SubjectKeys"))
    for method, where, body in (("PUT", f"{path}/marketing", {"granted": False}), ("GET", path, None)):
        status, problem = api(key, method, where, body)
        assert status == 400
        assert "name the user by the id" in problem["detail"]
    assert len(running.rows("SubjectKeys")) == before, "nobody is made under a number"
    # What only looks like one is an id as any other; of another tenant it is nobody's number.
    other = api.key(GLOBEX, "subjects:read", "subjects:write")
    assert api(other, "PUT", f"{path}/marketing", {"granted": True})[0] == 200


def test_a_shipped_contract_heeds_what_was_said(api: Api) -> None:
    key, reader = api.key(ACME, "subjects:write", "events:write"), api.key(ACME, "events:read")
    for user, granted in (("usr_yes", True), ("usr_no", False)):
        path = f"/v1/subjects/{user}/consents/marketing"
        assert api(key, "PUT", path, {"granted": granted})[0] == 200
    api.running.restart_all()
    users = ("usr_yes", "usr_no", "usr_silent")
    events = [
        {
            "eventId": str(uuid4()),
            "eventType": "user.profile_updated",
            "timestamp": clock.utc_text(clock.now()),
            "data": {"payload": {"userId": user, "segment": "new", "marketingTopics": ["offers"]}},
        }
        for user in users
    ]
    status, answer = api(key, "POST", "/v1/events", events)
    assert status == 202, answer
    masked = ["/data/payload/marketingTopics"]
    assert [one.get("masked", []) for one in answer["results"]] == [[], masked, masked]
    stored = [api(reader, "GET", f"/v1/events/{one['eventId']}")[1]["data"]["payload"] for one in events]
    assert [one.get("marketingTopics") for one in stored] == [["offers"], None, None]
    assert {one["segment"] for one in stored} == {"new"}


def test_reads_know_who_has_withdrawn_and_who_is_restricted(api: Api) -> None:
    """As the index of the real table has it, of one tenant, until it is said otherwise."""
    key, running = api.key(ACME, "subjects:read", "subjects:write"), api.running
    table = Table(running.dynamodb, "SubjectKeys")

    def left_out(org: str, purpose: str) -> frozenset[str]:
        return Suppressed(table).people(org, purpose)

    before, path = left_out(ACME, "model_training"), "/v1/subjects/usr_left"
    assert api(key, "PUT", f"{path}/consents/model_training", {"granted": False})[0] == 200
    (number,) = left_out(ACME, "model_training") - before
    assert number not in left_out(ACME, "analytics")
    assert left_out(GLOBEX, "model_training") == frozenset()
    assert api(key, "PUT", f"{path}/restriction", {"reason": "asked"})[0] == 200
    assert number in left_out(ACME, "analytics")
    assert api(key, "DELETE", f"{path}/restriction", None)[0] == 200
    assert number not in left_out(ACME, "analytics")
    assert api(key, "PUT", f"{path}/consents/model_training", {"granted": True})[0] == 200
    assert left_out(ACME, "model_training") == before
    items = [row for row in table.scan(doing="look") if row.get("listed", {}).get("S", "").startswith(number)]
    assert items == []


def test_events_of_a_person_have_the_number_that_reads_leave_out(api: Api) -> None:
    """Intake, consents and the list call a person the same; the API calls them by their id."""
    key = api.key(ACME, "subjects:write", "events:write", "events:read")
    order = events.order(user="usr_same", userId="usr_same")
    assert api(key, "POST", "/v1/events", order)[0] == 202
    assert api(key, "PUT", "/v1/subjects/usr_same/consents/analytics", {"granted": False})[0] == 200
    codec = Codec(registry.load().dictionary)
    stored = [from_item(row, codec).envelope for row in api.running.rows("Events")]
    number = next(one["userId"] for one in stored if one["eventId"] == order["eventId"])
    table = Table(api.running.dynamodb, "SubjectKeys")
    assert number in Suppressed(table).people(ACME, "analytics")
    answer = api(key, "GET", "/v1/events?userId=usr_same")[1]
    found = {one["eventType"]: one for one in answer["items"]}
    assert set(found) == {"order.created", "consent.withdrawn"}
    assert {one["userId"] for one in found.values()} == {"usr_same"}
    assert found["consent.withdrawn"]["data"]["payload"]["userId"] == "usr_same"
