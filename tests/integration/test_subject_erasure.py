"""A person is erased: nothing of what was protected can be read any more, by anybody, and nothing brings it back."""

import json
from datetime import timedelta
from typing import Any

import pytest

from millrace.access.credentials import ALL_SCOPES
from millrace.contracts import registry
from millrace.core.errors import PermanentError
from millrace.core.table import Table
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import from_item
from millrace.people import certificate
from millrace.privacy import assemble, stored_form, tenant_secrets
from millrace.privacy.seal import UnreadableError
from millrace.privacy.subjects import person_of
from tests.integration.test_personal import ONE, address
from tests.support import events
from tests.support.doors import basic, knock, write_key
from tests.support.erasing import Requests
from tests.support.platform import ACME, GLOBEX, LAKE, Platform, called
from tests.support.state_machine import Call, Killed
from tests.support.user_ids import number_of

ERASE, STATUS = "DELETE /v1/subjects/{id}", "GET /v1/subjects/{id}/erasure"


@pytest.fixture(autouse=True)
def _empty(warm: Platform) -> None:
    warm.empty()
    warm.restart_all()


def of(user: str, **changes: Any) -> dict[str, Any]:
    """An order with an address, of a user."""
    return events.shipped_order(user=user, **changes)


def seen(running: Platform, event: dict[str, Any], org: str = ACME) -> dict[str, Any]:
    return address(running.get(ONE, org=org, eventId=event["eventId"])["body"])


def test_what_was_protected_is_gone_and_the_rest_stays(warm: Platform) -> None:
    mine, others, same_name = of("u-1"), of("u-2"), of("u-1")
    assert warm.post([mine, others])["body"]["accepted"] == 2
    assert warm.post([same_name], org=GLOBEX)["body"]["accepted"] == 1
    warm.settle()
    assert seen(warm, mine) == events.ADDRESS
    body = Requests(warm).erased("u-1")
    warm.restart_all()
    assert seen(warm, mine)["street"] == "sealed"
    assert seen(warm, others) == events.ADDRESS
    assert seen(warm, same_name, GLOBEX) == events.ADDRESS, "another tenant's person of that name"
    assert body["state"] == "done"
    assert body["steps"] == ["forget", "remove", "verify"]
    looked = body["certificate"]["verified"]
    assert looked["events"]["looked"] == looked["raw"]["looked"] == 1
    assert not any("u-1" in str(row) for row in warm.rows("SubjectKeys"))


def test_the_certificate_is_verified_offline_and_any_change_shows(warm: Platform) -> None:
    warm.post([of("u-1")])
    requests = Requests(warm)
    made = requests.erased("u-1")["certificate"]
    key = requests.ask("GET /v1/subjects/signing-key")["body"]
    assert certificate.verify(made, key["publicKey"]) == key["fingerprint"] == made["key"]["fingerprint"]
    assert "u-1" not in json.dumps(made)
    with pytest.raises(PermanentError, match="changed"):
        certificate.verify({**made, "subject": "1"})
    with pytest.raises(PermanentError, match="no certificate"):
        certificate.verify({"form": "other"})


def test_a_second_request_is_the_first_one(warm: Platform) -> None:
    warm.post([of("u-1")])
    requests = Requests(warm)
    first = requests.ask(ERASE, id="u-1")
    again = requests.ask(ERASE, id="u-1")
    assert first["body"]["requestId"] == again["body"]["requestId"]
    assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
    assert requests.ask(ERASE, id="u-1")["body"]["state"] == "done"
    assert requests.carry_out() == []


def test_nobody_is_erased_who_is_not_known_or_is_another_tenants(warm: Platform) -> None:
    warm.post([of("u-1")], org=GLOBEX)
    requests = Requests(warm)
    assert requests.ask(ERASE, id="u-1")["status"] == 404
    assert requests.ask(STATUS, id="u-1", org=GLOBEX)["status"] == 404, "nobody has asked"
    assert requests.ask(ERASE, id="u-1", scopes="subjects:read")["status"] == 403


def test_while_it_is_under_way_nothing_new_is_taken_nor_kept_elsewhere(warm: Platform) -> None:
    warm.post([of("u-1")])
    assert Requests(warm).ask(ERASE, id="u-1")["status"] == 202
    warm.restart_all()  # a minute later no copy remembers the person
    late, other = of("u-1"), of("u-2")
    answer = warm.post([late, other, events.order(user="u-1")])["body"]
    assert [one["status"] for one in answer["results"]] == ["rejected", "accepted", "rejected"]
    assert not any("quarantineId" in one for one in answer["results"])
    assert "erased" in answer["results"][0]["errors"][0]["message"]
    assert warm.objects("quarantine/") == {}


def test_what_is_sent_again_does_not_come_back_and_who_comes_back_is_another(warm: Platform) -> None:
    mine = of("u-1")
    warm.post([mine])
    requests = Requests(warm)
    first = requests.erased("u-1")["subject"]
    warm.restart_all()
    # Of before: the same event, and one that the client still had.
    old = of("u-1")
    old["timestamp"] = mine["timestamp"]
    results = warm.post([mine, old])["body"]["results"]
    assert [one["status"] for one in results] == ["rejected", "rejected"]
    assert warm.objects("quarantine/") == {}
    new = of("u-1", timestamp=events.moment(-timedelta(seconds=60)))
    assert warm.post([new])["body"]["accepted"] == 1
    assert seen(warm, new) == events.ADDRESS
    assert seen(warm, mine)["street"] == "sealed"
    assert requests.ask(STATUS, id="u-1")["body"]["subject"] == first
    assert warm.post([old])["body"]["rejected"] == 1, "the new person does not bring the old one back"
    second = requests.ask(ERASE, id="u-1")["body"]
    assert second["subject"] != first
    assert [one.status for one in requests.carry_out()] == ["SUCCEEDED"]
    warm.restart_all()
    assert seen(warm, new)["street"] == "sealed"


def test_an_event_from_the_future_that_was_stored_before_brings_nobody_back(
    warm: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody comes back before functions have forgotten the person, which takes a minute of the clock.
    monkeypatch.setattr("millrace.intake.protect.REMEMBERED", timedelta(0))
    ahead = of("u-1", timestamp=events.moment(-timedelta(minutes=14)))
    warm.post([ahead])
    requests = Requests(warm)
    first = requests.erased("u-1")["subject"]
    warm.restart_all()
    assert [one["status"] for one in warm.post([ahead, ahead])["body"]["results"]] == ["rejected"] * 2
    assert not any("who" in row for row in warm.rows("SubjectKeys")), "nobody is made anew"
    assert warm.objects("quarantine/") == {}
    # What is new does, beside a copy of the old one, which stays refused then; a copy of the new one is a duplicate.
    new = of("u-1", timestamp=events.moment(-timedelta(minutes=13)))
    assert [one["status"] for one in warm.post([ahead, new])["body"]["results"]] == ["rejected", "accepted"]
    warm.restart_all()
    assert [one["status"] for one in warm.post([ahead, new])["body"]["results"]] == ["rejected", "duplicate"]
    assert seen(warm, new) == events.ADDRESS
    assert seen(warm, ahead)["street"] == "sealed"
    assert number_of(warm, "u-1") != first


def test_refused_events_of_the_person_are_removed_and_those_of_others_stay(warm: Platform) -> None:
    bad = of("u-1", payload={"totalAmount": -1})
    other = of("u-2", payload={"totalAmount": -1})
    warm.post([of("u-1"), bad, other])
    warm.post([bad | {"eventId": events.new_id()}])
    warm.post(b'{"userId": "u-1", "broken": ')
    assert len(warm.get("/v1/quarantine")["body"]["items"]) == 4
    body = Requests(warm).erased("u-1")
    left = warm.get("/v1/quarantine")["body"]["items"]
    assert [one["eventId"] for one in left] == [other["eventId"]]
    assert not any(b"u-1" in stored for stored in warm.objects("quarantine/").values())
    assert body["certificate"]["removed"] == [{"store": "quarantine", "entries": 3}]


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("step", ["Block", "Forget", "Remove", "Verify", "Certify"])
def test_an_execution_that_ends_anywhere_is_begun_again_and_ends_the_same(
    warm: Platform, step: str, when: str
) -> None:
    mine = of("u-1")
    warm.post([mine, of("u-1", payload={"totalAmount": -1})])
    killed: list[Call] = []

    def kill(call: Call) -> None:
        if call.state == step and call.when == when and not killed:
            killed.append(call)
            raise Killed

    requests = Requests(warm, kill)
    requests.ask(ERASE, id="u-1")
    (execution,) = requests.carry_out()
    assert execution.status == "ABORTED"
    requests.ask(ERASE, id="u-1")
    # With the last answer lost, all is done.
    left = [] if (step, when) == ("Certify", "after") else ["SUCCEEDED"]
    assert [one.status for one in requests.carry_out()] == left
    body = requests.ask(STATUS, id="u-1")["body"]
    assert body["state"] == "done"
    certificate.verify(body["certificate"])
    warm.restart_all()
    assert seen(warm, mine)["street"] == "sealed"
    assert warm.get("/v1/quarantine")["body"]["items"] == []


@pytest.mark.parametrize("came_back", [False, True])
def test_an_execution_of_a_request_that_is_done_changes_nothing(warm: Platform, came_back: bool) -> None:
    warm.post([of("u-1"), of("u-1", payload={"totalAmount": -1})])
    requests = Requests(warm)
    done = requests.erased("u-1")["requestId"]
    if came_back:
        warm.restart_all()
        warm.post([of("u-1", timestamp=events.moment(-timedelta(seconds=60)))])
        requests.erased("u-1")
    before = [warm.rows("Metadata"), warm.rows("SubjectKeys"), warm.objects("privacy/")]
    again = requests.machine.run("again", {"org": ACME, "requestId": done, "kind": "erase"})
    assert again.status == "SUCCEEDED", again.cause
    assert [warm.rows("Metadata"), warm.rows("SubjectKeys"), warm.objects("privacy/")] == before


def test_a_guess_sent_for_another_person_has_the_token_that_stays_after_the_erasure(warm: Platform) -> None:
    mine, right, wrong = of("u-1"), of("u-2"), of("u-2")
    wrong["data"]["metadata"]["shippingAddress"]["city"] = "Elsewhere"
    warm.post([mine])
    Requests(warm).erased("u-1")
    warm.restart_all()
    warm.post([right, wrong])
    without = " ".join(scope for scope in ALL_SCOPES if scope != "personal:read")
    tokens = [
        address(warm.get(ONE, eventId=one["eventId"], scopes=without)["body"])["city"]
        for one in (mine, right, wrong)
    ]
    assert tokens[0] == tokens[1] != tokens[2], "docs/protection.md says so under Guesses"


def test_a_hold_refuses_with_its_reason_until_it_is_lifted(warm: Platform) -> None:
    warm.post([of("u-1")])
    requests = Requests(warm)
    held = requests.ask("PUT /v1/subjects/{id}/hold", id="u-1", body={"reason": "case 17"})["body"]
    assert requests.ask("GET /v1/subjects/holds")["body"]["items"] == [{**held, "user": "u-1"}]
    unnamed = requests.ask("GET /v1/subjects/holds", scopes="subjects:read")["body"]["items"]
    assert unnamed == [{**held, "user": None}]
    refused = requests.ask(ERASE, id="u-1")
    assert refused["status"] == 409
    assert "case 17" in refused["body"]["detail"]
    assert requests.ask("DELETE /v1/subjects/{id}/hold", id="u-1")["body"] == {"lifted": True}
    assert requests.ask("DELETE /v1/subjects/{id}/hold", id="u-1")["body"] == {"lifted": False}
    assert requests.ask("GET /v1/subjects/holds")["body"]["items"] == []
    assert requests.erased("u-1")["state"] == "done"
    assert requests.ask("PUT /v1/subjects/{id}/hold", id="u-1", body={"reason": "late"})["status"] == 409


def test_restricted_values_are_shown_to_nobody_until_that_ends(warm: Platform) -> None:
    mine = of("u-1")
    warm.post([mine])
    requests = Requests(warm)
    done = requests.ask("PUT /v1/subjects/{id}/restriction", id="u-1", body={"reason": "disputed"})["body"]
    assert (done["kind"], done["state"]) == ("restrict", "done")
    warm.restart_all()
    assert seen(warm, mine)["street"] == "sealed"
    assert warm.post([of("u-1")])["body"]["accepted"] == 1
    assert requests.ask("DELETE /v1/subjects/{id}/restriction", id="u-1")["status"] == 200
    warm.restart_all()
    assert seen(warm, mine) == events.ADDRESS


def test_refused_events_of_a_restricted_person_are_shown_to_nobody_until_that_ends(warm: Platform) -> None:
    warm.post([of("u-1"), of("u-1", payload={"totalAmount": -1}), of("u-2", payload={"totalAmount": -1})])
    warm.post(b'{"userId": "u-1", "broken": ')
    listed = [one["quarantineId"] for one in warm.get("/v1/quarantine")["body"]["items"]]

    def raws() -> list[Any]:
        warm.restart_all()
        read = (warm.get("/v1/quarantine/{id}", id=one)["body"]["raw"] for one in listed)
        return [None if raw is None else "u-1" in raw for raw in read]

    before = raws()
    assert sorted(before) == [False, True, True]
    requests = Requests(warm)
    requests.ask("PUT /v1/subjects/{id}/restriction", id="u-1", body={"reason": "disputed"})
    assert raws() == [None if about else False for about in before]
    requests.ask("DELETE /v1/subjects/{id}/restriction", id="u-1")
    assert raws() == before


def test_requests_have_the_ids_of_people_for_who_may_see_them(warm: Platform) -> None:
    warm.post([of("u-1"), of("u-2"), of("u-3")])
    requests = Requests(warm)
    for user in ("u-1", "u-2", "u-3"):
        requests.ask("POST /v1/subjects/{id}/rectification", id=user, body={"reason": "wrong"})
    requests.ask("PUT /v1/subjects/{id}/restriction", id="u-2", body={"reason": "disputed"})
    requests.erased("u-3")
    warm.restart_all()

    def users(**how: Any) -> set[str | None]:
        items = requests.ask("GET /v1/subjects/requests", **how)["body"]["items"]
        assert len(items) in (0, 5)
        return {one["user"] for one in items}

    assert users() == users(scopes="subjects:read personal:detokenise") == {"u-1", None}
    assert users(scopes="subjects:read") == {None}
    assert users(org=GLOBEX) == set()


def test_every_step_is_in_the_audit_and_none_names_the_person(warm: Platform) -> None:
    warm.post([of("u-1")])
    Requests(warm).erased("u-1")
    lines = [
        row
        for row in warm.rows("Metadata")
        if row["entityTypeKey"]["S"] == f"{ACME}#audit#chain" and row["action"]["S"] == "subjects.erase"
    ]
    steps = [json.loads(row["detail"]["S"]).get("step", "ask") for row in lines]
    assert sorted(steps) == ["ask", "block", "certify", "forget", "remove"]
    # All of them are about the same number.
    assert len({json.loads(row["detail"]["S"])["subject"] for row in lines}) == 1
    kept = [row for row in warm.rows("Metadata") if "#subject-request" in row["entityTypeKey"]["S"]]
    assert not any("u-1" in str(row) for row in [*lines, *kept])
    assert not any("who" in row for row in kept)


def test_neither_old_copies_nor_any_key_that_is_left_bring_a_value_back(warm: Platform) -> None:
    """What a rebuild, a redrive, a restored copy and a reader of every table and object have to work with."""
    mine = [of("u-1") for _ in range(3)]
    warm.post([*mine, of("u-2")])
    warm.settle()
    copies = {name: warm.rows(name) for name in ("Events", "UserEvents")}
    raw = warm.objects("raw/")
    number = Requests(warm).erased("u-1")["subject"]
    warm.restart_all()
    for name, rows in copies.items():
        for row in rows:
            warm.dynamodb.put_item(TableName=name, Item=row)
    for key, body in raw.items():
        warm.s3.put_object(Bucket=LAKE, Key=key, Body=body)
    warm.driver.run_until_idle(max_steps=100_000)
    assert warm.get("/v1/events", query={"userId": "u-1"})["body"]["items"] == []
    assert warm.get("/v1/events", query={"userId": number})["body"]["items"] == [], "a number is nobody's id"
    of_type = warm.get("/v1/events", query={"eventType": mine[0]["eventType"]})["body"]["items"]
    listed = [one for one in of_type if one["userId"] != "u-2"]
    assert [(one["userId"], address(one)["street"]) for one in listed] == [(number, "sealed")] * 3
    metadata = Table(warm.dynamodb, "Metadata")
    secret = tenant_secrets.secrets(assemble.tenant_keys(metadata, warm.kms_key), ACME)
    left = [person_of(ACME, secret, row).key for row in warm.rows("SubjectKeys") if "wrapped" in row]
    assert len(left) == 1
    codec = Codec(registry.load().dictionary)
    stored = {row["eventId"]["S"]: from_item(row, codec).envelope for row in copies["Events"]}
    for event in mine:
        envelope = stored[f"{ACME}#{event['eventId']}"]
        for other in (*left, secret.lookup, secret.token, secret.wrap, secret.quarantine):
            with pytest.raises(UnreadableError):
                stored_form.values(envelope, other)


def test_a_person_s_token_is_turned_back_for_nobody_any_more(warm: Platform) -> None:
    mine = of("u-1")
    warm.post([mine])
    city = seen(warm, mine)["city"]
    without = " ".join(scope for scope in ALL_SCOPES if scope != "personal:read")
    token = address(warm.get(ONE, eventId=mine["eventId"], scopes=without)["body"])["city"]
    asked = {
        "tokens": [{"token": token, "eventId": mine["eventId"]}],
        "purpose": "customer-support",
        "reason": "call",
    }
    assert token != city
    before = called(warm, "POST /v1/detokenise", "read_api", body=asked)
    assert city in json.dumps(before["body"]), before
    Requests(warm).erased("u-1")
    warm.restart_all()
    after = called(warm, "POST /v1/detokenise", "read_api", body=asked)
    assert after["status"] == 200
    assert city not in json.dumps(after["body"])


FORMS: dict[str, Any] = {
    "no contract": {"eventType": "no.such", "userId": "usr_vera", "data": {"payload": {}}},
    "another producer's type": {
        "eventType": "track:Product Viewed",
        "data": {"payload": {"user_id": "usr_vera"}},
    },
    "ProtoJSON": {"event_type": "order.created", "user_id": "usr_vera"},
    "one text": {"eventType": "order.created", "data": {"payload": '{"userId": "usr_vera"}'}},
    "an object for the id": {"eventType": "order.created", "userId": {"id": "usr_vera"}},
    "the id in other fields": {
        "eventId": "usr_vera",
        "eventType": "usr_vera",
        "version": "usr_vera",
        "userId": "usr_vera",
        "usr_vera": 1,
        "data": {"payload": {}},
    },
    "many names": {**{f"n{number}": number for number in range(12_000)}, "to": "usr_vera"},
    "torn": b'{"to": "usr_vera", ',
}


@pytest.mark.parametrize("form", FORMS)
def test_what_was_refused_says_nobody_in_clear_and_is_removed_whatever_its_form(
    warm: Platform, form: str
) -> None:
    other = of("u-2", payload={"totalAmount": -1})
    warm.post([of("usr_vera"), other])
    sent = FORMS[form]
    (result,) = warm.post(sent if isinstance(sent, bytes) else [sent])["body"]["results"]
    assert result["status"] == "rejected"
    identifier = result["quarantineId"]
    assert warm.get("/v1/quarantine/{id}", id=identifier)["body"]["raw"]
    assert b"usr_vera" not in json.dumps(warm.get("/v1/quarantine")["body"]).encode()
    assert "usr_vera" not in str(result["errors"])
    _require_nowhere(warm, b"usr_vera")
    Requests(warm).erased("usr_vera")
    left = [one["quarantineId"] for one in warm.get("/v1/quarantine")["body"]["items"]]
    assert identifier not in left
    assert len(left) == 1
    _require_nowhere(warm, b"usr_vera")


def test_what_is_refused_after_an_erasure_is_kept_only_if_it_says_that_it_is_from_afterwards(
    warm: Platform,
) -> None:
    warm.post([of("usr_vera")])
    Requests(warm).erased("usr_vera")
    warm.restart_all()
    before = of("usr_vera", payload={"totalAmount": -1}, timestamp=events.moment(timedelta(hours=1)))
    unsaid = {name: value for name, value in before.items() if name != "timestamp"}
    for sent in ([before, unsaid], b'{"userId": "usr_vera", '):
        for result in warm.post(sent)["body"]["results"]:
            assert result["status"] == "rejected"
            assert result["errors"]
            assert "quarantineId" not in result
    assert warm.objects("quarantine/") == {}
    after = {**before, "timestamp": events.moment(-timedelta(seconds=60))}
    (result,) = warm.post([after])["body"]["results"]
    read = warm.get("/v1/quarantine/{id}", id=result["quarantineId"])["body"]
    assert read["raw"] is None, "the person has not come back"
    assert warm.post([of("usr_vera", timestamp=after["timestamp"])])["body"]["accepted"] == 1
    warm.restart_all()
    assert "usr_vera" in warm.get("/v1/quarantine/{id}", id=result["quarantineId"])["body"]["raw"]
    _require_nowhere(warm, b"usr_vera")


def test_raw_of_a_restricted_person_is_hidden_where_its_contract_protects_nothing_too(warm: Platform) -> None:
    sent = events.transaction(payload={"user_id": 4711, "amount": -1})
    ok = events.transaction(payload={"user_id": 4711})
    warm.post([ok, sent])
    (listed,) = warm.get("/v1/quarantine")["body"]["items"]
    assert "4711" in warm.get("/v1/quarantine/{id}", id=listed["quarantineId"])["body"]["raw"]
    requests = Requests(warm)
    requests.ask("PUT /v1/subjects/{id}/restriction", id="4711", body={"reason": "disputed"})
    warm.restart_all()
    assert warm.get("/v1/quarantine/{id}", id=listed["quarantineId"])["body"]["raw"] is None


def test_a_key_that_everybody_may_read_is_not_told_who_was_erased(warm: Platform) -> None:
    def told(sent: dict[str, Any]) -> Any:
        key = basic(write_key(warm))
        answer = knock(warm, "POST /v1/collect", {"events": [sent]}, authorization=key)
        for result in answer["body"]["results"]:
            del result["eventId"]
            result["quarantineId"] = len(result.get("quarantineId", ""))
        return answer["status"], answer["body"]

    warm.post([of("u-1"), of("u-2")])
    Requests(warm).erased("u-1")
    warm.restart_all()
    past = events.moment(timedelta(hours=1))
    for payload in ({}, {"totalAmount": -1}):
        gone, there = of("u-1", payload=payload, timestamp=past), of("u-2", payload=payload, timestamp=past)
        assert told(gone) == told(there)
        # A page that sends an event once more learns nothing either.
        assert told(gone) == told(there)
    answer = warm.post([of("u-1", timestamp=past)], scopes="events:write")
    assert answer["body"]["rejected"] == 1, "a server of the tenant is told"


def _require_nowhere(running: Platform, text: bytes) -> None:
    for table in ("Metadata", "Events", "UserEvents", "Analytics"):
        for row in running.rows(table):
            assert text not in repr(row).encode(), table
    for key, stored in running.objects("").items():
        assert text not in stored, key
    for record in running.log_records():
        assert text not in record
