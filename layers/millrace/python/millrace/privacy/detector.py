"""Finds personal data in a text by its form: what kinds, never where or which value. Pure.

Six kinds. What has a checksum or a numbering plan is held to it; what has a weak one counts only where the field's name or
a word just before it says what it is. Everything is found inside longer texts as well. All expressions are linear in the text.
"""

from collections.abc import Iterator
from typing import Any

from millrace.privacy import hints, internet, national_ids, payments, phones

EMAIL, IP, PHONE = "email", "ip_address", "phone"
CARD, IBAN, NATIONAL_ID = "payment_card", "iban", "national_id"
KINDS = (EMAIL, IBAN, IP, NATIONAL_ID, CARD, PHONE)
# Shorter than the shortest of them, `1.2.3.4` and `a@b.io`.
_SHORTEST = 6
# The smallest integer that is looked at: eight digits.
_INTEGER = 10_000_000
_NOTHING: frozenset[str] = frozenset()


def kinds(value: Any, name: str = "") -> frozenset[str]:
    """The kinds of personal data in a value, of `KINDS`.

    Args:
        value: a JSON scalar; integers are looked at as their digits, other values but texts hold none.
        name: of its field, such as `customerPhone`; empty if it has none.
    """
    if value.__class__ is int:
        if value < _INTEGER:
            return _NOTHING
        value = str(value)
    elif value.__class__ is not str or len(value) < _SHORTEST:
        return _NOTHING
    found = [EMAIL] if internet.has_email(value) else []
    if hints.DIGITS(value):
        if not hints.is_machine_made(value):
            found += _of_digits(value, hints.of(name))
    # All others have four digits, but an address of IPv6 may have fewer.
    elif ":" in value and internet.has_ipv6(value):
        found.append(IP)
    return frozenset(found) if found else _NOTHING


def _of_digits(text: str, said: frozenset[str]) -> Iterator[str]:
    """The kinds that are numbers, in a text of a field whose name says so much."""
    if hints.VERSION not in said and internet.has_address(text, named=hints.IP in said):
        yield IP
    if phones.has_phone(text, named=hints.PHONE in said):
        yield PHONE
    if payments.has_card(text, is_number=hints.NUMBER in said):
        yield CARD
    if payments.has_iban(text):
        yield IBAN
    if national_ids.has_id(text, named=hints.NATIONAL_ID in said, is_number=hints.NUMBER in said):
        yield NATIONAL_ID
