"""Phone numbers in texts, held to the numbering plans of all countries (libphonenumber). Pure."""

import re
from itertools import islice

# `+` as a URL writes it, too. What follows a number may look like more of it, so it is tried shorter and shorter.
_INTERNATIONAL = re.compile(
    r"(?<![\w+.])(?:\+|%2[Bb])[ ]?(?P<digits>[0-9(][0-9 ().\-/]{5,22}[0-9])(?![A-Za-z_])"
)
_END = re.compile(r"[ ().\-/]+[0-9]+$")
_LOCAL = re.compile(r"[0-9(][0-9 ().\-/]{5,18}[0-9]")
_DECIMAL = re.compile(r"[0-9]{1,15}\.[0-9]{1,2}")
_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
FEWEST, MOST = 7, 15
_TRIES = 4
# Looked up in one text: each takes some 50 µs.
_MOST_CANDIDATES = 100


def has_phone(text: str, *, named: bool) -> bool:
    """Whether it holds a phone number with `+`; where the field's name says phone, also one as people write it at home.

    Args:
        text: any.
        named: whether the field's name says that it is one.
    """
    if ("+" in text or "%2" in text) and any(
        _is_valid(match["digits"]) for match in islice(_INTERNATIONAL.finditer(text), _MOST_CANDIDATES)
    ):
        return True
    if not named:
        return False
    return any(_is_local(match[0]) for match in _LOCAL.finditer(text))


def _is_valid(digits: str) -> bool:
    if _DECIMAL.fullmatch(digits):
        return False
    for _ in range(_TRIES):
        if _count(digits) < FEWEST + 1:
            return False
        if _count(digits) <= MOST and _in_plan(digits):
            return True
        shorter = _END.sub("", digits)
        if shorter == digits:
            return False
        digits = shorter
    return False


def _in_plan(digits: str) -> bool:
    # Here, because it reads the plans; most values never come so far.
    import phonenumbers  # noqa: PLC0415

    try:
        parsed = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return False
    return phonenumbers.is_valid_number(parsed)


def _is_local(text: str) -> bool:
    return FEWEST <= _count(text) <= MOST and not _MOMENT.match(text) and len(set(text)) > 2


def _count(text: str) -> int:
    return sum(character.isdigit() for character in text)
