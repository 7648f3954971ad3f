"""The open doors: a write key decides, pages send from their origins only, and nothing else can be done with it."""

import gzip
import json
from typing import Any

import pytest

from millrace.access.credentials import ALL_SCOPES, PUBLIC_SCOPE, create_api_key, revoke_api_key
from millrace.core import limits
from millrace.core.errors import PermanentError
from millrace.core.http import Problem
from millrace.core.table import Table
from millrace.rates.rates import Rates
from tests.support import events
from tests.support.doors import PAGE, basic, knock, write_key
from tests.support.platform import ACME, GLOBEX, Platform

DOOR = "POST /v1/collect"


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions: a warm one holds keys that are gone."""
    warm.empty()
    warm.restart_all()
    return warm


def statuses(answer: dict[str, Any]) -> list[str]:
    return [one["status"] for one in answer["body"]["results"]]


def test_a_page_sends_text_with_its_key_in_the_body(running: Platform) -> None:
    order = events.order()
    body = {"writeKey": write_key(running), "events": [order, {"eventId": "7"}]}
    answer = knock(running, DOOR, body, origin=PAGE, content_type="text/plain;charset=UTF-8")
    assert answer["status"] == 207
    assert statuses(answer) == ["accepted", "rejected"]
    assert answer["headers"]["access-control-allow-origin"] == PAGE
    assert answer["headers"]["vary"] == "origin"
    # Sent once more it is a duplicate, which a key that all can read is not told.
    assert statuses(knock(running, DOOR, body, origin=PAGE)) == ["accepted", "rejected"]
    stored = running.get("/v1/events/{eventId}", eventId=order["eventId"])["body"]
    assert stored["platform"]["orgId"] == ACME
    assert stored["eventSource"] == "web"


def test_the_key_says_whose_events_they_are(running: Platform) -> None:
    order = events.order()
    for org in (ACME, GLOBEX):
        answer = knock(running, DOOR, {"events": [order]}, authorization=basic(write_key(running, org)))
        assert statuses(answer) == ["accepted"]
        assert "access-control-allow-origin" not in answer["headers"], "no page has asked"
        assert running.stored(org, order["eventId"])


def test_gzip_is_read_within_the_same_limit(running: Platform) -> None:
    key = write_key(running)
    body = gzip.compress(json.dumps({"events": [events.order()]}).encode())
    assert knock(running, DOOR, body, authorization=basic(key), content_encoding="gzip")["status"] == 202
    bomb = gzip.compress(b" " * (limits.BYTES_PER_PAGE_REQUEST + 1))
    answer = knock(running, DOOR, bomb, authorization=basic(key), content_encoding="gzip", origin=PAGE)
    assert answer["status"] == 413
    assert knock(running, DOOR, b"{}", authorization=basic(key), content_encoding="br")["status"] == 415


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://shop.example.evil.example", "http://shop.example", "null", ""]
)
def test_a_hostile_page_is_refused_and_cannot_read_why(running: Platform, origin: str) -> None:
    order = events.order()
    body = {"writeKey": write_key(running), "events": [order]}
    answer = knock(running, DOOR, body, origin=origin, content_type="text/plain")
    assert answer["status"] == 403
    assert "access-control-allow-origin" not in answer["headers"]
    assert not running.stored(ACME, order["eventId"])


def test_a_page_of_the_key_reads_errors_and_no_other_does(running: Platform) -> None:
    key = write_key(running)
    other = write_key(running, GLOBEX, origins=("https://other.example",))
    broken = f'{{"writeKey": "{key}", "events": ['.encode()
    requests: list[tuple[int, object, dict[str, Any]]] = [
        (400, broken, {}),
        (400, {"writeKey": key, "events": [{"eventId": "7"}]}, {}),
        (413, {"writeKey": key, "events": [{}] * 501}, {}),
        (413, broken + b" " * limits.BYTES_PER_PAGE_REQUEST, {}),
        (415, b"{}", {"authorization": basic(key), "content_encoding": "br"}),
        (415, broken, {"content_encoding": "br"}),
        (400, b"{}", {"authorization": basic(key)}),
    ]
    for status, body, headers in requests:
        answer = knock(running, DOOR, body, origin=PAGE, **headers)
        assert (answer["status"], answer["headers"].get("access-control-allow-origin")) == (status, PAGE)
        assert answer["headers"]["vary"] == "origin"
        for origin in ("https://evil.example", "https://other.example", "null", ""):
            hostile = knock(running, DOOR, body, origin=origin, **headers)
            assert hostile["status"] >= 400
            assert "access-control-allow-origin" not in hostile["headers"]
    assert "access-control-allow-origin" not in knock(running, DOOR, broken)["headers"]
    unknown = {"writeKey": "mk_" + "x" * 43, "events": [{}]}
    assert "access-control-allow-origin" not in knock(running, DOOR, unknown, origin=PAGE)["headers"]
    # A key of another tenant beside it opens nothing for that tenant's pages.
    both = f'{{"writeKey": "{key}", "other": "{other}", '.encode()
    answer = knock(running, DOOR, both, origin="https://other.example")
    assert "access-control-allow-origin" not in answer["headers"]


def test_a_page_reads_that_it_sends_too_much(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise Problem(429, "too many events", headers={"retry-after": "1"})

    monkeypatch.setattr(Rates, "take_events", full)
    body = {"writeKey": write_key(running), "events": [events.order()]}
    answer = knock(running, DOOR, body, origin=PAGE)
    assert (answer["status"], answer["headers"]["access-control-allow-origin"]) == (429, PAGE)
    assert "retry-after" in answer["headers"]["access-control-expose-headers"]


@pytest.mark.parametrize("key", [None, "", "mk_", "mk_" + "x" * 43, 7, {"a": 1}, "mk_" + "é" * 43])
def test_without_a_known_key_there_is_no_tenant(running: Platform, key: Any) -> None:
    assert knock(running, DOOR, {"writeKey": key, "events": [events.order()]})["status"] == 401


def test_a_key_with_other_rights_is_not_for_pages(running: Platform) -> None:
    body = {"writeKey": running.keys[ACME], "events": [events.order()]}
    assert knock(running, DOOR, body)["status"] == 401, "emptied, the platform knows no key"
    metadata = Table(running.dynamodb, "Metadata")
    key = create_api_key(metadata, org=ACME, name="shop", scopes=["events:write"])
    assert knock(running, DOOR, {"writeKey": key, "events": [events.order()]})["status"] == 403


def test_a_public_key_can_do_nothing_else(running: Platform) -> None:
    assert running.post(events.order(), scopes=PUBLIC_SCOPE)["status"] == 403
    assert running.get("/v1/events", query={"userId": "u"}, scopes=PUBLIC_SCOPE)["status"] == 403
    assert PUBLIC_SCOPE not in ALL_SCOPES
    metadata = Table(running.dynamodb, "Metadata")
    for scopes, origins in (
        ([PUBLIC_SCOPE, "events:read"], []),
        (["events:write"], [PAGE]),
        ([PUBLIC_SCOPE], ["*"]),
        ([PUBLIC_SCOPE], ["https://shop.example/"]),
    ):
        with pytest.raises(PermanentError):
            create_api_key(metadata, org=ACME, name="web", scopes=scopes, origins=origins)


def test_a_revoked_key_is_refused_by_a_new_copy(running: Platform) -> None:
    key = write_key(running)
    body = {"writeKey": key, "events": [events.order()]}
    assert knock(running, DOOR, body)["status"] == 202
    revoke_api_key(Table(running.dynamodb, "Metadata"), key)
    running.restart_all()
    assert knock(running, DOOR, body)["status"] == 401


def test_a_page_may_ask_first_and_send_what_headers_it_likes(running: Platform) -> None:
    names = "anonymousid,authorization,content-type,sentat"
    answer = knock(
        running, "OPTIONS /v1/collect", origin="https://any.example", access_control_request_headers=names
    )
    assert answer["status"] == 204
    assert answer["body"] == ""
    assert answer["headers"]["access-control-allow-origin"] == "https://any.example"
    assert answer["headers"]["access-control-allow-headers"] == names
    for odd in ("", "*", "a\r\nb", "a;b", "x" * 3000):
        answer = knock(running, "OPTIONS /v1/collect", origin=PAGE, access_control_request_headers=odd)
        assert "access-control-allow-headers" not in answer["headers"], odd
    assert "access-control-allow-origin" not in knock(running, "OPTIONS /v1/collect")["headers"]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"7", b'{"events": 7}', b'{"events": []}', b"\xff"])
def test_what_is_no_request_is_a_bad_one(running: Platform, body: bytes) -> None:
    assert knock(running, DOOR, body, authorization=basic(write_key(running)))["status"] == 400


def test_limits(running: Platform) -> None:
    key = basic(write_key(running))
    assert knock(running, DOOR, {"events": [{}] * 501}, authorization=key)["status"] == 413
    assert knock(running, DOOR, b" " * (512 * 1024 + 1), authorization=key, origin=PAGE)["status"] == 413
    assert knock(running, DOOR, b" " * (4 * 1024 * 1024 + 1), authorization=key)["status"] == 413
    long = json.dumps({"events": [events.order(payload={"extra": 2**63})]}).encode()
    answer = knock(running, DOOR, long, authorization=key)
    assert answer["body"]["results"][0]["errors"][0]["code"] == "malformed"
