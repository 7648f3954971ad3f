"""Signatures beside what providers' libraries say of them: several secrets, clocks that are ahead, and headers that are none."""

import base64
import hashlib
import hmac
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.webhooks import signatures
from millrace.webhooks.delivery import Delivery, SignatureError, Verify
from millrace.webhooks.sendgrid import SIGNATURE, TIME, public_key, sendgrid

AT = 1_790_000_000
NOW = datetime.fromtimestamp(AT, UTC)
BODY = b'{"id":"evt_1"}'
URL = "https://api.example.com/v1/webhooks/crm"
STANDARD = "whsec_" + base64.b64encode(b"secret of twenty-four ch").decode()
CASE = signatures.Hmac("x-signature", "sha512", "base64", "v0=", "x-time")


def mac(secret: bytes, signed: bytes, algorithm: str = "sha256") -> bytes:
    return hmac.new(secret, signed, algorithm).digest()


def b64(digest: bytes) -> str:
    return base64.b64encode(digest).decode()


def of_stripe(secret: str, at: int) -> dict[str, str]:
    return {"stripe-signature": f"t={at},v1={mac(secret.encode(), b'%d.%s' % (at, BODY)).hex()}"}


def of_standard(secret: str, at: int) -> dict[str, str]:
    signed = mac(base64.b64decode(secret.removeprefix("whsec_")), b"msg_1.%d.%s" % (at, BODY))
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{b64(signed)}",
    }


def of_hubspot(secret: str, at: int) -> dict[str, str]:
    signed = mac(secret.encode(), b"POST%s%s%d000" % (URL.encode(), BODY, at))
    return {"x-hubspot-signature-v3": b64(signed), "x-hubspot-request-timestamp": f"{at}000"}


def of_hmac(secret: str, at: int) -> dict[str, str]:
    signed = mac(secret.encode(), b"%d.%s" % (at, BODY), "sha512")
    return {"x-signature": f"v0={b64(signed)}", "x-time": str(at)}


Sign = Callable[[str, int], dict[str, str]]
SCHEMES: dict[str, tuple[Verify, Sign, str]] = {
    "stripe": (signatures.stripe, of_stripe, "whsec_a"),
    "standard": (signatures.standard, of_standard, STANDARD),
    "hubspot": (signatures.hubspot, of_hubspot, "app secret"),
    "hmac": (CASE, of_hmac, "ours"),
}
OTHER = {"standard": "whsec_" + base64.b64encode(b"another one, as long as ").decode()}


def check(verify: Verify, headers: dict[str, str], secrets: Sequence[str], body: bytes = BODY) -> None:
    verify(Delivery("POST", URL, headers, body), secrets, NOW)


@pytest.mark.parametrize("name", SCHEMES)
def test_each_secret_in_force_is_good_and_no_other(name: str) -> None:
    verify, sign, secret = SCHEMES[name]
    other = OTHER.get(name, "another")
    check(verify, sign(secret, AT), [other, secret])
    check(verify, sign(secret, AT), [secret, other])
    for secrets in ([other], []):
        with pytest.raises(SignatureError):
            check(verify, sign(secret, AT), secrets)
    with pytest.raises(SignatureError):
        check(verify, sign(secret, AT), [secret], BODY + b"\n")


@pytest.mark.parametrize("name", SCHEMES)
@pytest.mark.parametrize(
    ("off", "good"), [(300, True), (-300, True), (301, False), (-301, False), (360, False)]
)
def test_a_signature_is_good_for_five_minutes_both_ways(name: str, off: int, good: bool) -> None:
    verify, sign, secret = SCHEMES[name]
    if good:
        check(verify, sign(secret, AT + off), [secret])
        return
    with pytest.raises(SignatureError, match="300 seconds"):
        check(verify, sign(secret, AT + off), [secret])


@given(
    st.sampled_from(sorted(SCHEMES)),
    st.dictionaries(
        st.sampled_from([name for _, sign, secret in SCHEMES.values() for name in sign(secret, AT)]),
        st.text(max_size=60),
    ),
)
def test_headers_that_are_none_are_refused_and_nothing_else_happens(
    name: str, headers: dict[str, str]
) -> None:
    verify, _, secret = SCHEMES[name]
    with pytest.raises(SignatureError):
        check(verify, headers, [secret])


@given(st.text(max_size=60), st.text(max_size=60))
def test_what_is_no_signature_of_sendgrid_is_refused(signature: str, time: str) -> None:
    key = (
        "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaIN"
        "XvVpiglSI8eNEc6wEA3F+g=="
    )
    with pytest.raises(SignatureError):
        check(sendgrid, {SIGNATURE: signature, TIME: time}, [key])


@pytest.mark.parametrize("key", ["", "no key", "whsec_x", b64(b"0" * 91)])
def test_a_public_key_that_is_none_is_refused(key: str) -> None:
    with pytest.raises(SignatureError, match="public key of this source"):
        public_key(key)


def test_hubspot_signs_the_address_decoded() -> None:
    called = URL + "?next=https%3A%2F%2Fa.example%2F%20b"
    signed = mac(b"app", b"POST" + URL.encode() + b"?next=https://a.example/%20b" + BODY + b"%d000" % AT)
    headers = {"x-hubspot-signature-v3": b64(signed), "x-hubspot-request-timestamp": f"{AT}000"}
    signatures.hubspot(Delivery("POST", called, headers, BODY), ["app"], NOW)


def test_a_version_of_stripe_that_is_not_ours_is_not_looked_at() -> None:
    right = hmac.new(b"s", b"%d.%s" % (AT, BODY), hashlib.sha256).hexdigest()
    with pytest.raises(SignatureError):
        check(signatures.stripe, {"stripe-signature": f"t={AT},v0={right}"}, ["s"])
