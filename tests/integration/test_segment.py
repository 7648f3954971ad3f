"""Segment's and RudderStack's messages through the open doors: answers, repeats, clocks, names that wait, tenants."""

import gzip
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.support import events
from tests.support.doors import PAGE, basic, deploy_names, knock, write_key
from tests.support.platform import ACME, GLOBEX, Platform

BATCH = "POST /v1/batch"


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions: a warm one holds keys that are gone."""
    warm.empty()
    warm.restart_all()
    return warm


def message(kind: str, **fields: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "messageId": f"node-next-{uuid4()}",
        "anonymousId": "anon-1",
        "timestamp": events.moment(),
        "context": {"library": {"name": "analytics-node", "version": "3.1.0"}},
        **fields,
    }


def viewed(**fields: Any) -> dict[str, Any]:
    return message("track", event="Product Viewed", properties={"productId": "sku_1"}, **fields)


def batch(*messages: Any, sent_at: str | None = None) -> dict[str, Any]:
    return {"batch": list(messages), "sentAt": sent_at or events.moment()}


def stored(running: Platform, sent: dict[str, Any]) -> dict[str, Any]:
    answer = running.get("/v1/events/{eventId}", eventId=sent["messageId"])
    assert answer["status"] == 200, answer
    envelope: dict[str, Any] = answer["body"]
    return envelope


def refused(running: Platform) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = running.get("/v1/quarantine")["body"]["items"]
    return items


def test_a_batch_is_taken_with_gzip_and_basic_authentication(running: Platform) -> None:
    sent = [
        viewed(userId="usr_1"),
        message("identify", userId="usr_1", traits={"email": "ana@example.org", "plan": "pro"}),
        message("page", name="Home", properties={"url": "https://shop.example/", "variant": "b"}),
        message("screen", name="Basket"),
        message("group", userId="usr_1", groupId="acme"),
        message("alias", userId="usr_1", previousId="anon-1"),
    ]
    body = gzip.compress(json.dumps(batch(*sent)).encode())
    key = basic(write_key(running))
    answer = knock(running, BATCH, body, authorization=key, content_encoding="gzip")
    assert (answer["status"], answer["body"]) == (200, {"success": True})
    assert refused(running) == []
    types = [stored(running, one)["eventType"] for one in sent]
    assert types == [
        "product.viewed",
        "user.identified",
        "page.viewed",
        "screen.viewed",
        "group.joined",
        "user.aliased",
    ]
    first = stored(running, sent[0])
    assert first["platform"]["contract"].startswith("product.viewed/")
    assert (first["userId"], first["data"]["metadata"]["anonymousId"]) == ("usr_1", "anon-1")
    running.settle()
    trace = running.get("/v1/events/{eventId}/trace", eventId=sent[0]["messageId"])["body"]
    assert {"accepted", "projected", "archived"} <= {step["step"] for step in trace["steps"]}
    listed = running.get("/v1/events", query={"userId": "usr_1"})["body"]["items"]
    assert {one["eventId"] for one in listed} == {one["messageId"] for one in sent if "userId" in one}


@pytest.mark.parametrize("path", ["track", "t"])
def test_one_message_as_text_from_a_page(running: Platform, path: str) -> None:
    sent = {**viewed(), "writeKey": write_key(running), "sentAt": events.moment()}
    answer = knock(running, f"POST /v1/{path}", sent, origin=PAGE, content_type="text/plain")
    assert (answer["status"], answer["body"]) == (200, {"success": True})
    assert answer["headers"]["access-control-allow-origin"] == PAGE
    assert "writeKey" not in json.dumps(stored(running, sent))
    assert knock(running, f"POST /v1/{path}", sent, origin="https://evil.example")["status"] == 403


def test_a_beacon_has_its_key_in_the_query(running: Platform) -> None:
    sent, beacon = viewed(), "POST /beacon/v1/batch"
    how = {"origin": PAGE, "content_type": "text/plain"}
    answer = knock(running, beacon, batch(sent), {"writeKey": write_key(running)}, **how)
    assert (answer["status"], answer["headers"]["access-control-allow-origin"]) == (200, PAGE)
    assert stored(running, sent)["eventType"] == "product.viewed"
    assert knock(running, beacon, batch(sent), {"writeKey": "mk_none"}, **how)["status"] == 401


def test_a_refusal_says_what_segments_sdks_read(running: Platform) -> None:
    answer = knock(running, BATCH, batch(viewed()), authorization=basic("mk_" + "x" * 43))
    assert answer["status"] == 401
    assert answer["body"]["code"] == "unauthorized"
    assert answer["body"]["message"] == answer["body"]["detail"]


def test_an_sdk_that_sends_again_changes_nothing(running: Platform) -> None:
    """A second delivery has another `sentAt`; here the client's clock is days behind as well."""
    key, behind = basic(write_key(running)), timedelta(days=3)
    sent = viewed(timestamp=events.moment(behind + timedelta(seconds=2)), _metadata={"retryCount": 0})
    for late in (0, 40, 80):
        once_more = batch(
            {**sent, "_metadata": {"retryCount": late}},
            sent_at=events.moment(behind - timedelta(seconds=late)),
        )
        assert knock(running, BATCH, once_more, authorization=key)["body"] == {"success": True}
    assert refused(running) == [], "neither a conflict nor anything else"
    envelope = stored(running, sent)
    assert envelope["timestamp"] > events.moment(timedelta(minutes=2)), "the clock is corrected"
    assert envelope["data"]["metadata"]["originalTimestamp"] == sent["timestamp"]


def test_another_event_under_a_used_id_is_a_conflict_in_quarantine(running: Platform) -> None:
    key, sent = basic(write_key(running)), viewed()
    knock(running, BATCH, batch(sent), authorization=key)
    answer = knock(running, BATCH, batch({**sent, "properties": {"productId": "other"}}), authorization=key)
    assert answer["body"] == {"success": True}
    (kept,) = refused(running)
    assert [error["code"] for error in kept["errors"]] == ["conflict"]
    assert stored(running, sent)["data"]["payload"] == {"productId": "sku_1"}


def test_a_name_that_nobody_has_mapped_waits_for_its_mapping(
    running: Platform, monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    key, sent = (
        basic(write_key(running)),
        message("track", event="Thing Seen", properties={"productId": "sku_1"}),
    )
    assert knock(running, BATCH, batch(sent), authorization=key)["body"] == {"success": True}
    (kept,) = refused(running)
    assert "unknown_type" in [error["code"] for error in kept["errors"]]
    deploy_names(running, monkeypatch, bundle, {}, deploy="deploy-1")
    assert refused(running)[0]["status"] == "open", "nothing has changed"
    deploy_names(running, monkeypatch, bundle, {"track:Thing Seen": "product.viewed"}, deploy="deploy-2")
    assert refused(running)[0]["status"] == "replayed"
    assert stored(running, sent)["eventType"] == "product.viewed"
    knock(running, BATCH, batch(sent), authorization=key)
    assert [one["errors"] for one in refused(running)][1:] == [], "sent once more, it is a duplicate"


def test_half_a_batch_may_be_broken(running: Platform) -> None:
    good = viewed()
    bad = [7, None, {"type": "delete"}, {**viewed(), "messageId": "x" * 129}, {**viewed(), "properties": {}}]
    no_id = {name: value for name, value in viewed().items() if name != "messageId"}
    answer = knock(running, BATCH, batch(good, *bad, no_id), authorization=basic(write_key(running)))
    assert answer["body"] == {"success": True}
    assert stored(running, good)
    assert len(refused(running)) == len(bad) + 1


def test_tenants_and_keys(running: Platform) -> None:
    sent = viewed()
    for org in (ACME, GLOBEX):
        knock(running, BATCH, batch(sent), authorization=basic(write_key(running, org)))
    assert refused(running) == [], "the same id of another tenant is another event"
    assert running.get("/v1/events/{eventId}", eventId=sent["messageId"], org=GLOBEX)["status"] == 200
    for authorization in ("", basic("mk_" + "x" * 43), "Bearer x"):
        assert knock(running, BATCH, batch(sent), authorization=authorization)["status"] == 401


def test_opaque_ids_differ_by_case(running: Platform) -> None:
    key = basic(write_key(running))
    one, other = viewed(messageId="ajs-A"), viewed(messageId="ajs-a")
    knock(running, BATCH, batch(one, other), authorization=key)
    assert refused(running) == []
    running.settle()
    listed = running.get("/v1/events", query={"eventType": "product.viewed"})["body"]["items"]
    assert {item["eventId"] for item in listed} == {"ajs-A", "ajs-a"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"[]", 400),
        (b"{}", 400),
        (b'{"batch": 7}', 400),
        (b'{"batch": []}', 200),
        (json.dumps({"batch": [{}] * 501}).encode(), 413),
        (b" " * (4 * 1024 * 1024 + 1), 413),
    ],
)
def test_bad_requests(running: Platform, body: bytes, status: int) -> None:
    assert knock(running, BATCH, body, authorization=basic(write_key(running)))["status"] == status
