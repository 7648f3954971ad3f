"""What only looks like personal data, made from a seed."""

from collections.abc import Callable
from random import Random
from uuid import UUID

from tests.support.personal_values.persons import a_card, an_iban, luhn_digit, some_digits


def _uuid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def _hash(random: Random) -> str:
    return f"{random.getrandbits(256):064x}"[: random.choice((32, 40, 64))]


def _decimal_hash(random: Random) -> str:
    return some_digits(random, random.choice((22, 32, 40)))


def _moment(random: Random) -> str:
    return f"2026-{random.randrange(1, 13):02d}-{random.randrange(1, 29):02d}T{random.randrange(24):02d}:{random.randrange(60):02d}:{random.randrange(60):02d}.{some_digits(random, 6)}{random.choice(('Z', '+02:00', '-05:30', '+0100'))}"


def _epoch(random: Random) -> str:
    return str(random.randrange(1_600_000_000_000, 1_900_000_000_000) * random.choice((1, 1_000, 1_000_000)))


def _order(random: Random) -> str:
    return random.choice(
        (
            f"ord_{some_digits(random, 10)}",
            f"ORD-2026-{some_digits(random, 8)}",
            f"#{some_digits(random, 7)}",
            f"{some_digits(random, 3)}-{some_digits(random, 7)}-{some_digits(random, 7)}",
        )
    )


def _sequence_with_luhn(random: Random) -> str:
    body = f"{random.choice(('4', '51', '37'))}{some_digits(random, 14)}"[:15]
    return body + luhn_digit(body)


def _nine_digits(random: Random) -> str:
    return str(random.randrange(100_000_000, 999_999_999))


def _eleven_digits(random: Random) -> str:
    return some_digits(random, 11)


def _sku(random: Random) -> str:
    return random.choice(
        (
            f"SKU-{some_digits(random, 8)}-{random.choice('ABCDXYZ')}",
            f"{random.choice('ABC')}{some_digits(random, 3)}-{some_digits(random, 2)}-BLK-{some_digits(random, 2)}",
            f"{some_digits(random, 8)}{random.choice('XYZ')}",
            f"978-3-{some_digits(random, 4)}-{some_digits(random, 4)}-{some_digits(random, 1)}",
        )
    )


def _version(random: Random) -> str:
    return random.choice(
        (
            f"{random.randrange(20)}.{random.randrange(20)}.{random.randrange(20)}.{random.randrange(20)}",
            f"v{random.randrange(30)}.{random.randrange(100)}.{random.randrange(250)}.{random.randrange(200)}",
            f"version {random.randrange(130)}.0.{random.randrange(7_000)}.{random.randrange(200)}",
            f"app-{random.randrange(9)}.{random.randrange(99)}.{random.randrange(99)}.{random.randrange(255)}",
        )
    )


def _user_agent(random: Random) -> str:
    chrome = f"{random.randrange(90, 140)}.0.{random.choice((0, random.randrange(7_000)))}.{random.choice((0, random.randrange(200)))}"
    return f"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{chrome} Safari/537.36"


def _amount(random: Random) -> str:
    return random.choice(
        (
            f"+{random.randrange(10**9)}.{random.randrange(100):02d}",
            f"{random.randrange(1_000)},{random.randrange(1_000):03d},{random.randrange(1_000):03d}.00",
            f"EUR {random.randrange(10**8)}.50",
            f"-{random.randrange(10**11)}",
        )
    )


def _place(random: Random) -> str:
    return f"{random.uniform(-90, 90):+.6f},{random.uniform(-180, 180):+.6f}"


def _private_ip(random: Random) -> str:
    return random.choice(
        (
            f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(256)}",
            f"192.168.{random.randrange(256)}.{random.randrange(256)}",
            f"172.{random.randrange(16, 32)}.{random.randrange(256)}.{random.randrange(256)}",
            "127.0.0.1",
            "0.0.0.0",
            f"203.0.113.0/{random.randrange(8, 30)}",
            "fe80::1",
            "::1",
        )
    )


def _sixteen_digits(random: Random) -> str:
    return str(random.randrange(10**15, 10**16))


def _kernel(random: Random) -> str:
    return f"{random.choice(('Linux', 'ffmpeg', 'nginx'))} {random.randrange(7)}.{random.randrange(20)}.{random.randrange(160)}.{random.randrange(5)}"


def _part(random: Random) -> str:
    return random.choice(
        (
            f"{some_digits(random, 3)}-{some_digits(random, 3)}-{some_digits(random, 3)}",
            f"{some_digits(random, 2)}-{some_digits(random, 4)}-{some_digits(random, 2)}",
            f"{some_digits(random, 3)}-{some_digits(random, 2)}-{some_digits(random, 3)}",
            f"P{random.choice('QXR')}{some_digits(random, 6)}{random.choice('EFGHK')}",
        )
    )


def _imei(random: Random) -> str:
    body = f"35{some_digits(random, 12)}"
    return body + luhn_digit(body)


def _iccid(random: Random) -> str:
    body = f"8949{some_digits(random, 14)}"
    return body + luhn_digit(body)


def _file(random: Random) -> str:
    return random.choice(
        (
            f"logo@{random.randrange(1, 4)}x.png",
            f"lodash@4.17.{random.randrange(30)}",
            f"@scope/name@{random.randrange(9)}.1.0",
            "git@github.com:org/repository.git",
            "postgres://app:secret@db.example.com:5432/shop",
            f"s3://bucket/2026/11/{_hash(random)}.parquet",
            "twitter: @someone",
            f"image:tag@sha256:{_hash(random)}",
            "user@localhost",
            "postfix@mail.internal",
        )
    )


def _mac(random: Random) -> str:
    return ":".join(f"{random.randrange(256):02x}" for _ in range(6))


def _broken_card(random: Random) -> str:
    card = a_card(random)
    return card[:-1] + str((int(card[-1]) + random.randrange(1, 10)) % 10)


def _broken_iban(random: Random) -> str:
    iban = an_iban(random)
    return f"{iban[:2]}{(int(iban[2:4]) + random.randrange(1, 90)) % 97:02d}{iban[4:]}"


def _code(random: Random) -> str:
    return random.choice(
        (
            f"std::vector<int>::at line {random.randrange(999)}",
            f"abc::def({random.randrange(10**6)})",
            f"12:34:{random.randrange(60):02d}",
            f"arn:aws:lambda:eu-west-1:{some_digits(random, 12)}:function:name",
            f"1.3.6.1.4.1.{random.randrange(99_999)}",
            f"UTC+0{random.randrange(10)}:30",
            f"A+{random.randrange(10**6)}",
            f"{random.randrange(100)}%40{random.randrange(100)}",
        )
    )


def _words(random: Random) -> str:
    return " ".join(
        random.choice(
            (
                "blue",
                "shirt",
                "size",
                "XL",
                "delivered",
                "late",
                "2",
                "of",
                "10",
                "items",
                "Order",
                "no.",
                "4711",
                "§ 5",
                "24/7",
            )
        )
        for _ in range(random.randrange(2, 14))
    )


NEGATIVE: tuple[tuple[str, Callable[[Random], str]], ...] = (
    ("requestId", _uuid),
    ("ref", _uuid),
    ("digest", _hash),
    ("value", _decimal_hash),
    ("createdAt", _moment),
    ("note", _moment),
    ("timestamp", _epoch),
    ("value", _epoch),
    ("orderId", _order),
    ("note", _order),
    ("sequence", _sequence_with_luhn),
    ("trackingNumber", _sequence_with_luhn),
    ("value", _sixteen_digits),
    ("text", _kernel),
    ("note", _part),
    ("customerRef", _nine_digits),
    ("accountRef", _eleven_digits),
    ("sku", _sku),
    ("text", _sku),
    ("appVersion", _version),
    ("note", _version),
    ("userAgent", _user_agent),
    ("message", _user_agent),
    ("amount", _amount),
    ("delta", _amount),
    ("location", _place),
    ("clientIp", _private_ip),
    ("host", _private_ip),
    ("imei", _imei),
    ("device", _imei),
    ("iccid", _iccid),
    ("path", _file),
    ("mac", _mac),
    ("value", _broken_card),
    ("value", _broken_iban),
    ("message", _code),
    ("review", _words),
)
