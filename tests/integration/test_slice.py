"""An event's whole way through the real handlers: posted, stored, projected, archived, routed, read, traced."""

import io
import json
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from millrace.core import clock
from tests.support import events
from tests.support.mappings import Faults
from tests.support.platform import ACME, GLOBEX, Platform, ids, platform
from tests.support.rows import pointed_at
from tests.support.user_ids import number_of

EVENT, LIST, TRACE = "/v1/events/{eventId}", "/v1/events", "/v1/events/{eventId}/trace"


def archived(running: Platform) -> Counter[tuple[str, str]]:
    found: Counter[tuple[str, str]] = Counter()
    for key, body in running.objects("raw/events/").items():
        table = pq.read_table(io.BytesIO(body)).to_pylist()
        assert {row["org_id"] for row in table} == {key.split("/")[2].removeprefix("org=")}
        found.update((row["org_id"], row["event_id"]) for row in table)
    return found


def test_one_event_goes_the_whole_way(running: Platform) -> None:
    event = events.order()
    posted = running.post(event)
    assert posted["status"] == 202
    assert posted["body"]["results"] == [{"index": 0, "eventId": event["eventId"], "status": "accepted"}]
    running.settle()

    stored = running.get(EVENT, eventId=event["eventId"])["body"]
    assert {name: stored[name] for name in event} == event
    assert stored["eventSource"] == f"shop of {ACME}"
    assert stored["userId"] == "usr_4711"
    assert stored["platform"]["orgId"] == ACME
    assert stored["platform"]["category"] == "business-events"
    assert stored["platform"]["contract"].startswith("order.created/")
    assert stored["platform"]["day"] == event["timestamp"][:10]

    trace = running.get(TRACE, eventId=event["eventId"])["body"]
    assert trace["status"] == "complete"
    assert [step["step"] for step in trace["steps"]] == [
        "accepted",
        "projected",
        "archived",
        "counted",
        "routed",
    ]
    found = {step["step"]: step["detail"] for step in trace["steps"]}["archived"]["object"]
    assert found.startswith("s3://lake/raw/events/org=org_acme/category=business-events/year=")
    row = pq.read_table(
        io.BytesIO(running.objects(found.removeprefix("s3://lake/")).popitem()[1])
    ).to_pylist()[0]
    assert row["event_id"] == event["eventId"]
    # Behind intake a user is a number.
    number = number_of(running, "usr_4711")
    payload = {**stored["data"]["payload"], "userId": number}
    detail = {**stored, "userId": number, "data": {**stored["data"], "payload": payload}}
    assert running.messages()[0]["detail"] == detail


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("eventType", "order.created"),
        ("userId", "usr_4711"),
        ("correlationId", "checkout-17"),
        ("sessionId", "ses_17"),
        ("entity", "order:ord_7"),
    ],
)
def test_every_access_path_lists_newest_first_and_pages(running: Platform, name: str, value: str) -> None:
    first = clock.utc_day(clock.now()) - timedelta(days=12)
    days = [(first + timedelta(days=number)).isoformat() for number in range(11)]
    sent = [events.order(timestamp=f"{day}T10:00:00+02:00", payload={"orderId": "ord_7"}) for day in days]
    assert running.post(sent)["body"]["accepted"] == len(sent)
    running.post(events.order(payload={"orderId": "ord_7"}), org=GLOBEX)
    running.settle()
    newest_first = ids(reversed(sent))

    whole = running.get(LIST, query={name: value})["body"]
    assert ids(whole["items"]) == newest_first
    assert whole["cursor"] is None

    collected: list[str] = []
    cursor: str | None = None
    for _ in range(10):
        query = {name: value, "limit": "4", **({"cursor": cursor} if cursor else {})}
        page = running.get(LIST, query=query)["body"]
        collected += ids(page["items"])
        cursor = page["cursor"]
        if cursor is None:
            break
    assert collected == newest_first

    between = {name: value, "from": f"{days[2]}T08:00:00Z", "to": f"{days[4]}T08:00:00Z"}
    assert ids(running.get(LIST, query=between)["body"]["items"]) == [sent[3]["eventId"], sent[2]["eventId"]]


def test_a_tenant_reads_nothing_of_another(running: Platform) -> None:
    event = events.order()
    refused = events.order(payload={"totalAmount": -1})
    quarantined = running.post([event, refused])["body"]["results"][1]["quarantineId"]
    running.settle()

    assert running.get(EVENT, org=GLOBEX, eventId=event["eventId"])["status"] == 404
    assert running.get(TRACE, org=GLOBEX, eventId=event["eventId"])["status"] == 404
    assert running.get("/v1/quarantine/{id}", org=GLOBEX, id=quarantined)["status"] == 404
    assert running.get("/v1/quarantine", org=GLOBEX)["body"]["items"] == []
    for query in ({"eventType": "order.created"}, {"userId": "usr_4711"}, {"sessionId": "ses_17"}):
        assert running.get(LIST, org=GLOBEX, query=query)["body"]["items"] == []
    # Even the same id is another event for another tenant.
    assert running.post(event, org=GLOBEX)["body"]["accepted"] == 1


def test_a_cursor_serves_one_tenant_and_one_query(running: Platform) -> None:
    for org in (ACME, GLOBEX):
        assert running.post([events.order() for _ in range(3)], org=org)["body"]["accepted"] == 3
    query = {"eventType": "order.created", "limit": "1"}
    cursor = running.get(LIST, query=query)["body"]["cursor"]
    assert running.get(LIST, query={**query, "cursor": cursor})["status"] == 200
    assert running.get(LIST, org=GLOBEX, query={**query, "cursor": cursor})["status"] == 400
    assert running.get(LIST, query={"userId": "usr_4711", "cursor": cursor})["status"] == 400
    for broken in ("", "x", "e30", "bnVsbA", "WyJhIl0"):
        assert running.get(LIST, query={**query, "cursor": broken})["status"] == 400


def test_a_user_called_like_a_session_meets_no_session(running: Platform) -> None:
    of_user = events.transaction(user=7, sessionId="17", userId="7")
    named = events.health_check(userId="session:17")
    of_session = events.health_check(sessionId="17")
    assert running.post([of_user, named, of_session])["body"]["accepted"] == 3
    running.settle()
    owners = {pointed_at(row)[1]: row["userKey"]["S"] for row in running.rows("UserEvents")}
    assert owners[named["eventId"]] != owners[of_session["eventId"]]


def test_the_right_of_a_credential_is_asked_for(running: Platform) -> None:
    assert running.post(events.order(), scopes="events:read")["status"] == 403
    assert running.get(LIST, query={"userId": "u"}, scopes="events:write")["status"] == 403
    assert running.get("/v1/quarantine", scopes="events:read")["status"] == 403


def account(answers: list[dict[str, Any]]) -> Counter[str]:
    total: Counter[str] = Counter()
    for answer in answers:
        total.update({name: answer["body"][name] for name in answer["body"] if name != "results"})
    return total


def test_two_tenants_many_events_duplicates_and_crashes(bundle: Path) -> None:
    faults = Faults(crash_before=0.1, crash_after=0.1, duplicate_delivery=0.1)
    rng = random.Random(7)
    with platform(bundle, seed=7, faults=faults) as running:
        accepted: dict[str, set[str]] = {}
        for org in (ACME, GLOBEX):
            good = events.mixed(300, rng)
            bad = [{**event, "eventId": events.new_id(rng), "data": {"payload": {}}} for event in good[:20]]
            repeated = rng.sample(good, 30)
            other = [{**event, "correlationId": "another"} for event in rng.sample(good, 5)]
            # Copies after their first, so that it is known which of two different events is the conflict.
            sent = [*rng.sample(good + bad, len(good) + len(bad)), *rng.sample(repeated + other, 35)]
            answers = [running.post(sent[at : at + 250], org=org) for at in range(0, len(sent), 250)]
            total = account(answers)
            assert total == Counter(accepted=300, duplicates=30, conflicts=5, rejected=20)
            assert sum(total.values()) == len(sent)
            accepted[org] = {event["eventId"] for event in good}
        running.settle()

        everything = {(org, one) for org, found in accepted.items() for one in found}
        rows = Counter(
            (row["orgId"]["S"], row["eventId"]["S"].split("#")[1]) for row in running.rows("Events")
        )
        assert rows == Counter(everything)
        raw = archived(running)
        assert set(raw) == everything
        pointers = Counter(map(pointed_at, running.rows("UserEvents")))
        assert max(pointers.values()) == 1
        assert len(pointers) == 2 * 200  # all but the health checks, which have no user
        routed = {(m["detail"]["platform"]["orgId"], m["detail"]["eventId"]) for m in running.messages()}
        assert len(routed) == 2 * 200
        assert routed <= everything
        assert running.objects("dead-letters/") == {}


def test_the_request_enriches_metadata_only_where_the_contract_asks(running: Platform) -> None:
    at = events.moment()
    registered: dict[str, Any] = {
        "eventId": events.new_id(),
        "eventType": "user.registered",
        "timestamp": at,
        "data": {"payload": {"userId": "usr_1", "email": "ana@example.org"}},
    }
    own = {**registered, "eventId": events.new_id()}
    own["data"] = {**registered["data"], "metadata": {"userAgent": "kept as sent", "ipAddress": None}}
    order = events.order()
    for event in (registered, own, order):
        answer = running.request(json.dumps(event).encode(), user_agent="Mozilla/5.0 " + "x" * 600)
        assert answer["status"] == 202, answer
    stored = running.get(EVENT, eventId=registered["eventId"])["body"]["data"]["metadata"]
    assert stored["ipAddress"] == "203.0.113.7"
    assert stored["userAgent"].startswith("Mozilla/5.0 x")
    assert len(stored["userAgent"]) == 512
    stored = running.get(EVENT, eventId=own["eventId"])["body"]["data"]["metadata"]
    assert stored == {"userAgent": "kept as sent", "ipAddress": "203.0.113.7"}
    assert running.get(EVENT, eventId=order["eventId"])["body"]["data"] == order["data"]
    # What the request adds says nothing about whether an event is the same.
    assert running.request(json.dumps(registered).encode(), user_agent="another")["body"]["duplicates"] == 1


def test_a_page_ends_where_an_answer_would_be_too_large(running: Platform) -> None:
    sent = [events.order(payload={"note": "x" * 220_000}) for _ in range(30)]
    for at in range(0, 30, 15):
        assert running.post(sent[at : at + 15])["status"] == 202
    seen: list[str] = []
    query = {"eventType": "order.created"}
    for _ in range(5):
        page = running.get(LIST, query=query)["body"]
        assert len(json.dumps(page)) < 5_000_000
        seen += ids(page["items"])
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert sorted(seen) == sorted(ids(sent))
