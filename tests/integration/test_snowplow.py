"""Snowplow's trackers through the open doors: answers, repeats, clocks, schemas that wait."""

import base64
import json
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from millrace.core import clock
from tests.support.doors import PAGE, deploy_names, knock, write_key
from tests.support.platform import Platform

POST, GET = "POST /com.snowplowanalytics.snowplow/tp2", "GET /i"
SCHEMA = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4"


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions: a warm one holds keys that are gone."""
    warm.empty()
    warm.restart_all()
    return warm


def payload(key: str, kind: str, ago: timedelta = timedelta(), **fields: str) -> dict[str, str]:
    at = str(clock.epoch_millis(clock.now() - ago))
    return {
        "aid": key,
        "e": kind,
        "eid": str(uuid4()),
        "dtm": at,
        "stm": at,
        "tv": "js-4",
        "p": "web",
        **fields,
    }


def described(schema: str, data: dict[str, Any]) -> str:
    event = {"schema": schema, "data": data}
    return json.dumps(
        {"schema": "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0", "data": event}
    )


def post(running: Platform, *payloads: Any, **headers: str) -> dict[str, Any]:
    return knock(running, POST, {"schema": SCHEMA, "data": list(payloads)}, None, **headers)


def stored(running: Platform, sent: dict[str, str]) -> dict[str, Any]:
    answer = running.get("/v1/events/{eventId}", eventId=sent["eid"])
    assert answer["status"] == 200, answer
    envelope: dict[str, Any] = answer["body"]
    return envelope


def refused(running: Platform) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = running.get("/v1/quarantine")["body"]["items"]
    return items


def test_page_views_and_self_describing_events(running: Platform) -> None:
    key = write_key(running)
    page = payload(key, "pv", url="https://shop.example/", page="Shop", uid="usr_1", sid="ses_1")
    view = payload(
        key, "ue", ue_pr=described("iglu:com.example/product_view/jsonschema/1-0-3", {"productId": "sku_1"})
    )
    answer = post(running, page, view, origin=PAGE, content_type="application/json; charset=utf-8")
    assert (answer["status"], answer["body"]) == (200, "ok")
    assert answer["headers"]["access-control-allow-credentials"] == "true"
    assert refused(running) == []
    envelope = stored(running, page)
    assert (envelope["eventType"], envelope["userId"], envelope["sessionId"]) == (
        "page.viewed",
        "usr_1",
        "ses_1",
    )
    assert key not in json.dumps(envelope)
    assert stored(running, view)["eventType"] == "product.viewed"
    post(running, page, view)
    assert refused(running) == [], "sent again, they are duplicates"


def test_a_pixel_is_an_image(running: Platform) -> None:
    sent = payload(write_key(running), "pv", url="https://shop.example/")
    answer = knock(running, GET, query=sent, origin=PAGE)
    assert (answer["status"], answer["headers"]["content-type"]) == (200, "image/gif")
    assert base64.b64decode(answer["body"]).startswith(b"GIF89a")
    assert stored(running, sent)["data"]["payload"]["url"] == "https://shop.example/"
    assert knock(running, GET, query={"e": "pv"})["status"] == 401
    assert knock(running, GET, query=sent, origin="https://evil.example")["status"] == 403


def test_a_wrong_clock_is_corrected_and_a_retry_is_the_same(running: Platform) -> None:
    key, behind = write_key(running), timedelta(days=9)
    sent = payload(key, "pv", behind)
    for late in (0, 50):
        stm = str(int(sent["stm"]) + 1000 * late)
        assert post(running, {**sent, "stm": stm})["status"] == 200
    assert refused(running) == []
    assert clock.now() - clock.parse(stored(running, sent)["timestamp"]) < timedelta(minutes=2)


def test_what_nobody_has_mapped_waits(
    running: Platform, monkeypatch: pytest.MonkeyPatch, bundle: Path
) -> None:
    key = write_key(running)
    unknown = payload(
        key, "ue", ue_pr=described("iglu:com.acme/seen/jsonschema/2-0-0", {"productId": "sku_1"})
    )
    click = payload(key, "se", se_ca="shop", se_ac="click")
    post(running, unknown, click, payload(key, "pp", url="https://shop.example/"))
    assert {code for kept in refused(running) for code in [kept["errors"][-1]["code"]]} == {"unknown_type"}
    mapped = {"iglu:com.acme/seen/2": "product.viewed", "structured:shop/click": "page.viewed"}
    deploy_names(running, monkeypatch, bundle, mapped, deploy="deploy-1")
    assert sorted(kept["status"] for kept in refused(running)) == ["open", "replayed", "replayed"]
    assert stored(running, unknown)["eventType"] == "product.viewed"
    assert stored(running, click)["data"]["payload"] == {"category": "shop", "action": "click"}


def test_half_a_request_may_be_broken(running: Platform) -> None:
    key = write_key(running)
    good = payload(key, "pv")
    bad = [
        7,
        payload("mk_other", "pv"),
        payload(key, "ue", ue_px="%"),
        payload(key, "pv", dtm="soon"),
        {"aid": key},
    ]
    assert post(running, good, *bad)["status"] == 200
    assert stored(running, good)
    assert len(refused(running)) == len(bad)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"{}", 400),
        (b'{"data": []}', 400),
        (b'{"data": [7]}', 401),
        (b" " * (4 * 1024 * 1024 + 1), 413),
    ],
)
def test_bad_requests(running: Platform, body: bytes, status: int) -> None:
    assert knock(running, POST, body)["status"] == status
