"""Deliveries of webhooks, signed as their providers sign them."""

import base64
import hashlib
import hmac
import json
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from millrace.core import clock
from millrace.core.aws import client
from millrace.webhooks.secrets import SecretStore, prefix
from tests.support.platform import Platform

STRIPE, SERVICE = "stripe", "demo-service"
SECRET = "whsec_of_the_tests"
DOMAIN = "api.example.com"


def set_secret(source: str, value: str, *, overlap: timedelta = timedelta(hours=24)) -> None:
    """Sets the secret of a source; the one before stays good for the overlap."""
    store = SecretStore(client("secretsmanager"), prefix("local"))
    store.set(source, value, clock.now(), overlap)


def charge(number: int = 1, **changed: Any) -> dict[str, Any]:
    """A charge of Stripe's that was captured just now."""
    at = clock.epoch(clock.now())
    found: dict[str, Any] = {
        "id": f"ch_{number}",
        "object": "charge",
        "amount": 4548,
        "amount_captured": 4548,
        "captured": True,
        "currency": "eur",
        "payment_intent": f"pi_{number}",
        "billing_details": {"email": "vera@shop.example"},
        "metadata": {"order_id": f"ord_{number}", "user_id": "usr_4711"},
        "payment_method_details": {"type": "card"},
        **changed,
    }
    return {
        "id": f"evt_{number}",
        "object": "event",
        "created": at,
        "type": "charge.succeeded",
        "livemode": False,
        "pending_webhooks": 1,
        "data": {"object": found},
    }


def of_stripe(body: bytes, secret: str = SECRET, at: datetime | None = None) -> dict[str, str]:
    """The header of Stripe's signature."""
    time = clock.epoch(at or clock.now())
    signed = hmac.new(secret.encode(), b"%d.%s" % (time, body), hashlib.sha256).hexdigest()
    return {"stripe-signature": f"t={time},v1={signed}"}


def of_standard(body: bytes, secret: str, name: str) -> dict[str, str]:
    """The headers of Standard Webhooks, of a delivery of this name."""
    time = clock.epoch(clock.now())
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, b"%s.%d.%s" % (name.encode(), time, body), hashlib.sha256).digest()
    return {
        "webhook-id": name,
        "webhook-timestamp": str(time),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }


def gateway_event(
    source: str, body: bytes, headers: dict[str, str], *, as_text: bool = False
) -> dict[str, Any]:
    """What the gateway hands to the function; `as_text`: of a media type that it takes for text."""
    return {
        "routeKey": "POST /v1/webhooks/{binding}",
        "rawPath": f"/v1/webhooks/{source}",
        "rawQueryString": "",
        "pathParameters": {"binding": source},
        "headers": {"content-type": "application/json", "content-length": str(len(body)), **headers},
        "requestContext": {
            "requestId": str(uuid4()),
            "domainName": DOMAIN,
            "http": {"sourceIp": "203.0.113.7"},
        },
        "body": body.decode("utf-8", "replace") if as_text else base64.b64encode(body).decode(),
        "isBase64Encoded": not as_text,
    }


def deliver(
    running: Platform, source: str, body: Any, headers: dict[str, str] | None = None, **how: Any
) -> dict[str, Any]:
    """The answer to a delivery: `{"status", "headers", "body"}`; without headers as Stripe signs it now."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    signed = of_stripe(raw) if headers is None else headers
    answer = running.invoke("receive_webhooks", gateway_event(source, raw, signed, **how))
    return {
        "status": answer["statusCode"],
        "headers": answer["headers"],
        "body": json.loads(answer["body"]),
    }
