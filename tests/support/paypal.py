"""PayPal as a test has it: a root, an intermediate and a certificate of its own, and deliveries that are signed with its key."""

import base64
import zlib
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import Store

from millrace.core import clock
from millrace.webhooks.paypal import certificate_name, signed

ADDRESS = "https://api.paypal.com/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77"
SANDBOX = ADDRESS.replace("api.", "api.sandbox.")
WEBHOOK_ID = "4JH86294D6297924G"


@cache
def key(name: str) -> rsa.RSAPrivateKey:
    """A key of this name, the same one each time."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(
    name: str,
    issuer: str,
    begins: datetime,
    *,
    days: float = 30,
    ca: bool = False,
    host: str = "",
) -> x509.Certificate:
    """A certificate of the key `name`, signed with the key `issuer`; a host's has it as its name."""

    def called(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(called(name))
        .issuer_name(called(issuer))
        .public_key(key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key(issuer).public_key()), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key(name).public_key()), critical=False)
    )
    if ca:
        usage = {"key_cert_sign": True, "crl_sign": True, "digital_signature": False}
    else:
        usage = {"key_cert_sign": False, "crl_sign": False, "digital_signature": True}
        builder = builder.add_extension(
            x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    others = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
    none = dict.fromkeys((*others, "encipher_only", "decipher_only"), False)
    builder = builder.add_extension(x509.KeyUsage(**usage, **none), critical=True)
    return builder.sign(key(issuer), hashes.SHA256())


class Authority:
    """What signs PayPal's certificates in a test, and gives them out by address."""

    def __init__(self, now: datetime, *, name: str = "root") -> None:
        self.name, self.now = name, now
        self.root = certificate(name, name, now - timedelta(days=400), days=4000, ca=True)
        between = f"{name} intermediate"
        self.intermediate = certificate(between, name, now - timedelta(days=300), days=3000, ca=True)
        self.served: dict[str, bytes] = {}
        self.reads: list[str] = []

    def store(self) -> Store:
        """Of the root alone."""
        return Store([self.root])

    def serve(
        self,
        address: str = ADDRESS,
        *,
        key_name: str = "paypal",
        host: str = "",
        age: float = 1,
        days: float = 30,
        alone: bool = False,
    ) -> None:
        """Makes a certificate of PayPal's, that is `age` days old and good for `days`; `alone`: without the intermediate."""
        name = host or certificate_name(sandbox="sandbox" in address)
        begins = self.now - timedelta(days=age)
        leaf = certificate(key_name, f"{self.name} intermediate", begins, days=days, host=name)
        chain = [leaf] if alone else [leaf, self.intermediate]
        self.served[address] = b"".join(one.public_bytes(Encoding.PEM) for one in chain)

    def read(self, address: str) -> bytes:
        """What is at an address."""
        self.reads.append(address)
        return self.served[address]


def of_paypal(
    body: bytes,
    at: datetime | None = None,
    *,
    webhook_id: str = WEBHOOK_ID,
    key_name: str = "paypal",
    **changed: Any,
) -> dict[str, str]:
    """The headers of PayPal's signature; `changed`: headers with _ for -."""
    name, moment = "dfb3be50-fd74-11e4-8bf3-77339302725b", clock.utc_text(at or clock.now())
    text = signed(name, moment, webhook_id, zlib.crc32(body))
    made = key(key_name).sign(text, padding.PKCS1v15(), hashes.SHA256())
    return {
        "paypal-transmission-id": name,
        "paypal-transmission-time": moment,
        "paypal-transmission-sig": base64.b64encode(made).decode(),
        "paypal-cert-url": ADDRESS,
        "paypal-auth-algo": "SHA256withRSA",
        **{name.replace("_", "-"): value for name, value in changed.items()},
    }
