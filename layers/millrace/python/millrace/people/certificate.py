"""The certificate of an erasure: what became unreadable, what was removed, what remains and why. Signed, and verified offline. Pure.

The signature is ECDSA on P-256 with SHA-256 over a line of text, the form and the SHA-256 in hex of the certificate as JSON with
sorted keys, without blanks, and without `signature`. The certificate has the public key, so that anybody can verify it who knows the fingerprint of the right one.
"""

import base64
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from millrace.core import clock
from millrace.core.errors import PermanentError
from millrace.core.prefixes import CERTIFICATES

FORM, ALGORITHM = "millrace/erasure/1", "ECDSA_SHA_256"
SIGNATURE = "signature"
# How long functions remember people, and how long AWS can bring back a table's past: SubjectKeys has the shortest, a day.
CACHES, RECOVERY = timedelta(seconds=60), timedelta(days=1)
Sign = Callable[[bytes], bytes]
"""From a text to its signature, DER."""

UNREADABLE = (
    ("Events", "protected values, in the sealed part of each event's row"),
    ("the log", "the same, as long as a record is kept there"),
    ("raw", "the same, in Parquet, and in all older versions of the objects"),
    ("subscribers' copies of the bus", "the sealed part of each event that was delivered"),
    ("dead letters and failed batches", "the sealed part of each record"),
)
REMAINS = (
    (
        "Events, UserEvents, raw, silver, gold, marts, ml_features, Analytics",
        "which events there were, with their open fields and the person's number",
        "The number was drawn at random, and what led from it to the person is deleted: no protected value is among them, and no id but in what the next line names.",
    ),
    (
        "Analytics, tiles by user that were counted before users were numbers",
        "ids of users, if there are any such tiles",
        "They count events, and go with the retention of their aggregate, or when their day is sealed again.",
    ),
    (
        "Events, raw, silver, gold, marts, ml_features",
        "tokens of confidential values",
        "A token is one-way, under a key of the tenant; it tells that two values were equal, and no value.",
    ),
    (
        "old snapshots and versions of tables and objects",
        "the sealed parts",
        "They are encrypted with the key that was deleted.",
    ),
    (
        "SubjectKeys",
        "the moment of the erasure, under an HMAC of the name",
        "So that what happened before it is not taken in again.",
    ),
    (
        "SubjectKeys, recovery to a point in time",
        "the deleted key, for one day",
        "AWS keeps a table's past at least so long; the erasure is final after that (`finalAt`).",
    ),
    (
        "quarantine",
        "refused events that have the id in no field that is called like a user's id, and that can be parsed",
        "They are encrypted under a key of the tenant and deleted after 25 days; errors beside them have no id, and quote only what a contract calls open, but for those that an earlier release wrote.",
    ),
    (
        "Metadata, recovery to a point in time",
        "rows of refused events that were removed: an HMAC of the person's id, and errors; those that an earlier release wrote quote values",
        "AWS keeps a table's past for up to 35 days; the HMAC is one-way, under a key of the tenant.",
    ),
    ("the audit", "that and when the person's data was read or erased", "The law asks for it."),
)
# Only where such rows were found.
OLD_ROWS = (
    "Events, UserEvents, raw, silver, gold, marts, ml_features, Analytics",
    "rows from before users were numbers, all of them or in that field, with the user's id as it was sent, and with what no contract protected then",
    "They were written in clear, and go with their time; `millrace protect` rewrites them.",
)


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The key that verifies: its id in KMS, and itself as PEM."""

    key_id: str
    pem: str

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's DER, as hex."""
        return fingerprint(self.pem)


def made(
    *,
    environment: str,
    org: str,
    request_id: str,
    subject: str,
    moments: Mapping[str, str],
    removed: Mapping[str, int],
    verified: Mapping[str, Any],
    has_old_rows: bool,
    key: PublicKey,
) -> dict[str, Any]:
    """The certificate without its signature.

    Args:
        environment: such as `prod`.
        org: the tenant.
        request_id: of the request to erase.
        subject: the number of the person.
        moments: `requestedAt`, `keyDeletedAt`, `verifiedAt`, `issuedAt`, as UTC text.
        removed: store → how many entries were removed there.
        verified: check → what was looked at, and what of it was as it should be.
        has_old_rows: whether rows from before users were numbers have the person's id.
        key: that will sign.
    """
    remains = (*REMAINS, OLD_ROWS) if has_old_rows else REMAINS
    final = clock.parse(moments["keyDeletedAt"]) + RECOVERY + CACHES
    return {
        "form": FORM,
        "environment": environment,
        "org": org,
        "requestId": request_id,
        "subject": subject,
        **moments,
        "finalAt": clock.utc_text(final),
        "unreadable": [{"store": store, "what": what} for store, what in UNREADABLE],
        "removed": [{"store": store, "entries": number} for store, number in sorted(removed.items())],
        "remains": [{"store": store, "what": what, "why": why} for store, what, why in remains],
        "verified": dict(verified),
        "key": {
            "keyId": key.key_id,
            "algorithm": ALGORITHM,
            "publicKey": key.pem,
            "fingerprint": key.fingerprint,
        },
    }


def key_of(org: str, request_id: str) -> str:
    """Where the certificate of a request lies in the lake."""
    return f"{CERTIFICATES}org={org}/{request_id}.json"


def signed(certificate: Mapping[str, Any], sign: Sign) -> dict[str, Any]:
    """The certificate with its signature."""
    signature = sign(message(certificate))
    return {**certificate, SIGNATURE: base64.b64encode(signature).decode()}


def message(certificate: Mapping[str, Any]) -> bytes:
    """The text that is signed."""
    signed_part = {name: value for name, value in certificate.items() if name != SIGNATURE}
    body = orjson.dumps(signed_part, option=orjson.OPT_SORT_KEYS)
    return f"{FORM} {hashlib.sha256(body).hexdigest()}".encode()


def verify(certificate: Mapping[str, Any], pem: str | None = None) -> str:
    """The fingerprint of the key that has signed it.

    Args:
        certificate: with its signature.
        pem: the public key that has to have signed it; without one, the certificate's own.

    Raises:
        PermanentError: it is no certificate, it was changed, or another key has signed it.
    """
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  as in privacy/seal.py
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        own = str(certificate["key"]["publicKey"])
        signature = base64.b64decode(certificate[SIGNATURE], validate=True)
        key = load_pem_public_key((pem or own).encode())
    except (KeyError, TypeError, ValueError) as error:
        raise PermanentError("this is no certificate of an erasure") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or certificate.get("form") != FORM:
        raise PermanentError("this is no certificate of an erasure")
    try:
        key.verify(signature, message(certificate), ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise PermanentError("the certificate was changed, or another key has signed it") from error
    return fingerprint(pem or own)


def pem_of(der: bytes) -> str:
    """A public key in DER as PEM, in lines of 64 characters (RFC 7468)."""
    text = base64.b64encode(der).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def fingerprint(pem: str) -> str:
    """SHA-256 of a public key's DER, as hex.

    Raises:
        PermanentError: the text is no public key.
    """
    body = "".join(line for line in pem.splitlines() if line and not line.startswith("-----"))
    try:
        return hashlib.sha256(base64.b64decode(body, validate=True)).hexdigest()
    except ValueError as error:
        raise PermanentError("this is no public key") from error
