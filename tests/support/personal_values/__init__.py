"""A labelled set of values, some with personal data and some that only look like it; made from a seed, the hard ones by hand."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from millrace.privacy.detector import CARD, EMAIL, IBAN, IP, NATIONAL_ID, PHONE
from tests.support.personal_values.lookalikes import NEGATIVE
from tests.support.personal_values.persons import NAMED_IDS, OF_KIND, a_card, a_local_phone

SEED = 20_18
OF_EACH_KIND = 250
OF_EACH_NEGATIVE = 60


@dataclass(frozen=True, slots=True)
class Labelled:
    """A value of a field, and the kinds that a person sees in it."""

    name: str
    value: str | int
    kinds: frozenset[str]
    made_by: str


_NEUTRAL = ("note", "comment", "value", "text", "ref", "label", "message", "extra", "details", "q", "payload")
_TEXTS = (
    "{}",
    "{}",
    "please contact {} about the delivery",
    "Customer wrote: my new one is {}, thanks!",
    "updated from {} by support (ticket closed)",
    '{{"old": "{}", "reason": "moved"}}',
    "key={};retry=2",
    "<{}>",
    "Ligar para {} amanhã",
    "2026-11-30T10:15:00Z INFO login ok value={} latency=12ms",
    "{}\n-- \nsent from my phone",
)


def labelled() -> list[Labelled]:
    """All of them, the same at each call."""
    random = Random(SEED)
    made = [*_positives(random), *_negatives(random), *BY_HAND]
    assert len(made) >= 2_000
    return made


def _positives(random: Random) -> Iterator[Labelled]:
    for kind, makers in OF_KIND.items():
        for number in range(OF_EACH_KIND):
            maker = makers[number % len(makers)]
            value = maker(random)
            text = random.choice(_TEXTS).format(value)
            yield Labelled(random.choice(_NEUTRAL), text, frozenset({kind}), maker.__name__)
    for number in range(OF_EACH_KIND):
        name, maker = NAMED_IDS[number % len(NAMED_IDS)]
        yield Labelled(name, maker(random), frozenset({NATIONAL_ID}), f"named {maker.__name__}")
    for _ in range(OF_EACH_NEGATIVE):
        yield Labelled(
            random.choice(("phone", "customerPhone", "mobile_number")),
            a_local_phone(random),
            frozenset({PHONE}),
            "local phone",
        )
        yield Labelled(random.choice(_NEUTRAL), int(a_card(random)), frozenset({CARD}), "card as integer")


def _negatives(random: Random) -> Iterator[Labelled]:
    for name, maker in NEGATIVE:
        for _ in range(OF_EACH_NEGATIVE):
            yield Labelled(name, maker(random), frozenset(), f"not {maker.__name__}")


_NONE: frozenset[str] = frozenset()
# What a generator does not think of.
BY_HAND = tuple(
    Labelled(name, value, frozenset(kinds), "by hand")
    for name, value, kinds in (
        ("url", "https://shop.example/reset?token=abc&email=jane.roe@example.com", {EMAIL}),
        ("url", "https://shop.example/reset?email=jane.roe%40example.com&x=1", {EMAIL}),
        ("referrer", "mailto:jane@example.org?subject=hi", {EMAIL}),
        ("from", '"Roe, Jane" <jane@example.org>', {EMAIL}),
        ("note", "JANE.ROE@EXAMPLE.ORG.", {EMAIL}),
        ("note", "ip 198.51.100.23 called from +351 912 345 678, mail a@b.pt", {IP, PHONE, EMAIL}),
        ("forwardedFor", "198.51.100.23, 10.0.0.1", {IP}),
        ("peer", "198.51.100.23:51022", {IP}),
        ("peer", "[2001:db8::17]:443", {IP}),
        ("url", "http://198.51.100.23/index.html", {IP}),
        ("clientIp", "8.8.8.8", {IP}),
        ("note", "card 4111-1111-1111-1111 exp 12/28", {CARD}),
        ("note", "4111111111111111", {CARD}),
        ("orderNote", "paid by 5500 0000 0000 0004", {CARD}),
        ("amex", "3782 822463 10005", {CARD}),
        ("link", "tel:+442079460958", {PHONE}),
        ("wa", "https://wa.me/?phone=%2B351912345678", {PHONE}),
        ("phone", "00351 912 345 678", {PHONE}),
        ("note", "iban de89370400440532013000", {IBAN}),
        ("note", "IBAN: BE68 5390 0754 7034, BIC KREDBEBB", {IBAN}),
        ("note", "My social security number is 219-09-9998", {NATIONAL_ID}),
        ("note", "CF RSSMRA85T10A562S", {NATIONAL_ID}),
        ("note", "1.2.3.4", _NONE),
        ("note", "see section 12.14.15.16", _NONE),
        ("note", "Chrome/120.0.0.0", _NONE),
        ("note", "@someone thanks @other", _NONE),
        ("note", "price 10@5.00", _NONE),
        ("note", "3.14159265358979", _NONE),
        ("note", "0000 0000 0000 0000", _NONE),
        ("phone", "unknown", _NONE),
        ("phone", "n/a", _NONE),
        ("birthday", "2000-01-01", _NONE),
        ("range", "1000000-2000000", _NONE),
        ("note", "+1 for this, +20%, +100 points", _NONE),
        ("hash", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", _NONE),
        ("trace", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", _NONE),
        ("cookie", "GA1.2.1234567890.1234567890", _NONE),
        ("isbn", "9783161484100", _NONE),
        ("vat", "DE123456789", _NONE),
        ("swift", "DEUTDEFF500", _NONE),
        ("plate", "AB-12-CD", _NONE),
        ("geo", "POINT(13.4050 52.5200)", _NONE),
        ("message", "retry 3/10 after 1000 ms at 12:30:45", _NONE),
    )
)
