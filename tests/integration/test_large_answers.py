"""The largest and deepest events that can be stored: every answer that holds them fits, and costs little memory."""

import json
import tracemalloc
from typing import Any

import orjson
import pytest

from millrace.contracts import registry
from millrace.core import sizes
from millrace.eventstore.codec import Codec
from tests.support import events
from tests.support.platform import Platform, ids

EVENT, LIST, TRACE = "/v1/events/{eventId}", "/v1/events", "/v1/events/{eventId}/trace"
# What a function may answer, the body escaped as a JSON text.
ANSWER = 6 * 1024 * 1024


def store_with(running: Platform, event_id: str, note: bytes) -> None:
    """Puts a text in place of the note in an event's row, as a row of before may hold it."""
    codec = Codec(registry.load().dictionary)
    for row in running.rows("Events"):
        if row["eventId"]["S"].endswith(event_id):
            body = codec.unpack(bytes(row["body"]["B"]), row["dict"]["S"])
            assert b'"note":"here"' in body
            packed = codec.pack(body.replace(b'"note":"here"', b'"note":' + note), row["dict"]["S"])
            running.dynamodb.put_item(TableName="Events", Item={**row, "body": {"B": packed}})


def raw_get(running: Platform, route: str, **given: Any) -> str:
    return running.text(route, **given)


def test_a_row_that_nests_deeper_than_json_is_written_is_listed_and_read(running: Platform) -> None:
    deep, flat = events.order(payload={"note": "here"}), events.order()
    assert running.post([deep, flat])["body"]["accepted"] == 2
    for levels in (250, 254, 600):
        running.post(extra := events.order(payload={"note": "here"}))
        store_with(running, extra["eventId"], b"[" * levels + b"]" * levels)
    running.settle()
    found = json.loads(raw_get(running, LIST, query={"eventType": "order.created"}))
    assert len(found["items"]) == 5
    for query in ({"userId": "usr_4711"}, {"sessionId": "ses_17"}, {"correlationId": "checkout-17"}):
        assert sorted(ids(json.loads(raw_get(running, LIST, query=query))["items"])) == sorted(
            ids(found["items"])
        )
    for item in found["items"]:
        assert running.get(EVENT, eventId=item["eventId"])["body"] == item
        assert running.get(TRACE, eventId=item["eventId"])["status"] == 200


def test_pages_of_the_largest_events_fit_and_cost_little(running: Platform) -> None:
    # Each character of these is four bytes once the answer is a text: a quote, escaped, escaped again.
    quotes = [events.order(payload={"note": "here"}) for _ in range(30)]
    # And these are many small objects, of which each costs far more as an object than as text.
    objects = [events.order(payload={"note": "here"}) for _ in range(30)]
    assert running.post([*quotes, *objects])["body"]["accepted"] == 60
    for event in quotes:
        store_with(running, event["eventId"], orjson.dumps('"' * 125_000))
    for event in objects:
        store_with(running, event["eventId"], b"[" + b",".join([b'{"":0}'] * 35_000) + b"]")
    seen: list[str] = []
    query = {"eventType": "order.created", "limit": "500"}
    for _ in range(40):
        running.get("/v1/health")
        tracemalloc.start()
        answer = running.functions["read_api"](
            {
                "routeKey": "GET /v1/events",
                "queryStringParameters": query,
                "requestContext": {
                    "requestId": "r",
                    "authorizer": {"lambda": {"org": "org_acme", "principal": "p", "scopes": "events:read"}},
                },
            },
            None,
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert sizes.of(answer["body"].encode()) < ANSWER
        # Of the function's 1,024 MB; moto's own rows are in it.
        assert peak < 200 * 1024 * 1024
        page = json.loads(answer["body"])
        seen += ids(page["items"])
        if page["cursor"] is None:
            break
        query["cursor"] = page["cursor"]
    assert sorted(seen) == sorted(event["eventId"] for event in (*quotes, *objects))
    for event in (quotes[0], objects[0]):
        assert sizes.of(raw_get(running, EVENT, eventId=event["eventId"]).encode()) < ANSWER


def test_the_raw_of_the_largest_refusals_fits(running: Platform) -> None:
    for unit in (b'"', b'"xx', b"\\", b"\x00", b"\xff", "é".encode(), b"x"):
        body = (b"{" + unit * (4 * 1024 * 1024 // len(unit)))[: 4 * 1024 * 1024 - 10]
        refused = running.post(body)["body"]["results"][0]["quarantineId"]
        text = raw_get(running, "/v1/quarantine/{id}", id=refused)
        assert sizes.of(text.encode()) < ANSWER, unit
        assert json.loads(text)["rawEncoding"] in ("base64", "utf-8")


def test_the_answer_to_the_most_errors_fits(running: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    strange = {f"{number:02d}" + '"' * 62: 1 for number in range(20)}
    sent = [{**events.order(), **strange} for _ in range(370)]
    monkeypatch.setattr(sizes, "BYTES", 1 << 20)
    answer = running.post(orjson.dumps(sent))
    assert answer["status"] == 400
    results = answer["body"]["results"]
    assert sizes.of(orjson.dumps(answer["body"])) < 1 << 20
    assert len(results) == 370
    assert all(
        len(result["errors"]) == 1 and result["errors"][0]["code"] == "unknown_field" for result in results
    )
    # All of them are kept with the event.
    found = running.get("/v1/quarantine/{id}", id=results[-1]["quarantineId"])["body"]
    assert len(found["errors"]) == 20
    # A request of which all errors fit shows them.
    few = running.post(orjson.dumps(sent[:100]))["body"]["results"]
    assert all(len(result["errors"]) == 20 for result in few)
