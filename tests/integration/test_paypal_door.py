"""PayPal at the door: what its certificate signed for this webhook is taken once, for its tenant, and nothing else is."""

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from millrace.core import clock
from millrace.webhooks import paypal
from tests.support.paypal import SANDBOX, WEBHOOK_ID, Authority, of_paypal
from tests.support.platform import ACME, GLOBEX, Platform
from tests.support.webhooks import deliver, set_secret

PAYPAL = "paypal"


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Authority:
    found = Authority(clock.now())
    found.serve(SANDBOX)
    monkeypatch.setattr(paypal, "_roots", found.store)
    monkeypatch.setattr(paypal, "read_certificates", found.read)
    return found


@pytest.fixture
def running(warm: Platform, authority: Authority) -> Iterator[Platform]:
    warm.empty()
    warm.restart_all()
    set_secret(PAYPAL, WEBHOOK_ID, overlap=timedelta(0))
    yield warm
    warm.restart_all()


def captured(number: int = 1, value: str = "45.48", **changed: Any) -> dict[str, Any]:
    at = clock.utc_text(clock.now())
    resource = {
        "id": f"CAPTURE{number}",
        "amount": {"currency_code": "EUR", "value": value},
        "invoice_id": f"ord_{number}",
        "create_time": at,
        "payer": {"email_address": "vera@shop.example"},
        **changed,
    }
    return {
        "id": f"WH-{number}",
        "event_type": "PAYMENT.CAPTURE.COMPLETED",
        "create_time": at,
        "resource": resource,
    }


def sent(running: Platform, message: dict[str, Any], **how: Any) -> tuple[int, dict[str, int]]:
    body = json.dumps(message).encode()
    headers = of_paypal(body, paypal_cert_url=SANDBOX, **how)
    answer = deliver(running, PAYPAL, body, headers)
    return answer["status"], {name: n for name, n in answer["body"].items() if isinstance(n, int) and n}


def test_a_payment_is_taken_once_for_its_tenant_alone(running: Platform, authority: Authority) -> None:
    message = captured()
    assert sent(running, message) == (200, {"accepted": 1})
    assert sent(running, message) == (200, {"duplicates": 1}), "PayPal signs each try anew"
    changed = {
        **message,
        "resource": {**message["resource"], "amount": {"currency_code": "EUR", "value": "1.00"}},
    }
    assert sent(running, changed) == (200, {"conflicts": 1})
    assert sent(running, captured(2, value="4,50")) == (200, {"rejected": 1})
    query = {"eventType": "payment.captured"}
    (event,) = running.get("/v1/events", query=query, org=GLOBEX)["body"]["items"]
    assert event["data"]["payload"]["amount"] == 45.48
    assert "vera" not in json.dumps(event)
    assert not running.get("/v1/events", query=query, org=ACME)["body"]["items"]
    assert authority.reads == [SANDBOX]


def test_what_paypal_did_not_sign_for_this_webhook_is_not_believed(
    running: Platform, authority: Authority
) -> None:
    away = timedelta(minutes=6)
    for how in (
        {"webhook_id": "ANOTHER"},
        {"key_name": "forger"},
        {"at": clock.now() + away},
        {"at": clock.now() - timedelta(days=4)},
    ):
        assert sent(running, captured(), **how)[0] == 401, how
    body = json.dumps(captured()).encode()
    live = of_paypal(body)
    assert deliver(running, PAYPAL, body, live)["status"] == 401, "of the live system"
    assert deliver(running, PAYPAL, body, {})["status"] == 401
    assert not running.rows("Events")
    assert sent(running, captured(), at=clock.now() - away) == (200, {"accepted": 1}), "a try of PayPal's"


def test_a_webhook_made_anew_is_believed_at_once_and_the_one_before_for_its_overlap(
    running: Platform,
) -> None:
    assert sent(running, captured(1))[0] == 200
    set_secret(PAYPAL, "NEWWEBHOOK", overlap=timedelta(hours=1))
    assert sent(running, captured(2), webhook_id=WEBHOOK_ID)[0] == 200
    running.restart_all()
    assert sent(running, captured(3), webhook_id="NEWWEBHOOK")[0] == 200
    assert sent(running, captured(4), webhook_id=WEBHOOK_ID)[0] == 200
    set_secret(PAYPAL, "NEWWEBHOOK", overlap=timedelta(0))
    running.restart_all()
    assert sent(running, captured(5), webhook_id=WEBHOOK_ID)[0] == 401
