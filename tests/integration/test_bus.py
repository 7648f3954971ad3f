"""Events that EventBridge brings: the tenant is the binding's, refused is done, unavailable comes again."""

import json
from typing import Any

import pytest

from millrace.core.errors import RetryableError
from millrace.eventstore.append import AppendResult, TableAppender
from tests.support import events
from tests.support.platform import ACME, GLOBEX, Platform

EVENT = "/v1/events/{eventId}"


def message(number: int, detail: object, **changes: Any) -> dict[str, Any]:
    body = {
        "org": ACME,
        "binding": "Shop",
        "eventType": "",
        "id": f"bridge-{number}",
        "source": "shop",
        "time": events.moment(),
        "detail": detail,
        **changes,
    }
    return {"messageId": f"message-{number}", "body": json.dumps(body), "eventSource": "aws:sqs"}


def receive(running: Platform, *messages: dict[str, Any]) -> list[str]:
    """The ids of the messages that come again."""
    answer = running.functions["receive_bus_events"]({"Records": list(messages)}, None)
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def test_an_event_of_ours_is_taken_for_the_bindings_tenant(running: Platform) -> None:
    event = events.order()
    assert receive(running, message(1, event)) == []
    stored = running.get(EVENT, eventId=event["eventId"])["body"]
    assert (stored["platform"]["orgId"], stored["eventSource"]) == (ACME, "Shop")
    assert running.get(EVENT, org=GLOBEX, eventId=event["eventId"])["status"] == 404


def test_a_second_delivery_of_a_message_changes_nothing(running: Platform) -> None:
    event = events.order()
    foreign = {"webhookId": "wh_1", "source": "stripe", "payload": {}}
    sent = (message(1, event), message(2, foreign, eventType="integration.webhook.received"))
    assert receive(running, *sent) == receive(running, *sent) == []
    assert len(running.rows("Events")) == 2
    assert running.get("/v1/quarantine")["body"]["items"] == []


def test_a_foreign_detail_becomes_a_payload_with_an_id_of_its_own(running: Platform) -> None:
    foreign = {"webhookId": "wh_1", "source": "stripe", "payload": {"id": "evt_1"}}
    wrapped = {"eventType": "integration.webhook.received"}
    assert receive(running, message(1, foreign, **wrapped), message(1, foreign, org=GLOBEX, **wrapped)) == []
    found = {}
    for org in (ACME, GLOBEX):
        (found[org],) = running.get(
            "/v1/events", org=org, query={"eventType": "integration.webhook.received"}
        )["body"]["items"]
        assert found[org]["data"]["payload"] == foreign
        assert found[org]["eventSource"] == "shop"
    assert found[ACME]["eventId"] != found[GLOBEX]["eventId"]


def test_refused_is_kept_and_done(running: Platform) -> None:
    bad = events.order(payload={"totalAmount": -1})
    assert receive(running, message(1, bad), message(2, "text"), message(3, {"orgId": GLOBEX})) == []
    kept = running.get("/v1/quarantine")["body"]["items"]
    assert [item["source"] for item in kept] == ["eventbridge"] * 3
    assert running.get("/v1/quarantine", org=GLOBEX)["body"]["items"] == []


def test_only_what_could_not_be_stored_comes_again(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = events.order(), events.order()

    def append(self: TableAppender, items: list[Any]) -> list[AppendResult]:
        ours = [item for item in items if first["eventId"] in item["eventId"]["S"]]
        return [AppendResult.UNAVAILABLE] * len(items) if ours else original(self, items)

    original = TableAppender.append
    monkeypatch.setattr(TableAppender, "append", append)
    assert receive(running, message(1, first), message(2, second)) == ["message-1"]
    monkeypatch.undo()
    assert receive(running, message(1, first)) == []
    assert len(running.rows("Events")) == 2


def test_what_no_rule_wrote_ends_in_the_dead_letters(running: Platform) -> None:
    for body in ("", "[]", "{}", '{"org": ""}', '{"org": 7, "binding": "a", "detail": {}}'):
        assert receive(running, {"messageId": "m", "body": body, "eventSource": "aws:sqs"}) == ["m"], body


def test_a_tenant_key_that_cannot_be_had_brings_the_message_back(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from millrace.eventstore.tenant_key import WrappedTenantKeys

    def broken(self: WrappedTenantKeys, org: str) -> bytes:
        raise RetryableError("no KMS")

    monkeypatch.setattr(WrappedTenantKeys, "key", broken)
    assert receive(running, message(1, events.order())) == ["message-1"]


@pytest.mark.parametrize("value", ['"\\ud800"', "1e400", "9" * 400])
def test_what_no_parser_takes_is_kept_as_a_posted_one_is(running: Platform, value: str) -> None:
    broken = message(1, "HERE")
    broken["body"] = broken["body"].replace('"HERE"', f'{{"eventId":"x","odd":{value}}}')
    good = events.order()
    assert receive(running, broken, message(2, good)) == []
    assert running.get(EVENT, eventId=good["eventId"])["status"] == 200
    (kept,) = running.get("/v1/quarantine")["body"]["items"]
    assert [error["code"] for error in kept["errors"]] == ["malformed"]
