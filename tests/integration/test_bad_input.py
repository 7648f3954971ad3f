"""Bad input through the front door: each case of docs/api.md, answered precisely, nothing lost, nothing a 500."""

import gzip
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support import events
from tests.support.platform import Platform

DOCUMENT = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied."""
    warm.empty()
    return warm


@dataclass(frozen=True)
class Case:
    """One row of the document: what is sent, the status, and the code of its (first) refusal if it is kept."""

    send: Callable[[], Any]
    status: int
    code: str | None = None
    content_type: str | None = "application/json"
    compress: bool = False


def order(**changes: Any) -> dict[str, Any]:
    return events.order(**changes)


def text(raw: str) -> Callable[[], bytes]:
    return raw.encode


def with_payload(raw: str) -> Callable[[], bytes]:
    """An order whose payload has one more field, written exactly as given."""
    whole = json.dumps(order())
    return lambda: whole.replace('"payload": {', f'"payload": {{"extra": {raw}, ', 1).encode()


def with_id(field: str, value: str) -> Callable[[], dict[str, Any]]:
    return lambda: order(**{field: value})


CASES: dict[str, Case] = {
    "malformed JSON": Case(text('{"eventId": '), 400, "malformed"),
    "no content type": Case(order, 415, content_type=None),
    "wrong content type": Case(order, 415, content_type="text/plain"),
    "empty body": Case(text(""), 400),
    "empty batch": Case(list, 400),
    "501 events": Case(lambda: [order()] * 501, 413),
    "5 MB": Case(lambda: b" " * (5 * 1024 * 1024), 413),
    "gzip that inflates to 500 MB": Case(lambda: b" " * (500 * 1024 * 1024), 413, compress=True),
    "one event of 300 KB": Case(lambda: order(payload={"note": "x" * 300_000}), 400, "too_large"),
    "NDJSON with one broken line": Case(
        lambda: json.dumps(order()).encode() + b'\n{"a":\n' + json.dumps(order()).encode(),
        207,
        "malformed",
        content_type="application/x-ndjson",
    ),
    "an array in an array": Case(lambda: [[order()]], 400, "type"),
    "a number instead of an event": Case(text("7"), 400, "type"),
    "NaN": Case(with_payload("NaN"), 400, "malformed"),
    "Infinity": Case(with_payload("-Infinity"), 400, "malformed"),
    "1e400": Case(with_payload("1e400"), 400, "malformed"),
    "an integer beyond 64 bits": Case(with_payload("9223372036854775808"), 400, "malformed"),
    "an integer of 20 digits below 2^64": Case(with_payload("18446744073709551615"), 400, "malformed"),
    "an integer of 21 digits beside 1e20": Case(
        with_payload('[1e20, "100000000000000000000", 100000000000000000000]'), 400, "malformed"
    ),
    "nesting 1,000 deep": Case(with_payload("[" * 1000 + "]" * 1000), 400, "malformed"),
    "nesting 300 deep": Case(with_payload("[" * 300 + "]" * 300), 400, "malformed"),
    # The event, its data and its payload are three levels.
    "nesting 65 deep": Case(with_payload("[" * 62 + "]" * 62), 400, "malformed"),
    "37,000 objects in a free field": Case(
        lambda: order(payload={"extra": [{"": 0}] * 37_000}), 400, "too_large", compress=True
    ),
    "4,001 names in a free field": Case(
        lambda: order(payload={"extra": dict.fromkeys(map(str, range(4_001)), 0)}), 400, "too_large"
    ),
    "a lone surrogate": Case(with_payload('"\\ud800"'), 400, "malformed"),
    "no UTF-8": Case(lambda: b'{"a": "\xff\xfe"}', 400, "malformed"),
    "no UTF-8 in one line of NDJSON": Case(
        lambda: json.dumps(order()).encode() + b'\n{"a":"\xff"}\n' + json.dumps(order()).encode(),
        207,
        "malformed",
        content_type="application/x-ndjson",
    ),
    "no UTF-8, compressed": Case(lambda: b'{"a": "\xc3("}', 400, "malformed", compress=True),
    "UTF-16": Case(lambda: json.dumps(order()).encode("utf-16"), 400, "malformed"),
    "a byte order mark": Case(lambda: json.dumps(order()).encode("utf-8-sig"), 400, "malformed"),
    "a type of the platform's own": Case(with_id("eventType", "fraud.decision.made"), 400, "reserved_type"),
    "an alert that no contract describes": Case(with_id("eventType", "alert.fell"), 400, "reserved_type"),
    "a source of the platform's own": Case(with_id("eventSource", "millrace.fraud"), 400, "rule"),
    "a payload's moment beyond the year 9999 in UTC": Case(
        lambda: events.transaction(payload={"timestamp": "9999-12-31T23:59:59-05:00"}), 400, "format"
    ),
    "a payload's moment before the year 1000 in UTC": Case(
        lambda: events.transaction(payload={"timestamp": "1000-01-01T00:00:00+14:00"}), 400, "format"
    ),
    "an offset of 29 hours": Case(
        lambda: events.transaction(payload={"timestamp": "2026-11-21T05:59:00+29:59"}), 400, "format"
    ),
    "NUL in an id": Case(with_id("correlationId", "a\x00b"), 400, "format"),
    "a control character in an id": Case(with_id("sessionId", "a\x1b[2Jb"), 400, "format"),
    "a right-to-left trick in an id": Case(with_id("correlationId", "a\u202eb"), 400, "format"),
    "an empty id": Case(with_id("correlationId", ""), 400, "minimum"),
    "an id of 300 characters": Case(with_id("sessionId", "x" * 300), 400, "maximum"),
    "an id that is no v4 uuid": Case(
        with_id("eventId", "3f2b8c1e-5d74-1a6b-9e0f-7c1d2a3b4c5d"), 400, "format"
    ),
    "an id with spaces around": Case(
        with_id("eventId", " 3f2b8c1e-5d74-4a6b-9e0f-7c1d2a3b4c5d"), 400, "format"
    ),
    "a timestamp without offset": Case(with_id("timestamp", "2026-11-21T06:00:00"), 400, "format"),
    "a leap second": Case(with_id("timestamp", "2016-12-31T23:59:60Z"), 400, "format"),
    "30 February": Case(with_id("timestamp", "2026-02-30T00:00:00Z"), 400, "format"),
    "a timestamp of 1970": Case(with_id("timestamp", "1970-01-01T00:00:00Z"), 400, "timestamp_range"),
    "a timestamp 10 years ahead": Case(
        with_id("timestamp", events.moment(-timedelta(days=3653))), 400, "timestamp_range"
    ),
    "an unknown type": Case(with_id("eventType", "order.teleported"), 400, "unknown_type"),
    "an unknown version": Case(with_id("version", "9.0.0"), 400, "unknown_version"),
    "a minor newer than ours": Case(with_id("version", "1.999"), 400, "unknown_version"),
    "a version that is none": Case(with_id("version", "latest"), 400, "format"),
    "an unknown top-level field": Case(with_id("userid", "usr_1"), 400, "unknown_field"),
    "a body that names another tenant": Case(with_id("orgId", "org_globex"), 400, "unknown_field"),
    "a missing field": Case(lambda: {k: v for k, v in order().items() if k != "data"}, 400, "missing"),
    "a total that is not a sum": Case(lambda: order(payload={"totalAmount": 45.50}), 400, "rule"),
    "a negative amount": Case(lambda: order(payload={"totalAmount": -3}), 400, "minimum"),
    "five decimals of money": Case(lambda: events.transaction(payload={"amount": 1.00001}), 400, "format"),
    "money beyond a trillion": Case(lambda: events.transaction(payload={"amount": 1.1e12}), 400, "maximum"),
    "text where a number belongs": Case(lambda: events.transaction(payload={"amount": "57.16"}), 400, "type"),
}


def codes(answer: dict[str, Any]) -> list[str]:
    return [error["code"] for result in answer["body"]["results"] for error in result.get("errors", [])]


@pytest.mark.parametrize("name", CASES)
def test_a_bad_request_is_answered_and_what_is_refused_is_kept(running: Platform, name: str) -> None:
    case = CASES[name]
    body = case.send()
    answer = running.post(body, content_type=case.content_type, compress=case.compress)
    assert answer["status"] == case.status, answer["body"]
    if case.code is None:
        if "results" not in answer["body"]:
            assert answer["headers"]["content-type"] == "application/problem+json"
            assert answer["body"]["status"] == case.status
            assert running.rows("Events") == []
        return
    assert case.code in codes(answer)
    assert sum(answer["body"][n] for n in ("accepted", "rejected")) == len(answer["body"]["results"])
    assert len(running.rows("Events")) == answer["body"]["accepted"]
    lately = {"from": events.moment(timedelta(hours=1))}
    kept = running.get("/v1/quarantine", query=lately)["body"]["items"]
    assert len(kept) == answer["body"]["rejected"]
    assert case.code in {error["code"] for item in kept for error in item["errors"]}
    whole = running.get("/v1/quarantine/{id}", id=kept[0]["quarantineId"])["body"]
    assert whole["raw"]


@pytest.mark.parametrize(
    "value", ["a#b", 'a"b', "a%23b", "a'b;--", "ünï😀", "a/b\\c", "{}", "session:x", "#", "%", "a b"]
)
def test_ids_of_any_printable_kind_are_taken_and_found(running: Platform, value: str) -> None:
    event = order(correlationId=value, sessionId=value, user=value, payload={"orderId": value})
    assert running.post(event)["status"] == 202
    running.post(order(correlationId="other", sessionId="other", user="other"))
    running.settle()
    filters = {"correlationId": value, "sessionId": value, "userId": value, "entity": f"order:{value}"}
    for name, asked in filters.items():
        found = running.get("/v1/events", query={name: asked})["body"]["items"]
        assert [item["eventId"] for item in found] == [event["eventId"]], name


def test_the_last_of_duplicate_keys_wins_everywhere(running: Platform) -> None:
    event = order()
    raw = json.dumps(event)[:-1] + ', "correlationId": "the last"}'
    assert running.post(raw.encode())["status"] == 202
    stored = running.get("/v1/events/{eventId}", eventId=event["eventId"])["body"]
    assert stored["correlationId"] == "the last"
    assert running.post({**event, "correlationId": "the last"})["body"]["duplicates"] == 1


def test_broken_gzip_says_so(running: Platform) -> None:
    whole = gzip.compress(json.dumps(order()).encode())
    event = running.request(whole[:-4], content_encoding="gzip")
    assert event["status"] == 400
    assert "gzip" in event["body"]["detail"]


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"userId": "a", "eventType": "b"},
        {"userId": ""},
        {"eventType": "order.created", "limit": "0"},
        {"eventType": "order.created", "limit": "501"},
        {"eventType": "order.created", "limit": "ten"},
        {"eventType": "order.created", "limit": "١"},
        {"eventType": "order.created", "from": "yesterday"},
        {"eventType": "order.created", "to": "2026-11-21"},
        {"eventType": "order.created", "colour": "red"},
        {"entity": "order"},
        {"userId": "x" * 600},
    ],
)
def test_lists_refuse_what_they_do_not_take(running: Platform, query: dict[str, str]) -> None:
    answer = running.get("/v1/events", query=query)
    assert answer["status"] == 400
    assert answer["headers"]["content-type"] == "application/problem+json"


@pytest.mark.parametrize("identifier", ["", "x", "x" * 36, "../../etc", "a" * 5000])
def test_an_id_that_is_none_is_not_found(running: Platform, identifier: str) -> None:
    assert running.get("/v1/events/{eventId}", eventId=identifier)["status"] == 404


def test_the_document_has_a_row_for_each_case() -> None:
    rows = set(re.findall(r"^\| ([^|]+?) \|", DOCUMENT.read_text().split("## Bad input")[1], re.MULTILINE))
    assert set(CASES) <= rows
