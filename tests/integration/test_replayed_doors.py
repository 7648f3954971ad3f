"""Each door: an event that waited in quarantine and was replayed is the one that its client sends once more."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest

from millrace.core import clock
from tests.support import events
from tests.support.doors import basic, deploy_names, knock, write_key
from tests.support.platform import LAKE, Platform

Send = Callable[[], None]
"""Sends the same event once more, as its client does."""
REPLAY = "/v1/quarantine/replay"
SEEN = "product.viewed"
DAYS = timedelta(days=3)


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions: a warm one holds keys that are gone."""
    warm.empty()
    warm.restart_all()
    # A deploy replays for each tenant that has a key.
    write_key(warm)
    return warm


def native(running: Platform) -> Send:
    sent = events.order(eventType="x:made", correlationId=None)
    return lambda: posted(running, sent, "application/json")


def protobuf(running: Platform) -> Send:
    sent = {name: value for name, value in events.order(eventType="x:made").items() if name != "eventId"}
    sent["event_id"] = events.new_id()
    return lambda: posted(running, sent, "application/protobuf+json")


def browser(running: Platform) -> Send:
    body = {"writeKey": write_key(running), "events": [events.order(eventType="x:made")]}
    return lambda: knocked(running, "POST /v1/collect", body)


def cloudevent() -> dict[str, Any]:
    order = events.order()
    data = order["data"]["payload"]
    return {
        "specversion": "1.0",
        "id": order["eventId"],
        "type": "x:made",
        "source": "shop",
        "time": order["timestamp"],
        "subject": "a",
        "data": data,
    }


def structured(running: Platform) -> Send:
    sent = cloudevent()
    return lambda: posted(running, sent, "application/cloudevents+json")


def encoded(running: Platform) -> Send:
    sent = cloudevent()
    sent["data_base64"] = base64.b64encode(json.dumps(sent.pop("data")).encode()).decode()
    return lambda: posted(running, [sent], "application/cloudevents-batch+json")


def segment(running: Platform, **said: Any) -> Send:
    key = basic(write_key(running))
    # A null in the payload is one that is absent, also where the clock is corrected.
    properties = {"productId": "sku_1", "durationMs": None}
    message = {"type": "track", "event": "Seen", "messageId": "a", "properties": properties, **said}
    return lambda: knocked(
        running, "POST /v1/batch", {"batch": [message], "sentAt": events.moment(DAYS)}, authorization=key
    )


def corrected(running: Platform) -> Send:
    return segment(running, timestamp=events.moment(DAYS + timedelta(seconds=5)))


def snowplow(running: Platform) -> dict[str, str]:
    data = {"schema": "iglu:com.acme/seen/jsonschema/2-0-0", "data": {"productId": "sku_1"}}
    event = {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": data}
    at = str(clock.epoch_millis(clock.now() - DAYS))
    return {
        "aid": write_key(running),
        "e": "ue",
        "eid": events.new_id(),
        "ue_pr": json.dumps(event),
        "dtm": at,
    }


def tracker(running: Platform) -> Send:
    sent = snowplow(running)

    def send() -> None:
        stm = str(clock.epoch_millis(clock.now() - DAYS))
        knocked(running, "POST /com.snowplowanalytics.snowplow/tp2", {"data": [{**sent, "stm": stm}]})

    return send


def pixel(running: Platform) -> Send:
    sent = snowplow(running)
    del sent["dtm"]
    return lambda: knocked(running, "GET /i", query=sent)


def bus(running: Platform) -> Send:
    body = {
        "org": "org_acme",
        "binding": "Shop",
        "eventType": "track:Seen",
        "id": "bridge-1",
        "source": "shop",
        "time": events.moment(),
        "detail": {"productId": "sku_1"},
    }
    record = {"messageId": "message-1", "body": json.dumps(body), "eventSource": "aws:sqs"}

    def send() -> None:
        answer = running.functions["receive_bus_events"]({"Records": [record]}, None)
        assert answer["batchItemFailures"] == []

    return send


DOORS = (native, protobuf, browser, structured, encoded, segment, corrected, tracker, pixel, bus)
NAMES = {"x:made": "order.created", "track:Seen": SEEN, "iglu:com.acme/seen/2": SEEN}


def posted(running: Platform, body: object, content_type: str) -> None:
    assert running.post(body, content_type=content_type)["status"] in (202, 400)


def knocked(running: Platform, route: str, body: object = b"", **more: Any) -> None:
    assert knock(running, route, body, **more)["status"] in (200, 202, 400)


def kept(running: Platform) -> list[tuple[str, list[str]]]:
    """Status and codes of what is in quarantine, the oldest first."""
    items = running.get("/v1/quarantine")["body"]["items"]
    return [(one["status"], [error["code"] for error in one["errors"]]) for one in items][::-1]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.__name__)
def test_a_retry_of_what_was_replayed_is_a_duplicate(
    running: Platform,
    monkeypatch: pytest.MonkeyPatch,
    bundle: Path,
    door: Callable[[Platform], Send],
) -> None:
    send = door(running)
    send()
    # A client that had no answer sends it again while the first is still in quarantine.
    send()
    assert {codes[-1] for _, codes in kept(running)} == {"unknown_type"}
    deploy_names(running, monkeypatch, bundle, NAMES, deploy="deploy-1")
    assert [status for status, _ in kept(running)] == ["replayed", "replayed"]
    assert len(running.rows("Events")) == 1
    send()
    assert len(kept(running)) == 2, "neither a conflict nor anything else"
    assert len(running.rows("Events")) == 1


def test_a_clock_that_is_corrected_in_one_delivery_only_changes_nothing(running: Platform) -> None:
    """Some SDKs say the same `sentAt` in each delivery: by the second one it looks like a wrong clock."""
    key = basic(write_key(running))
    message = {
        "type": "track",
        "event": "Product Viewed",
        "messageId": "a",
        "timestamp": events.moment(timedelta(minutes=3)),
        "properties": {"productId": "sku_1", "durationMs": None},
    }
    for ago in (timedelta(), timedelta(minutes=2)):
        body = {"batch": [message], "sentAt": events.moment(ago)}
        knocked(running, "POST /v1/batch", body, authorization=key)
    assert kept(running) == []


def repaired(running: Platform, path: str, value: object) -> dict[str, Any]:
    patch = [{"op": "replace", "path": path, "value": value}]
    answer: dict[str, Any] = running.call(REPLAY, {"filter": {"all": True}, "patch": patch})["body"]
    return answer


def test_a_client_that_repairs_it_likewise_sends_a_duplicate(running: Platform) -> None:
    key = basic(write_key(running))
    message = {"type": "track", "event": "Product Viewed", "messageId": "a", "anonymousId": "b"}
    good, bad = ({**message, "properties": {"productId": one}} for one in ("sku_1", 7))
    knocked(running, "POST /v1/track", bad, authorization=key)
    assert repaired(running, "/data/payload/productId", "sku_1")["replayed"] == 1
    knocked(running, "POST /v1/track", good, authorization=key)
    assert [status for status, _ in kept(running)] == ["replayed"]
    knocked(running, "POST /v1/track", {**good, "properties": {"productId": "sku_2"}}, authorization=key)
    assert kept(running)[1:] == [("open", ["conflict"])]


def test_a_patch_of_what_the_door_has_filled_in_applies(running: Platform) -> None:
    key = basic(write_key(running))
    knocked(running, "POST /v1/track", {"event": "Product Viewed", "messageId": "a"}, authorization=key)
    assert repaired(running, "/timestamp", events.moment())["stillFailing"] == 1
    operations = [
        {"op": "replace", "path": "/timestamp", "value": events.moment()},
        {"op": "add", "path": "/data/payload/productId", "value": "sku_1"},
    ]
    body = {"filter": {"all": True}, "patch": operations}
    assert running.call(REPLAY, body)["body"]["replayed"] == 1


def test_what_was_kept_without_it_is_replayed_as_before(
    running: Platform, monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    segment(running)()
    (key,) = running.objects("quarantine/")
    document = orjson.loads(running.objects(key)[key])
    for entry in document["entries"]:
        assert entry["sealed"].pop("sent")
    running.s3.put_object(Bucket=LAKE, Key=key, Body=orjson.dumps(document))
    deploy_names(running, monkeypatch, bundle, NAMES, deploy="deploy-1")
    assert [status for status, _ in kept(running)] == ["replayed"]
