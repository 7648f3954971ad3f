"""PayPal's webhooks: RSA with SHA-256 over `<id>|<time>|<webhook id>|<CRC-32 of the body>`. The webhook's id takes the place of a secret.

https://developer.paypal.com/api/rest/webhooks/rest/#link-selfverificationmethod

The key is in a certificate whose address comes with the delivery, and so from anybody. It is believed where the address is of
PayPal, the certificate is in PayPal's name for that, and its chain ends at a root that is written down here: not any of the
hundred roots that a system trusts. The certificate itself changes every few months and is not written down. It is read once
by a warm function and kept until it ends.
"""

import base64
import binascii
import re
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from http import HTTPStatus

import urllib3
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509 import Certificate, DNSName, load_pem_x509_certificates
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from millrace.core import clock
from millrace.core.errors import MillraceError, RetryableError
from millrace.webhooks import paypal_roots
from millrace.webhooks.delivery import Delivery, SignatureError, header

TRANSMISSION_ID, TIME = "paypal-transmission-id", "paypal-transmission-time"
SIGNATURE, ALGORITHM, ADDRESS = "paypal-transmission-sig", "paypal-auth-algo", "paypal-cert-url"
ALGORITHM_NAME = "SHA256withRSA"
# PayPal tries 25 times in three days, and does not say that it signs each try anew. Whoever repeats a delivery makes duplicates.
OLDEST = timedelta(days=3, hours=1)
AHEAD = timedelta(minutes=5)
_ADDRESS = re.compile(
    r"https://(api(?:-m)?)(\.sandbox)?\.paypal\.com/v1/notifications/certs/CERT-[0-9A-Za-z-]{8,64}"
)
# Of an address: what it may hold, how long it may take, and how long it is not read again after it gave nothing good.
MOST_BYTES, SECONDS, AGAIN_SECONDS = 65_536, 3.0, 60.0
# Anybody can name addresses that there are not: a warm function reads one it does not know so often at most.
READS_IN_A_MINUTE = 10
MOST_KEPT, MOST_CERTIFICATES = 32, 8


@dataclass(frozen=True, slots=True)
class _Known:
    """Of an address: its key and the times between which the whole chain is valid; or when and why it gave none."""

    at: float
    key: rsa.RSAPublicKey | None = None
    begins: datetime | None = None
    ends: datetime | None = None
    why: str = ""


class PayPal:
    """Verifies deliveries of one source."""

    def __init__(
        self,
        *,
        sandbox: bool = False,
        read: Callable[[str], bytes] | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """Makes no call.

        Args:
            sandbox: PayPal's sandbox signs, and nobody else; otherwise the live system.
            read: what is at an address, in place of a call over HTTPS. Raises `MillraceError` where there is nothing.
            seconds: a clock that never goes back.
        """
        self._sandbox, self._read, self._seconds = sandbox, read or read_certificates, seconds
        self._known: dict[str, _Known] = {}
        self._reads: list[float] = []

    def __call__(self, delivery: Delivery, secrets: Sequence[str], now: datetime) -> None:
        """Verifies a delivery with one of the ids of the webhook.

        Raises:
            SignatureError: none of them verifies it, its certificate is not PayPal's, or it is older than PayPal tries.
        """
        name, moment = header(delivery, TRANSMISSION_ID), header(delivery, TIME)
        if header(delivery, ALGORITHM) != ALGORITHM_NAME:
            raise SignatureError(f"the algorithm is not {ALGORITHM_NAME}")
        try:
            signature = base64.b64decode(header(delivery, SIGNATURE), validate=True)
        except (binascii.Error, ValueError) as error:
            raise SignatureError("the signature is not base64") from error
        address = header(delivery, ADDRESS)
        found = _ADDRESS.fullmatch(address)
        if found is None or bool(found[2]) != self._sandbox:
            raise SignatureError("the certificate's address is not one of PayPal's for this source")
        _check_time(moment, now)
        if not secrets:
            # Before anything is read for somebody who cannot be believed.
            raise SignatureError("the source has no webhook id")
        key = self._key(address, now)
        crc = zlib.crc32(delivery.body)
        if not any(_verifies(key, signature, signed(name, moment, one, crc)) for one in secrets):
            raise SignatureError("no webhook id that is in force verifies the signature")

    def _key(self, address: str, now: datetime) -> rsa.RSAPublicKey:
        known, at = self._known.get(address), self._seconds()
        if known is None or (known.key is None and at - known.at >= AGAIN_SECONDS) or _is_over(known, now):
            known = self._renewed(address, now, at)
        if known.key is None:
            raise SignatureError(known.why)
        return known.key

    def _renewed(self, address: str, now: datetime, at: float) -> _Known:
        self._reads = [one for one in self._reads if at - one < 60]
        if len(self._reads) >= READS_IN_A_MINUTE:
            raise SignatureError("the certificate is not known, and too many were read in this minute")
        self._reads.append(at)
        try:
            known = _believed(self._read(address), now, at, sandbox=self._sandbox)
        except (MillraceError, SignatureError) as error:
            known = _Known(at, why=str(error))
        self._known.pop(address, None)
        # Those that gave nothing first, so that made-up addresses do not put a good one out.
        while len(self._known) >= MOST_KEPT:
            del self._known[
                next((one for one, kept in self._known.items() if kept.key is None), next(iter(self._known)))
            ]
        self._known[address] = known
        return known


def signed(name: str, moment: str, webhook_id: str, crc: int) -> bytes:
    """What PayPal signs.

    Args:
        name: of the transmission.
        moment: of it, as PayPal writes it.
        webhook_id: of the webhook, as PayPal's page of the app shows it.
        crc: CRC-32 of the body, without a sign.
    """
    return f"{name}|{moment}|{webhook_id}|{crc}".encode()


def read_certificates(address: str) -> bytes:
    """What is at an address of PayPal's: by HTTPS, with no redirect, in three seconds, 64 KB at most.

    Raises:
        RetryableError: there is no answer, or another one.
    """
    timeout = urllib3.Timeout(total=SECONDS)
    try:
        with urllib3.PoolManager(retries=False, timeout=timeout) as pool:
            answer = pool.request("GET", address, preload_content=False, redirect=False)
            # As it came: what is compressed could be any size, and no certificate is.
            body, status = answer.read(MOST_BYTES + 1, decode_content=False), answer.status
            answer.release_conn()
    except urllib3.exceptions.HTTPError as error:
        raise RetryableError(f"read certificate of PayPal: {type(error).__name__}") from error
    if status != HTTPStatus.OK or len(body) > MOST_BYTES:
        raise RetryableError(f"read certificate of PayPal: status {status}, {len(body)} bytes")
    return bytes(body)


def certificate_name(*, sandbox: bool) -> str:
    """In whose name the certificate of signatures is."""
    return f"messageverificationcerts{'.sandbox' if sandbox else ''}.paypal.com"


def _believed(pem: bytes, now: datetime, at: float, *, sandbox: bool) -> _Known:
    try:
        given = load_pem_x509_certificates(pem)[:MOST_CERTIFICATES]
    except ValueError as error:
        raise SignatureError("there is no certificate at the address") from error
    builder = PolicyBuilder().store(_roots()).time(clock.as_utc(now)).max_chain_depth(4)
    verifier = builder.build_server_verifier(DNSName(certificate_name(sandbox=sandbox)))
    try:
        chain = verifier.verify(given[0], [*given[1:], *_intermediates()])
    except VerificationError as error:
        raise SignatureError("the certificate is not PayPal's, or not valid now") from error
    key = given[0].public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise SignatureError("the certificate's key is not RSA")
    begins = max(one.not_valid_before_utc for one in chain)
    return _Known(at, key, begins, min(one.not_valid_after_utc for one in chain))


def _is_over(known: _Known, now: datetime) -> bool:
    return known.begins is not None and known.ends is not None and not known.begins <= now <= known.ends


def _verifies(key: rsa.RSAPublicKey, signature: bytes, message: bytes) -> bool:
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        return False
    return True


def _check_time(moment: str, now: datetime) -> None:
    try:
        at = clock.parse(moment)
    except ValueError as error:
        raise SignatureError("the signature's time is not a moment") from error
    if not -AHEAD <= now - at <= OLDEST:
        raise SignatureError("the signature is older than PayPal tries, or from the future")


@lru_cache(maxsize=1)
def _roots() -> Store:
    return Store(load_pem_x509_certificates(paypal_roots.ROOTS))


@lru_cache(maxsize=1)
def _intermediates() -> list[Certificate]:
    return load_pem_x509_certificates(paypal_roots.INTERMEDIATES)
