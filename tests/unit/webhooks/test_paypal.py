"""PayPal's signatures: whose certificate it is decides, whatever address a delivery names, and nobody has it call for nothing."""

import zlib
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificates

from millrace.core.errors import RetryableError
from millrace.feeders.binding import Webhook
from millrace.webhooks import paypal, paypal_roots
from millrace.webhooks.delivery import Delivery, SignatureError
from millrace.webhooks.paypal import (
    AGAIN_SECONDS,
    MOST_KEPT,
    OLDEST,
    READS_IN_A_MINUTE,
    PayPal,
    signed,
)
from millrace.webhooks.sources import verify_of
from tests.support.paypal import ADDRESS, SANDBOX, WEBHOOK_ID, Authority, of_paypal

NOW = datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC)
BODY = b'{"id":"WH-1"}'


class Running:
    """A verifier whose certificates come from an authority, with a clock that stands."""

    def __init__(self, authority: Authority, *, sandbox: bool = False) -> None:
        self.authority, self.second = authority, 1000.0
        self.verify = PayPal(sandbox=sandbox, read=authority.read, seconds=lambda: self.second)

    def check(
        self,
        headers: dict[str, str],
        body: bytes = BODY,
        secrets: Sequence[str] = (WEBHOOK_ID,),
        now: datetime = NOW,
    ) -> None:
        self.verify(Delivery("POST", "", headers, body), secrets, now)

    def why(self, headers: dict[str, str], **how: Any) -> str:
        with pytest.raises(SignatureError) as error:
            self.check(headers, **how)
        return str(error.value)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Running:
    authority = Authority(NOW)
    monkeypatch.setattr(paypal, "_roots", authority.store)
    authority.serve()
    return Running(authority)


def test_the_text_that_is_signed_is_that_of_paypals_own_library() -> None:
    """https://github.com/paypal/PayPal-Python-SDK, `WebhookEvent._get_expected_sig`; the CRC has no sign, whatever its first bit."""
    assert zlib.crc32(b"123456789") == 0xCBF43926
    wanted = b"dfb3be50-fd74-11e4-8bf3-77339302725b|2015-05-18T15:45:13Z|4JH86294D6297924G|3421780262"
    assert (
        signed("dfb3be50-fd74-11e4-8bf3-77339302725b", "2015-05-18T15:45:13Z", WEBHOOK_ID, 0xCBF43926)
        == wanted
    )


def test_what_paypal_signed_is_believed_and_its_certificate_is_read_once(running: Running) -> None:
    for number in range(3):
        body = b"%d" % number
        running.check(of_paypal(body, NOW), body)
    assert running.authority.reads == [ADDRESS]
    running.check(of_paypal(BODY, NOW), secrets=("ANOTHER", WEBHOOK_ID))
    assert running.why(of_paypal(BODY, NOW), secrets=("ANOTHER",)) == running.why(of_paypal(b"{}", NOW))
    changed = of_paypal(BODY, NOW, paypal_transmission_id="another")
    assert "no webhook id" in running.why(changed)


def test_a_certificate_without_its_issuer_is_believed_by_those_that_are_written_down(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    running.authority.serve(alone=True)
    assert "not PayPal's" in running.why(of_paypal(BODY, NOW))
    monkeypatch.setattr(paypal, "_intermediates", lambda: [running.authority.intermediate])
    running.second += AGAIN_SECONDS
    running.check(of_paypal(BODY, NOW))


@pytest.mark.parametrize(
    "address",
    [
        SANDBOX,
        ADDRESS.replace("https", "http"),
        ADDRESS.replace("api.paypal.com", "api.paypal.com.evil.example"),
        ADDRESS.replace("api.paypal.com", "evil.example"),
        ADDRESS.replace("api.paypal.com", "evil.paypal.com"),
        ADDRESS.replace("api.paypal.com", "api.paypal.com@evil.example"),
        ADDRESS.replace("api.paypal.com", "api.paypal.com:8443"),
        ADDRESS.replace("/certs/", "/certs/../"),
        ADDRESS + "?next=https://evil.example",
        ADDRESS + "\n",
        "https://169.254.169.254/v1/notifications/certs/CERT-360caa42-fca2a594-a5cafa77",
    ],
)
def test_no_other_address_is_called(running: Running, address: str) -> None:
    running.authority.serve(address)
    assert "address" in running.why(of_paypal(BODY, NOW, paypal_cert_url=address))
    assert running.authority.reads == []


def test_a_certificate_of_somebody_else_is_not_believed(running: Running) -> None:
    forger = Authority(NOW, name="forger")
    forger.serve()
    running.authority.served[ADDRESS] = forger.served[ADDRESS]
    assert "not PayPal's" in running.why(of_paypal(BODY, NOW)), "another root"
    for how in (
        {"host": "www.paypal.com"},
        {"host": "messageverificationcerts.paypal.com.evil.example"},
        {"host": "messageverificationcerts.sandbox.paypal.com"},
        {"age": 40.0},
        {"age": -1.0},
    ):
        running.second += AGAIN_SECONDS
        running.authority.serve(**how)
        assert "not PayPal's" in running.why(of_paypal(BODY, NOW)), how
    for served in (b"", b"<html>", running.authority.served[ADDRESS][:-40]):
        running.second += AGAIN_SECONDS
        running.authority.served[ADDRESS] = served
        running.why(of_paypal(BODY, NOW))
    running.second += AGAIN_SECONDS
    running.authority.serve(key_name="another")
    assert "no webhook id" in running.why(of_paypal(BODY, NOW)), "of PayPal, and another key"


def test_a_sandbox_signs_for_a_source_of_the_sandbox_alone(running: Running) -> None:
    sandbox = Running(running.authority, sandbox=True)
    running.authority.serve(SANDBOX)
    sandbox.check(of_paypal(BODY, NOW, paypal_cert_url=SANDBOX))
    assert "address" in sandbox.why(of_paypal(BODY, NOW))


def test_a_certificate_that_ends_is_read_anew(running: Running) -> None:
    running.authority.serve(days=2)
    running.check(of_paypal(BODY, NOW))
    later = NOW + timedelta(days=2)
    assert "not valid now" in running.why(of_paypal(BODY, later), now=later)
    running.authority.serve(age=0)
    running.second += AGAIN_SECONDS
    running.check(of_paypal(BODY, later), now=later)
    assert len(running.authority.reads) == 3


def test_the_time_is_of_now_or_of_the_days_that_paypal_tries(running: Running) -> None:
    for away in (timedelta(0), timedelta(minutes=-4), OLDEST):
        running.check(of_paypal(BODY, NOW - away))
    for away in (timedelta(minutes=-6), OLDEST + timedelta(seconds=1)):
        assert "older" in running.why(of_paypal(BODY, NOW - away))
    for moment in ("now", "2026-09-21T14:13:20", "1790000000", ""):
        running.why(of_paypal(BODY, NOW, paypal_transmission_time=moment))


@pytest.mark.parametrize("name", ["id", "time", "sig"])
def test_a_header_that_is_missing_or_none_is_not_believed(running: Running, name: str) -> None:
    headers = of_paypal(BODY, NOW)
    del headers[f"paypal-transmission-{name}"]
    assert "there is no header" in running.why(headers)
    assert running.authority.reads == []


def test_nothing_is_read_for_what_cannot_be_believed(running: Running) -> None:
    running.why(of_paypal(BODY, NOW, paypal_auth_algo="SHA1withRSA"))
    running.why(of_paypal(BODY, NOW, paypal_transmission_sig="%%%"))
    running.why(of_paypal(BODY, NOW), secrets=())
    running.why(of_paypal(BODY, NOW - timedelta(days=9)))
    assert running.authority.reads == []


def test_made_up_addresses_are_read_seldom_and_put_no_good_one_out(running: Running) -> None:
    running.check(of_paypal(BODY, NOW))

    def fails(address: str) -> bytes:
        running.authority.reads.append(address)
        raise RetryableError("read certificate of PayPal: status 404")

    verify = running.verify
    verify._read = fails
    made_up = [ADDRESS[:-8] + f"{number:08x}" for number in range(3 * MOST_KEPT)]
    for address in made_up[: 2 * READS_IN_A_MINUTE]:
        running.why(of_paypal(BODY, NOW, paypal_cert_url=address))
    assert len(running.authority.reads) == READS_IN_A_MINUTE, "the good one is one of them"
    assert "404" in running.why(of_paypal(BODY, NOW, paypal_cert_url=made_up[0])), "remembered"
    for address in made_up:
        running.second += 60 / READS_IN_A_MINUTE + 0.01
        running.why(of_paypal(BODY, NOW, paypal_cert_url=address))
    reads = len(running.authority.reads)
    running.check(of_paypal(BODY, NOW))
    assert len(running.authority.reads) == reads
    assert len(verify._known) <= MOST_KEPT


def test_what_is_written_down_is_digicerts_and_has_years_to_go() -> None:
    roots = load_pem_x509_certificates(paypal_roots.ROOTS)
    by_name = {one.subject: one for one in roots}
    assert all(one.issuer == one.subject for one in roots)
    for one in load_pem_x509_certificates(paypal_roots.INTERMEDIATES):
        one.verify_directly_issued_by(by_name[one.issuer])


def test_a_source_of_scheme_paypal_is_verified_by_paypals_certificates(running: Running) -> None:
    found = verify_of(Webhook("paypal", sandbox=True))
    assert isinstance(found, PayPal)
    with pytest.raises(SignatureError, match="address"):
        found(Delivery("POST", "", of_paypal(BODY, NOW), BODY), [WEBHOOK_ID], NOW)
