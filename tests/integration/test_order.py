"""Lists in the order of microseconds: bounds, pages inside one millisecond, rows whose keys say milliseconds."""

import random
from datetime import timedelta
from typing import Any

import pytest

from millrace.core import clock, keys
from millrace.eventstore import cursor as cursors
from tests.support import events
from tests.support.platform import ACME, Platform, ids

LIST = "/v1/events"
PATHS = {
    "eventType": "order.created",
    "userId": "usr_4711",
    "correlationId": "checkout-17",
    "sessionId": "ses_17",
    "entity": "order:ord_7",
}
# Of one second, in order: with no fraction, with three digits, six, and nine, which count as six.
FRACTIONS = ["", ".000001", ".1", ".122999", ".123", ".1230004", ".123001", ".123456", ".123456789", ".124"]


def sent(running: Platform, offset: str = "Z") -> list[dict[str, Any]]:
    """Events of one second, oldest first; what is equal to the microsecond by id."""
    moment = (clock.now() - timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S")
    made = [
        events.order(timestamp=f"{moment}{fraction}{offset}", payload={"orderId": "ord_7"})
        for fraction in FRACTIONS
    ]
    shuffled = random.Random(1).sample(made, len(made))
    assert running.post(shuffled)["body"]["accepted"] == len(made)
    running.settle()
    return sorted(made, key=lambda event: (clock.parse(event["timestamp"]), event["eventId"]))


def write_as_before(running: Platform, chosen: list[dict[str, Any]]) -> None:
    """Gives rows and pointers the keys of milliseconds, as they were written before."""
    wanted = {event["eventId"] for event in chosen}
    for table, key in (("Events", ("eventId",)), ("UserEvents", ("userKey", "sortKey"))):
        for row in running.rows(table):
            if keys.id_of(row["sortKey"]["S"]) in wanted:
                running.dynamodb.delete_item(TableName=table, Key={name: row[name] for name in key})
                before = {"S": keys.of_milliseconds(row["sortKey"]["S"])}
                running.dynamodb.put_item(TableName=table, Item={**row, "sortKey": before})


def paged(running: Platform, query: dict[str, str], limit: int) -> list[str]:
    collected: list[str] = []
    request = {**query, "limit": str(limit)}
    for _ in range(40):
        page = running.get(LIST, query=request)["body"]
        collected += ids(page["items"])
        if page["cursor"] is None:
            return collected
        request["cursor"] = page["cursor"]
    raise AssertionError("the pages have no end")


@pytest.mark.parametrize("before", ["none", "some", "all"])
def test_lists_are_in_the_order_of_microseconds(running: Platform, before: str) -> None:
    made = sent(running)
    write_as_before(running, {"none": [], "some": made[::2], "all": made}[before])
    newest_first = ids(reversed(made))
    for name, value in PATHS.items():
        assert paged(running, {name: value}, 50) == newest_first, name
    for limit in (1, 2, 3):
        assert paged(running, {"eventType": "order.created"}, limit) == newest_first
        assert paged(running, {"sessionId": "ses_17"}, limit) == newest_first
    # Every interval between two of the moments, each with an offset of its own spelling.
    moments = sorted({clock.parse(event["timestamp"]) for event in made})
    for since in moments:
        for until in moments:
            request = {"from": since.isoformat(), "to": clock.utc_micros(until)}
            found = ids(running.get(LIST, query={**request, "eventType": "order.created"})["body"]["items"])
            between = [e["eventId"] for e in made if since <= clock.parse(e["timestamp"]) < until]
            assert found == between[::-1], request


def test_a_pointer_that_is_there_in_both_widths_is_one_event(running: Platform) -> None:
    made = sent(running)
    old = [dict(row) for row in running.rows("UserEvents")]
    for row in old:
        before = {"S": keys.of_milliseconds(row["sortKey"]["S"])}
        running.dynamodb.put_item(TableName="UserEvents", Item={**row, "sortKey": before})
    assert paged(running, {"sessionId": "ses_17"}, 2) == ids(reversed(made))


def test_the_trace_finds_a_pointer_of_either_width(running: Platform) -> None:
    made = sent(running)
    write_as_before(running, made[:4])
    for event in (made[0], made[-1]):
        steps = running.get("/v1/events/{eventId}/trace", eventId=event["eventId"])["body"]["steps"]
        assert "projected" in [step["step"] for step in steps]


def test_a_cursor_of_milliseconds_is_refused(running: Platform) -> None:
    made = sent(running)
    query = {"call": f"GET {LIST}", "given": {"eventType": "order.created"}}
    for position in (f"{made[0]['timestamp'][:19]}.123Z#{made[0]['eventId']}", "x", "\x00", "9" * 5000):
        request = {"eventType": "order.created", "cursor": cursors.encode(ACME, query, position)}
        answer = running.get(LIST, query=request)
        assert (answer["status"], "another version" in answer["body"]["detail"]) == (400, True)


def test_an_offset_says_the_same_moment(running: Platform) -> None:
    made = sent(running, "+00:00")
    assert paged(running, {"userId": "usr_4711"}, 3) == ids(reversed(made))
