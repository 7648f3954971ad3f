"""Personal data, made from a seed; check digits are computed here, so that no mistake of the detector judges itself."""

import re
from collections.abc import Callable
from datetime import date, timedelta
from random import Random

from millrace.privacy.detector import CARD, EMAIL, IBAN, IP, NATIONAL_ID, PHONE


def some_digits(random: Random, count: int) -> str:
    return "".join(str(random.randrange(10)) for _ in range(count))


def luhn_digit(digits: str) -> str:
    total = sum(sum(divmod(int(digit) * (2 - place % 2), 10)) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def _email(random: Random) -> str:
    local = random.choice(
        ("maria.silva", "j.doe", "li-wei", "o'brien", "anna_k", "pär", "info+shop", "k9", "RENE")
    )
    host = random.choice(
        ("gmail.com", "example.org", "mail.uni-bonn.de", "foo.co.uk", "empresa.com.br", "müller.de", "x.io")
    )
    return f"{local}{random.randrange(1000)}{random.choice(('@', '@', '@', '%40'))}{host}"


_CARDS = (
    ("4", 16),
    ("51", 16),
    ("55", 16),
    ("2221", 16),
    ("2720", 16),
    ("34", 15),
    ("37", 15),
    ("6011", 16),
    ("65", 16),
    ("3530", 16),
    ("36", 14),
    ("62", 16),
)


def a_card(random: Random) -> str:
    prefix, length = random.choice(_CARDS)
    body = prefix + some_digits(random, length - len(prefix) - 1)
    return body + luhn_digit(body)


def _grouped_card(random: Random) -> str:
    card, mark = a_card(random), random.choice((" ", "-"))
    if len(card) == 16:
        return mark.join(card[at : at + 4] for at in range(0, 16, 4))
    return mark.join((card[:4], card[4:10], card[10:]))


# Country → the form of its account numbers: letters and digits.
_BBAN = {
    "DE": "n18",
    "GB": "a4n14",
    "FR": "n10c11n2",
    "ES": "n20",
    "NL": "a4n10",
    "PT": "n21",
    "IT": "a1n10c12",
    "PL": "n24",
    "AT": "n16",
}
_ALPHABETS = {
    "n": "0123456789",
    "a": "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    "c": "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
}
_EXAMPLES = (
    *(
        "FR1420041010050500013M02606",
        "ES9121000418450200051332",
        "PT50000201231234567890154",
        "IT60X0542811101000000123456",
    ),
    *(
        "BE68539007547034",
        "NO9386011117947",
        "FI2112345600000785",
        "IE29AIBK93115212345678",
        "CZ6508000000192000145399",
    ),
)


def an_iban(random: Random) -> str:
    if random.random() < 0.2:
        return random.choice(_EXAMPLES)
    country, form = random.choice(list(_BBAN.items()))
    body = "".join(
        random.choice(_ALPHABETS[kind])
        for kind, length in re.findall(r"([nac])([0-9]+)", form)
        for _ in range(int(length))
    )
    number = "".join(str(int(character, 36)) for character in f"{body}{country}00")
    return f"{country}{98 - int(number) % 97:02d}{body}"


def _grouped_iban(random: Random) -> str:
    iban = an_iban(random)
    return " ".join(iban[at : at + 4] for at in range(0, len(iban), 4))


# A country's code and its mobile or geographic numbers, by the national plans.
_PHONES: tuple[tuple[str, Callable[[Random], str]], ...] = (
    (
        "+1",
        lambda r: (
            f"{r.choice((202, 212, 305, 415, 617, 773))}{r.randrange(2, 10)}{r.randrange(2, 10)}{r.randrange(2, 10)}{r.randrange(10_000):04d}"
        ),
    ),
    ("+44", lambda r: f"7{r.choice((400, 700, 900, 975))}{r.randrange(1_000_000):06d}"),
    ("+49", lambda r: f"151{r.randrange(10_000_000, 99_999_999)}"),
    ("+33", lambda r: f"6{r.randrange(10_000_000, 99_999_999)}"),
    ("+351", lambda r: f"91{r.randrange(1_000_000, 9_999_999)}"),
    ("+34", lambda r: f"61{r.randrange(1_000_000, 9_999_999)}"),
    ("+31", lambda r: f"61{r.randrange(1_000_000, 9_999_999)}"),
    ("+55", lambda r: f"119{r.randrange(70_000_000, 99_999_999)}"),
    ("+91", lambda r: f"98{r.randrange(10_000_000, 99_999_999)}"),
    ("+48", lambda r: f"60{r.randrange(1_000_000, 9_999_999)}"),
)


def _phone(random: Random) -> str:
    code, number = random.choice(_PHONES)
    return f"{code}{number(random)}"


def _grouped_phone(random: Random) -> str:
    code, make = random.choice(_PHONES)
    number, mark = make(random), random.choice((" ", "-", "."))
    if code == "+1" and random.random() < 0.5:
        return f"+1 ({number[:3]}) {number[3:6]}-{number[6:]}"
    return mark.join((code, number[:3], number[3:6], number[6:]))


def a_local_phone(random: Random) -> str:
    return random.choice(
        (
            f"({random.randrange(200, 999)}) {random.randrange(200, 999)}-{random.randrange(10_000):04d}",
            f"0{random.randrange(150, 180)} {random.randrange(1_000_000, 9_999_999)}",
            f"07{random.randrange(100_000_000, 999_999_999)}",
            f"{random.randrange(200, 999)}-{random.randrange(200, 999)}-{random.randrange(10_000):04d}",
        )
    )


def _ipv4(random: Random) -> str:
    first = random.choice([one for one in range(1, 224) if one not in (10, 127, 169, 172, 192)])
    return f"{first}.{random.randrange(1, 256)}.{random.randrange(1, 256)}.{random.randrange(1, 255)}"


def _ipv6(random: Random) -> str:
    groups = [
        random.choice(("2001", "2a02", "2600", "2804")),
        *(f"{random.randrange(1, 65_536):x}" for _ in range(7)),
    ]
    whole = ":".join(groups)
    return random.choice(
        (whole, f"{':'.join(groups[:4])}::{groups[7]}", f"{groups[0]}:{groups[1]}::1", whole.upper())
    )


def _ip(random: Random) -> str:
    return _ipv4(random) if random.random() < 0.7 else _ipv6(random)


def _ssn(random: Random) -> str:
    area = random.choice([*range(100, 600), *range(700, 899)])
    return f"{area:03d}-{random.randrange(1, 100):02d}-{random.randrange(1, 10_000):04d}"


def _nino(random: Random) -> str:
    letters = random.choice(("AB", "CE", "JM", "PX", "WL", "SR"))
    number = some_digits(random, 6)
    suffix = random.choice("ABCD")
    return random.choice(
        (f"{letters}{number}{suffix}", f"{letters} {number[:2]} {number[2:4]} {number[4:]} {suffix}")
    )


def _cpf_digits(random: Random) -> str:
    digits = some_digits(random, 9)
    for _ in range(2):
        rest = (
            sum(
                int(digit) * weight
                for digit, weight in zip(digits, range(len(digits) + 1, 1, -1), strict=True)
            )
            % 11
        )
        digits += str(0 if rest < 2 else 11 - rest)
    return digits


def _cpf(random: Random) -> str:
    digits = _cpf_digits(random)
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"


def _nir(random: Random) -> str:
    body = f"{random.choice('12')}{random.randrange(40, 99)}{random.randrange(1, 13):02d}{random.randrange(1, 90):02d}{some_digits(random, 6)}"
    return f"{body}{97 - int(body) % 97:02d}"


def _said(word: str, maker: Callable[[Random], str]) -> Callable[[Random], str]:
    def made(random: Random) -> str:
        return f"{word} {maker(random)}"

    made.__name__ = f"{word} {maker.__name__}"
    return made


def _dni(random: Random) -> str:
    number = random.randrange(10_000_000, 99_999_999)
    return f"{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[number % 23]}"


def _nie(random: Random) -> str:
    number = random.randrange(1_000_000, 9_999_999)
    place = random.randrange(3)
    return f"{'XYZ'[place]}{number}{'TRWAGMYFPDXBNJZSQVHLCKE'[int(f'{place}{number}') % 23]}"


def _bsn(random: Random) -> str:
    while True:
        digits = str(random.randrange(10_000_000, 99_999_999))
        rest = sum(int(digit) * weight for digit, weight in zip(digits, range(9, 1, -1), strict=True)) % 11
        if rest < 10:
            return f"{digits}{rest}"


def _pesel(random: Random) -> str:
    day = date(1940, 1, 1) + timedelta(days=random.randrange(20_000))
    digits = f"{day:%y%m%d}{some_digits(random, 4)}"
    return f"{digits}{-sum(int(digit) * weight for digit, weight in zip(digits, (1, 3, 7, 9) * 3, strict=False)) % 10}"


def _personnummer(random: Random) -> str:
    day = date(1940, 1, 1) + timedelta(days=random.randrange(20_000))
    digits = f"{day:%y%m%d}{some_digits(random, 3)}"
    return f"{digits[:6]}-{digits[6:]}{luhn_digit(digits)}"


def _sin(random: Random) -> str:
    digits = str(random.randrange(10_000_000, 79_999_999))
    digits += luhn_digit(digits)
    return f"{digits[:3]} {digits[3:6]} {digits[6:]}"


OF_KIND: dict[str, tuple[Callable[[Random], str], ...]] = {
    EMAIL: (_email,),
    CARD: (a_card, _grouped_card),
    IBAN: (an_iban, _grouped_iban),
    PHONE: (_phone, _grouped_phone),
    IP: (_ip,),
    NATIONAL_ID: (
        _ssn,
        _nino,
        _cpf,
        _nir,
        _said("DNI", _dni),
        _said("BSN:", _bsn),
        _said("PESEL", _pesel),
        _said("NIE no.", _nie),
    ),
}
NAMED_IDS: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("ssn", lambda random: _ssn(random).replace("-", "")),
    ("dni", _dni),
    ("bsn", _bsn),
    ("nationalId", _pesel),
    ("customerCpf", _cpf_digits),
    ("personnummer", _personnummer),
    ("social_insurance_number", _sin),
    ("nie", _nie),
)
