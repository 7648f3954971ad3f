"""A short run of generated requests against the real handler of post_events; `make fuzz` is the long one."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.fuzz.post import CALLER, NOW, seeds
from tests.support.fuzz.run import judge, run
from tests.support.fuzz.stores import Stores

REQUESTS = 2000


@pytest.mark.timeout(300)
def test_no_request_breaks_a_promise(bundle: Path) -> None:
    report = run(REQUESTS)
    assert report.failures == []
    assert report.requests >= REQUESTS
    # The run saw what it was made for.
    assert {202, 207, 400, 401, 403, 415, 503} <= set(report.statuses)
    assert {"accepted", "duplicate", "conflict", "rejected", "unavailable"} <= set(report.outcomes)


def sent(*events: Any) -> dict[str, Any]:
    return {
        "routeKey": "POST /v1/events",
        "headers": {"content-type": "application/json"},
        "requestContext": {"requestId": "r-1", "authorizer": {"lambda": CALLER}},
        "body": json.dumps(events),
        "isBase64Encoded": False,
    }


def test_the_judge_sees_a_broken_promise(bundle: Path) -> None:
    good = {**seeds("golden")[0], "timestamp": NOW}

    def forgets(event: dict[str, Any], context: object) -> dict[str, Any]:
        answer: dict[str, Any] = inner(event, context)
        body = json.loads(answer["body"])
        body["results"].pop()
        return {**answer, "body": json.dumps(body)}

    with judge() as held:
        assert held.send(sent(good))["statusCode"] == 202
        inner, held.handler = held.handler, forgets
        with pytest.raises(AssertionError):
            held.send(sent(good, {}))


def test_the_stores_refuse_what_dynamodb_refuses() -> None:
    rows: list[dict[str, dict[str, Any]]] = [
        {"userKey": {"S": "x" * 2049}},
        {"sortKey": {"S": ""}},
        {"codes": {"SS": []}},
    ]
    for wrong in rows:
        with pytest.raises(AssertionError):
            Stores().put_item(Item={"eventId": {"S": "a"}, **wrong})
    with pytest.raises(UnicodeEncodeError):
        Stores().put_item(Item={"eventId": {"S": "\ud800"}})
