"""What is believed is what the providers' own libraries believe (`record_webhook_signatures.py`), and what they publish."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from millrace.webhooks import signatures
from millrace.webhooks.delivery import Delivery, SignatureError, Verify
from millrace.webhooks.sendgrid import sendgrid

RECORDED = json.loads((Path(__file__).parent / "webhook_signatures.json").read_text())
SCHEMES: dict[str, Verify] = {
    "stripe": signatures.stripe,
    "standard": signatures.standard,
    "hubspot": signatures.hubspot,
    "sendgrid": sendgrid,
}


def believes(verify: Verify, delivery: Delivery, secrets: list[str], at: float) -> bool:
    try:
        verify(delivery, secrets, datetime.fromtimestamp(at, UTC))
    except SignatureError:
        return False
    return True


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_same_is_believed_as_by_the_provider(scheme: str) -> None:
    cases = [case for case in RECORDED["cases"] if case["scheme"] == scheme]
    assert {case["believed"] for case in cases} == {True, False}
    for case in cases:
        delivery = Delivery("POST", case["url"], case["headers"], base64.b64decode(case["body"]))
        found = believes(SCHEMES[scheme], delivery, [case["secret"]], case["at"])
        assert found is case["believed"], case["name"]


def test_the_example_of_standard_webhooks() -> None:
    """https://github.com/standard-webhooks/standard-webhooks, libraries/python/tests."""
    headers = {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }
    delivery = Delivery("POST", "", headers, b'{"test": 2432232314}')
    secrets = ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"]
    assert believes(signatures.standard, delivery, secrets, 1614265330)


def test_the_example_of_sendgrid() -> None:
    """https://github.com/sendgrid/sendgrid-python, test/unit/test_eventwebhook.py."""
    event: dict[str, Any] = {
        "email": "hello@world.com",
        "event": "dropped",
        "reason": "Bounced Address",
        "sg_event_id": "ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",
        "sg_message_id": "LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",
        "smtp-id": "<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>",
        "timestamp": 1600112492,
    }
    body = json.dumps([event], sort_keys=True, separators=(",", ":")).encode() + b"\r\n"
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaIN"
        "XvVpiglSI8eNEc6wEA3F+g=="
    )
    headers = {
        "x-twilio-email-event-webhook-signature": "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
        "x-twilio-email-event-webhook-timestamp": "1600112502",
    }
    assert believes(sendgrid, Delivery("POST", "", headers, body), [key], 1600112502)
    assert not believes(sendgrid, Delivery("POST", "", headers, body.strip()), [key], 1600112502)


def test_the_example_of_github() -> None:
    """https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries."""
    scheme = signatures.Hmac(header="x-hub-signature-256", prefix="sha256=")
    wanted = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    delivery = Delivery("POST", "", {"x-hub-signature-256": f"sha256={wanted}"}, b"Hello, World!")
    assert believes(scheme, delivery, ["It's a Secret to Everybody"], 0)
    bare = Delivery("POST", "", {"x-hub-signature-256": wanted}, b"Hello, World!")
    assert not believes(scheme, bare, ["It's a Secret to Everybody"], 0)
