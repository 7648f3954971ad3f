"""Payment cards and bank accounts in texts: by prefix, length and checksum. Pure."""

import re
from itertools import islice

# Digits in one piece or in groups of one separator.
_CARD = re.compile(
    r"(?<![0-9A-Za-z_.+-])[2-6](?:[0-9]{11,18}|(?=[0-9 -]{13,22})[0-9]{3}(?P<mark>[ -])[0-9]{4,6}(?P=mark)[0-9]{2,7}(?:(?P=mark)[0-9]{1,4}){0,2})(?![0-9A-Za-z_]|[.-][0-9])"
)
_IBAN = re.compile(
    r"(?<![0-9A-Za-z])[A-Za-z]{2}[0-9]{2}(?:[0-9A-Za-z]{11,30}|(?: [0-9A-Za-z]{4}){2,7}(?: [0-9A-Za-z]{1,4})?)(?![0-9A-Za-z])"
)
# Accounts whose checksum is computed in one text.
MOST = 100
# First digits (as a range) and lengths, of the ranges that ISO/IEC 7812 gives to schemes.
_SCHEMES = (
    ("34", "34", (15,)),  # American Express
    ("37", "37", (15,)),
    ("4", "4", (16, 19)),  # Visa; of 13 digits none is left
    ("51", "55", (16,)),  # Mastercard
    ("2221", "2720", (16,)),
    ("6011", "6011", (16,)),  # Discover
    ("644", "659", (16,)),
    ("3528", "3589", (16,)),  # JCB
    ("300", "305", (14,)),  # Diners Club
    ("36", "36", (14,)),
    ("38", "39", (14, 16)),
    ("62", "62", (16, 17, 18, 19)),  # UnionPay
    *(
        (one, one, (12, 13, 16, 19))
        for one in ("5018", "5020", "5038", "5893", "6304", "6759", "6761", "6762", "6763")
    ),
)


def has_card(text: str, *, is_number: bool) -> bool:
    """Whether it holds the number of a payment card.

    Args:
        text: any.
        is_number: whether the field's name says that it holds numbers which are given out: one in ten keeps the checksum, so only
            those in groups count.
    """
    for match in _CARD.finditer(text):
        if is_number and match["mark"] is None:
            continue
        digits = re.sub(r"[ -]", "", match[0])
        if _is_of_scheme(digits) and luhn(digits) and len(set(digits)) > 1:
            return True
    return False


def _is_of_scheme(digits: str) -> bool:
    return any(
        low <= digits[: len(low)] <= high and len(digits) in lengths for low, high, lengths in _SCHEMES
    )


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of ISO/IEC 7812-1."""
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit)
        total += value if place % 2 == 0 else value * 2 - 9 * (value > 4)
    return total % 10 == 0


def has_iban(text: str) -> bool:
    """Whether it holds an account number of ISO 13616: the country's length and form, and the checksum."""
    return any(_is_iban(match[0]) for match in islice(_IBAN.finditer(text), MOST))


def _is_iban(text: str) -> bool:
    # Here, because it reads the countries' forms; most values never come so far.
    from stdnum import iban  # noqa: PLC0415

    # A word that follows looks like one more group.
    while text:
        # Without the check digits of national account numbers: tables of banks that are not in force everywhere.
        if iban.is_valid(text, check_country=False):
            return True
        text, space, _ = text.rpartition(" ")
        if not space:
            return False
    return False
