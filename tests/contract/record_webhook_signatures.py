"""Records what the providers' own libraries sign and believe, for `test_webhook_signatures` to compare with.

The libraries are not requirements of the tests. After a change of the cases:

    python -m venv /tmp/providers
    /tmp/providers/bin/pip install stripe==16.1.0 sendgrid==6.12.5 standardwebhooks==1.1.0 hubspot-api-client==12.0.0
    /tmp/providers/bin/python tests/contract/record_webhook_signatures.py

Each case has its secret, headers, url and body (base64), the moment it is looked at, and what the library says. The keys
were made for these cases and are used nowhere else.
"""

import base64
import json
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any
from unittest import mock

HERE = Path(__file__).parent
AT = 1_790_000_000
BODIES = {
    "json": b'{"id":"evt_1","amount":1999,"name":"caf\xc3\xa9 \xf0\x9f\x8e\x89"}',
    "spaces": b' {\r\n\t"id": "evt_1" }\n',
    "empty": b"",
    "list": b'[{"sg_event_id":"a"},{"sg_event_id":"b"}]\r\n',
}
URL = "https://api.example.com/v1/webhooks/crm?x=1"
# Seconds by which the clock is off when the delivery is looked at.
CLOCKS = {"now": 0, "late": 299, "too late": 361}


def main() -> None:
    """Writes `webhook_signatures.json`."""
    import hubspot.utils.signature as hub  # type: ignore[import-not-found]
    import stripe  # type: ignore[import-not-found]
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from sendgrid.helpers.eventwebhook import EventWebhook  # type: ignore[import-not-found]
    from standardwebhooks import Webhook  # type: ignore[import-not-found]

    cases: list[dict[str, Any]] = []

    def case(
        scheme: str, name: str, secret: str, headers: dict[str, str], body: bytes, off: int, says: Any
    ) -> None:
        with mock.patch("time.time", return_value=AT + off):
            try:
                believed = says() is not False
            except Exception:  # noqa: BLE001  each library has its own
                believed = False
        cases.append(
            {
                "scheme": scheme,
                "name": name,
                "secret": secret,
                "headers": {key.lower(): value for key, value in headers.items()},
                "url": URL,
                "body": base64.b64encode(body).decode(),
                "at": AT + off,
                "believed": believed,
            }
        )

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.fromtimestamp(time.time(), tz)

    private = ec.generate_private_key(ec.SECP256R1())
    public = base64.b64encode(
        private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    ).decode()
    key = EventWebhook(public)
    for body_name, body in BODIES.items():
        text = body.decode()
        for clock_name, off in CLOCKS.items():
            for right in (True, False):
                name = f"{body_name}, {clock_name}, {'right' if right else 'another body'}"
                sent = body if right else body + b" "
                # Stripe
                secret = "whsec_stripe_cases"
                header = stripe.WebhookSignature.generate_signature_header(text, secret, AT)
                for label, value in (("", header), (", a second v1", header + ",v1=" + "0" * 64 + ",v0=x")):
                    case(
                        "stripe",
                        name + label,
                        secret,
                        {"Stripe-Signature": value},
                        sent,
                        off,
                        lambda sent=sent, value=value, secret=secret: stripe.WebhookSignature.verify_header(
                            sent, value, secret, 300
                        ),
                    )
                # Standard Webhooks
                standard = "whsec_" + base64.b64encode(b"standard-webhooks-cases!").decode()
                hook = Webhook(standard)
                made = hook.sign("msg_1", datetime.fromtimestamp(AT, UTC), text)
                for label, value in (("", made), (", several", "v1a,AAAA v1,AAAA " + made)):
                    given = {"webhook-id": "msg_1", "webhook-timestamp": str(AT), "webhook-signature": value}
                    with mock.patch("standardwebhooks.webhooks.datetime", Clock):
                        case(
                            "standard",
                            name + label,
                            standard,
                            given,
                            sent,
                            off,
                            lambda hook=hook, sent=sent, given=given: hook.verify(
                                sent, given, json_parse=False
                            ),
                        )
                # HubSpot
                stamp = str(AT * 1000)
                signed = hub.Signature.get_signature("hub-cases", text, "v3", URL, "POST", stamp)
                with mock.patch.object(hub, "datetime", Clock):
                    case(
                        "hubspot",
                        name,
                        "hub-cases",
                        {"X-HubSpot-Signature-v3": signed, "X-HubSpot-Request-Timestamp": stamp},
                        sent,
                        off,
                        lambda sent=sent, signed=signed, stamp=stamp: hub.Signature.is_valid(
                            signed, "hub-cases", sent.decode(), URL, "POST", "v3", stamp
                        ),
                    )
                # SendGrid: its library looks at no clock.
                signature = base64.b64encode(
                    private.sign(str(AT).encode() + body, ec.ECDSA(hashes.SHA256()))
                ).decode()
                if clock_name == "now":
                    case(
                        "sendgrid",
                        name,
                        public,
                        {
                            "X-Twilio-Email-Event-Webhook-Signature": signature,
                            "X-Twilio-Email-Event-Webhook-Timestamp": str(AT),
                        },
                        sent,
                        off,
                        lambda sent=sent, signature=signature: key.verify_signature(
                            sent.decode(), signature, str(AT)
                        ),
                    )
    libraries = {
        one: metadata.version(one) for one in ("stripe", "sendgrid", "standardwebhooks", "hubspot-api-client")
    }
    document = {"libraries": libraries, "cases": cases}
    (HERE / "webhook_signatures.json").write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
