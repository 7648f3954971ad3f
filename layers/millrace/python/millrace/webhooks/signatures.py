"""Schemes that sign with a shared secret (HMAC), each as its provider documents it.

| scheme | signs | documented at |
|---|---|---|
| `stripe` | `<t>.<body>` | https://docs.stripe.com/webhooks#verify-manually |
| `standard` | `<webhook-id>.<webhook-timestamp>.<body>` | https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md |
| `hubspot` | `<method><url><body><timestamp>` | https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests |
| `hmac` | `<body>`, or `<timestamp>.<body>` | what the sender agreed on |

Each compares in a time that does not depend on where two signatures differ.
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from millrace.webhooks.delivery import Delivery, SignatureError, check_age, header

TOLERANCE_SECONDS = 300
STRIPE_HEADER = "stripe-signature"
STANDARD_ID, STANDARD_TIME = "webhook-id", "webhook-timestamp"
STANDARD_HEADER, STANDARD_PREFIX = "webhook-signature", "whsec_"
HUBSPOT_HEADER, HUBSPOT_TIME = "x-hubspot-signature-v3", "x-hubspot-request-timestamp"
# HubSpot signs the address with these decoded, and no others.
_HUBSPOT_DECODED = {
    "%3A": ":",
    "%2F": "/",
    "%3F": "?",
    "%40": "@",
    "%21": "!",
    "%24": "$",
    "%27": "'",
    "%28": "(",
    "%29": ")",
    "%2A": "*",
    "%2C": ",",
    "%3B": ";",
}
ALGORITHMS = ("sha256", "sha384", "sha512")
ENCODINGS = ("hex", "base64")
_WRONG = "no signature is made with a secret that is in force"
# Signatures of one delivery that are looked at; nobody has more secrets in force.
MOST = 20


def stripe(delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
    """Verifies `Stripe-Signature: t=…,v1=…,v1=…`: while a secret is rolled there is one v1 for each.

    Raises:
        SignatureError: none of them is right, or they are older than five minutes.
    """
    named = [part.split("=", 1) for part in header(delivery, STRIPE_HEADER).split(",")]
    given = [(name.strip(), rest[0].strip()) for name, *rest in named if rest]
    time = next((value for name, value in given if name == "t"), "")
    signed = b"%s.%s" % (time.encode(), delivery.body)
    made = (hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest() for secret in secrets)
    _compare(made, [value for name, value in given if name == "v1"])
    check_age(time, now, TOLERANCE_SECONDS)


def standard(delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
    """Verifies `webhook-signature: v1,… v1,…` of Standard Webhooks, with secrets `whsec_<base64>`.

    Raises:
        SignatureError: none of them is right, or they are older or newer than five minutes.
    """
    name, time = header(delivery, STANDARD_ID), header(delivery, STANDARD_TIME)
    signed = b"%s.%s.%s" % (name.encode(), time.encode(), delivery.body)
    versions = [part.partition(",") for part in header(delivery, STANDARD_HEADER).split()]
    made = (_base64(hmac.new(_standard_key(one), signed, hashlib.sha256).digest()) for one in secrets)
    _compare(made, [value for version, _, value in versions if version == "v1"])
    check_age(time, now, TOLERANCE_SECONDS)


def hubspot(delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
    """Verifies `X-HubSpot-Signature-v3`, with the secret of the app. The time counts milliseconds.

    Raises:
        SignatureError: it is not right, or older or newer than five minutes.
    """
    time, url = header(delivery, HUBSPOT_TIME), delivery.url
    for code, character in _HUBSPOT_DECODED.items():
        url = url.replace(code, character)
    signed = b"%s%s%s%s" % (delivery.method.encode(), url.encode(), delivery.body, time.encode())
    made = (_base64(hmac.new(secret.encode(), signed, hashlib.sha256).digest()) for secret in secrets)
    _compare(made, [header(delivery, HUBSPOT_HEADER)])
    check_age(time, now, TOLERANCE_SECONDS, in_a_second=1000)


@dataclass(frozen=True, slots=True)
class Hmac:
    """A scheme by settings, for services of one's own and for providers that just sign the body.

    Attributes:
        header: that has the signature, in small letters.
        algorithm: of the hash, one of `ALGORITHMS`.
        encoding: of the signature, one of `ENCODINGS`.
        prefix: before the signature, such as `sha256=`.
        timestamp_header: that has the seconds since 1970, which are signed before the body with a full stop between; empty: the
            body alone is signed, and a delivery that somebody has seen can be sent again at any time. It is then a
            duplicate of the first.
    """

    header: str
    algorithm: str = "sha256"
    encoding: str = "hex"
    prefix: str = ""
    timestamp_header: str = ""

    def __call__(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
        """Verifies the header.

        Raises:
            SignatureError: it is not right, or older or newer than five minutes where a time is signed.
        """
        value, signed = header(delivery, self.header), delivery.body
        if not value.startswith(self.prefix):
            raise SignatureError(_WRONG)
        time = header(delivery, self.timestamp_header) if self.timestamp_header else ""
        if time:
            signed = b"%s.%s" % (time.encode(), signed)
        digests = (hmac.new(secret.encode(), signed, self.algorithm).digest() for secret in secrets)
        given = value[len(self.prefix) :].strip()
        if self.encoding == "hex":
            _compare((digest.hex() for digest in digests), [given.lower()])
        else:
            _compare(map(_base64, digests), [given])
        if time:
            check_age(time, now, TOLERANCE_SECONDS)


def _compare(made: Iterable[str], given: Sequence[str]) -> None:
    """Looks at all of them, however early one fits."""
    found = False
    wanted = [one.encode() for one in given[:MOST]]
    for one in made:
        for other in wanted:
            found |= hmac.compare_digest(one.encode(), other)
    if not found:
        raise SignatureError(_WRONG)


def _base64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def _standard_key(secret: str) -> bytes:
    text = secret.removeprefix(STANDARD_PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the secret of this source is not base64") from error
