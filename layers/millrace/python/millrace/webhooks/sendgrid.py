"""SendGrid's signed event webhook: ECDSA on P-256 over time and body. Its public key takes the place of a secret.

https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/getting-started-event-webhook-security-features
"""

import base64
import binascii
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_der_public_key

from millrace.webhooks.delivery import Delivery, SignatureError, check_age, header

SIGNATURE = "x-twilio-email-event-webhook-signature"
TIME = "x-twilio-email-event-webhook-timestamp"
# SendGrid tries for 24 hours, and does not say that it signs each try anew. Whoever repeats a delivery makes duplicates.
TOLERANCE_SECONDS = 25 * 3600
_ALGORITHM = ec.ECDSA(hashes.SHA256())


def sendgrid(delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
    """Verifies a delivery with one of the public keys.

    Raises:
        SignatureError: none of them verifies it, or it is older than SendGrid tries.
    """
    time = header(delivery, TIME)
    try:
        signature = base64.b64decode(header(delivery, SIGNATURE), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError("the signature is not base64") from error
    signed = time.encode() + delivery.body
    if not any(_verifies(secret, signature, signed) for secret in secrets):
        raise SignatureError("no public key that is in force verifies the signature")
    check_age(time, now, TOLERANCE_SECONDS)


def _verifies(key: str, signature: bytes, signed: bytes) -> bool:
    try:
        public_key(key).verify(signature, signed, _ALGORITHM)
    except InvalidSignature:
        return False
    return True


@lru_cache(maxsize=64)
def public_key(text: str) -> ec.EllipticCurvePublicKey:
    """The key of what SendGrid's settings show: base64 of its DER.

    Raises:
        SignatureError: it is no key on P-256.
    """
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, TypeError) as error:
        raise SignatureError("the public key of this source cannot be read") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name != "secp256r1":
        raise SignatureError("the public key of this source is not on P-256")
    return key
