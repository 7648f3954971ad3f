"""The door of webhooks: what is signed is taken once, what is not is kept nowhere, and nobody learns which sources there are."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from millrace.core import aws, clock, limits
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.webhooks import (
    SECRET,
    SERVICE,
    STRIPE,
    charge,
    deliver,
    of_standard,
    of_stripe,
    set_secret,
)

SERVICE_SECRET = "whsec_" + base64.b64encode(b"of a service of their own").decode()
TAKEN = {"accepted": 1, "duplicates": 0, "conflicts": 0, "rejected": 0}


@pytest.fixture
def running(warm: Platform) -> Platform:
    """Its stores, emptied, and new copies of its functions, which hold no secret; both sources have one."""
    warm.empty()
    warm.restart_all()
    for source, secret in ((STRIPE, SECRET), (SERVICE, SERVICE_SECRET)):
        set_secret(source, secret, overlap=timedelta(0))
    return warm


def rows(running: Platform) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = running.dynamodb.scan(TableName="Events")["Items"]
    return items


def kept(running: Platform) -> dict[str, bytes]:
    return running.objects("quarantine/")


def of_type(running: Platform, event_type: str, org: str = ACME) -> list[dict[str, Any]]:
    answer = running.get("/v1/events", query={"eventType": event_type}, org=org)
    items: list[dict[str, Any]] = answer["body"]["items"]
    return items


def counts(answer: dict[str, Any]) -> dict[str, int]:
    assert answer["status"] == 200, answer
    return {name: number for name, number in answer["body"].items() if number}


def test_a_charge_becomes_a_payment_of_the_sources_tenant(running: Platform) -> None:
    assert deliver(running, STRIPE, charge())["body"] == TAKEN
    (event,) = of_type(running, "payment.captured")
    assert event["platform"]["orgId"] == ACME
    assert event["eventSource"] == "stripe"
    assert event["correlationId"] == "pi_1"
    assert event["data"]["payload"]["amount"] == 45.48
    assert event["data"]["payload"]["orderId"] == "ord_1"
    assert not of_type(running, "payment.captured", GLOBEX)


def test_a_storm_of_replays_is_one_event(running: Platform) -> None:
    body = json.dumps(charge()).encode()
    headers = of_stripe(body)
    answers = [deliver(running, STRIPE, body, headers) for _ in range(50)]
    assert [counts(one) for one in answers] == [{"accepted": 1}, *[{"duplicates": 1}] * 49]
    # A retry of Stripe's is signed anew and counts what is still to be delivered.
    again = json.dumps({**charge(), "created": json.loads(body)["created"], "pending_webhooks": 0}).encode()
    assert counts(deliver(running, STRIPE, again)) == {"duplicates": 1}
    assert len(rows(running)) == 1
    assert not kept(running)


def test_the_same_id_with_another_body_is_a_conflict(running: Platform) -> None:
    first = charge()
    assert counts(deliver(running, STRIPE, first)) == {"accepted": 1}
    first["data"]["object"]["amount_captured"] = 9999
    assert counts(deliver(running, STRIPE, first)) == {"conflicts": 1}
    (event,) = of_type(running, "payment.captured")
    assert event["data"]["payload"]["amount"] == 45.48
    (refused,) = running.get("/v1/quarantine")["body"]["items"]
    assert refused["errors"][0]["code"] == "conflict"


Forge = Callable[[bytes], dict[str, str]]
FORGED: dict[str, Forge] = {
    "no signature": lambda _: {},
    "another secret": lambda body: of_stripe(body, "whsec_other"),
    "of another body": lambda body: of_stripe(body + b" "),
    "a clock that is six minutes behind": lambda body: of_stripe(body, at=clock.now() - timedelta(minutes=6)),
    "a clock that is six minutes ahead": lambda body: of_stripe(body, at=clock.now() + timedelta(minutes=6)),
    "another scheme": lambda body: of_standard(body, SERVICE_SECRET, "evt_1"),
}


@pytest.mark.parametrize("forgery", FORGED)
def test_what_is_not_believed_is_kept_nowhere_and_counted(
    forgery: str, running: Platform, capsys: pytest.CaptureFixture[str]
) -> None:
    body = json.dumps(charge()).encode()
    answer = deliver(running, STRIPE, body, FORGED[forgery](body))
    assert answer["status"] == 401
    assert not rows(running)
    assert not kept(running)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [line["WebhooksNotBelieved"] for line in lines] == [[1.0]]


def test_nobody_learns_which_sources_there_are(running: Platform) -> None:
    body = json.dumps(charge()).encode()
    wrong = of_stripe(body, "whsec_other")

    def told(source: str) -> Any:
        answer = deliver(running, source, body, wrong)
        return answer["status"], answer["body"]["detail"], sorted(answer["headers"])

    answers = {repr(told(source)) for source in (STRIPE, "unknown", "canary", "a/b", "x" * 5000, "")}
    assert len(answers) == 1
    assert "401" in answers.pop()


def test_a_source_without_a_secret_believes_nobody(running: Platform) -> None:
    aws.client("secretsmanager").delete_secret(
        SecretId=f"millrace/local/sources/{STRIPE}", ForceDeleteWithoutRecovery=True
    )
    for secret in ("", SECRET):
        body = json.dumps(charge()).encode()
        assert deliver(running, STRIPE, body, of_stripe(body, secret))["status"] == 401


def test_a_secret_that_is_rotated_in_flight_is_good_at_once_and_the_old_one_for_a_while(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counts(deliver(running, STRIPE, charge())) == {"accepted": 1}
    set_secret(STRIPE, "whsec_new", overlap=timedelta(hours=2))
    # The warm function has read the old one, and reads again at most once in five seconds.
    monkeypatch.setattr("millrace.webhooks.secrets.AGAIN_SECONDS", 0.0)
    new = json.dumps(charge(2)).encode()
    assert counts(deliver(running, STRIPE, new, of_stripe(new, "whsec_new"))) == {"accepted": 1}
    assert counts(deliver(running, STRIPE, charge(3))) == {"accepted": 1}
    later = clock.now() + timedelta(hours=3)
    monkeypatch.setattr(clock, "now", lambda: later)
    old, new = (json.dumps(charge(number)).encode() for number in (4, 5))
    assert deliver(running, STRIPE, old, of_stripe(old, SECRET))["status"] == 401
    assert counts(deliver(running, STRIPE, new, of_stripe(new, "whsec_new"))) == {"accepted": 1}


def test_secrets_are_read_once_and_outlast_their_service(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counts(deliver(running, STRIPE, charge())) == {"accepted": 1}
    asked: list[str] = []

    def fail(**call: Any) -> None:
        asked.append(call["SecretId"])
        raise ClientError({"Error": {"Code": "InternalServiceError"}}, "GetSecretValue")

    monkeypatch.setattr(aws.client("secretsmanager"), "get_secret_value", fail)
    assert counts(deliver(running, STRIPE, charge(2))) == {"accepted": 1}
    assert not asked
    monkeypatch.setattr("millrace.webhooks.secrets.KEPT_SECONDS", 0.0)
    assert counts(deliver(running, STRIPE, charge(3))) == {"accepted": 1}
    assert asked == [f"millrace/local/sources/{STRIPE}"]


def test_a_large_delivery_is_refused_before_anything_is_made_of_it(running: Platform) -> None:
    body = b'{"a": "' + b"x" * 2_000_000 + b'"}'
    for source in (STRIPE, "unknown"):
        assert deliver(running, source, body)["status"] == 413
    assert not kept(running)
    just = b'{"id": "evt_9", "type": "other", "a": "' + b"x" * (limits.BYTES_PER_WEBHOOK - 42) + b'"}'
    assert counts(deliver(running, STRIPE, just)) == {"accepted": 1}


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "", "image/png"])
def test_what_it_is_said_to_be_does_not_matter(running: Platform, content_type: str) -> None:
    body = json.dumps(charge()).encode()
    headers = {**of_stripe(body), "content-type": content_type}
    assert counts(deliver(running, STRIPE, body, headers)) == {"accepted": 1}
    assert counts(deliver(running, STRIPE, body, headers, as_text=True)) == {"duplicates": 1}


@pytest.mark.parametrize("body", [b"id=1&type=a", b'{"id": "\xff\xfe"}', b"", b"{"])
def test_what_is_signed_and_no_json_is_in_quarantine_and_not_sent_again(
    running: Platform, body: bytes
) -> None:
    assert counts(deliver(running, STRIPE, body)) == {"rejected": 1}
    (refused,) = running.get("/v1/quarantine")["body"]["items"]
    assert refused["errors"][0]["code"] == "malformed"
    assert refused["source"] == "webhook"


def test_bytes_that_the_gateway_replaced_are_not_believed(running: Platform) -> None:
    body = b'{"id": "evt_1", "type": "\xfe"}'
    assert deliver(running, STRIPE, body, of_stripe(body), as_text=True)["status"] == 401


def test_of_a_list_each_message_is_judged_by_itself(running: Platform) -> None:
    without_order = charge(2, metadata={})
    other = {**charge(3), "type": "customer.updated"}
    found = counts(deliver(running, STRIPE, [charge(1), without_order, other, {"type": "x"}, 7]))
    assert found == {"accepted": 2, "rejected": 3}
    (kept_as_is,) = of_type(running, "integration.webhook.received")
    assert kept_as_is["data"]["payload"]["webhookId"] == STRIPE
    assert "vera" not in json.dumps(kept_as_is)


def test_a_refused_message_is_repaired_in_quarantine(running: Platform) -> None:
    assert counts(deliver(running, STRIPE, charge(metadata={}))) == {"rejected": 1}
    patch = [{"op": "add", "path": "/data/payload/orderId", "value": "ord_1"}]
    done = running.call("/v1/quarantine/replay", {"filter": {"all": True}, "patch": patch})
    assert done["body"]["replayed"] == 1
    (event,) = of_type(running, "payment.captured")
    assert event["data"]["payload"]["orderId"] == "ord_1"


def test_a_store_that_does_not_answer_has_all_sent_again_and_nothing_is_taken_twice(
    running: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Table.insert
    calls: list[int] = []

    def every_other(self: Table, item: Any, key: str, *, doing: str = "") -> Any:
        if doing == "put event":
            calls.append(1)
            if len(calls) % 2:
                raise RetryableError("put event: no answer")
        return put(self, item, key, doing=doing)

    deliveries = [charge(number) for number in range(1, 5)]
    monkeypatch.setattr(Table, "insert", every_other)
    answer = deliver(running, STRIPE, deliveries)
    monkeypatch.undo()
    assert answer["status"] == 503
    assert int(answer["headers"]["retry-after"]) > 0
    assert "send all of them again" in answer["body"]["detail"]
    taken = len(rows(running))
    assert 0 < taken < 4
    again = counts(deliver(running, STRIPE, deliveries))
    assert again.get("accepted", 0) == 4 - taken
    assert again.get("duplicates", 0) == taken
    assert sum(again.values()) == 4
    assert len(rows(running)) == 4


def test_a_service_of_ones_own_is_kept_as_it_says(running: Platform) -> None:
    body = b'{"anything": {"at": [1, 2.50]}}'
    headers = of_standard(body, SERVICE_SECRET, "msg_1")
    assert counts(deliver(running, SERVICE, body, headers)) == {"accepted": 1}
    assert counts(deliver(running, SERVICE, body, of_standard(body, SERVICE_SECRET, "msg_1"))) == {
        "duplicates": 1
    }
    assert counts(deliver(running, SERVICE, body, of_standard(body, SERVICE_SECRET, "msg_2"))) == {
        "accepted": 1
    }
    found = of_type(running, "integration.webhook.received", GLOBEX)
    assert [one["data"]["payload"]["payload"] for one in found] == [{"anything": {"at": [1, 2.5]}}] * 2


def test_a_large_list_is_taken_whole(running: Platform) -> None:
    messages = [{"id": f"evt_{number}", "type": "other", "created": 1} for number in range(1100)]
    at = clock.epoch(clock.now())
    found = counts(deliver(running, STRIPE, [{**one, "created": at} for one in messages]))
    assert found == {"accepted": 1100}
    broken = [{"id": f"evt_b{number}", "type": "other", "created": 1} for number in range(501)]
    assert counts(deliver(running, STRIPE, broken)) == {"rejected": 501}
    assert len(kept(running)) == 2, "a request's refused events are one object, and none replaced another"


def test_what_names_people_and_is_kept_as_it_comes_is_sealed_in_quarantine_of_its_tenant(
    running: Platform,
) -> None:
    body = json.dumps({"id": 1, "customer": "vera@shop.example"}).encode()
    for _ in range(2):
        answer = deliver(running, SERVICE, body, of_standard(body, SERVICE_SECRET, "msg_1"))
        assert (answer["status"], answer["body"]["rejected"]) == (200, 1)
    assert not running.rows("Events")
    items = running.get("/v1/quarantine", org=GLOBEX)["body"]["items"]
    assert {one["errors"][0]["pointer"] for one in items} == {"/data/payload/payload/customer"}
    assert "vera" not in json.dumps(items)
    assert not running.get("/v1/quarantine")["body"]["items"]
