r"""The formats a text can have, each as JSON Schema.

Every format is said whole by its pattern and lengths, the calendar too, so that a validator gives the same verdict whether
it asserts `format` or not. Patterns use what the engines of all languages read alike (`contracts/regular_expressions.py`); `$` is the
end of the text here, and the JSON Schema that we publish says so in a form that does not depend on the engine.
"""

from typing import Any

# Control characters (C0, DEL, C1) and the marks that turn the direction of writing. In an id they make two different
# values look like one, so no id may hold them.
UNPRINTABLE = r"\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"

_HEX = "[0-9a-fA-F]"
# Every day of a year but 29 February, and 29 February with its years, from the year 1000 on.
_DAY = (
    "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))"
)
_LEAP_DAY = "([1-9][0-9](0[48]|[2468][048]|[13579][26])|([2468][048]|[13579][26])00)-02-29"
_DATE = f"([1-9][0-9]{{3}}-{_DAY}|{_LEAP_DAY})"
# Seconds end at 59: a leap second has no place in POSIX time, so it could not be ordered.
_TIME = "T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]"
_FRACTION = r"(\.[0-9]{1,9})?"
_HOURS = "([01][0-9]|2[0-3]):[0-5][0-9]"
# In UTC a moment lies in the years 1000 to 9999, which every type of the lake and every reader of it can hold, also
# after its fraction was rounded to microseconds. So the first year has no offset that leads back over its beginning,
# and the last none that leads beyond its end, and no more digits than are kept. What stands for "without end" is
# 9999-12-31T23:59:59Z, with up to six digits if one likes. Neither is a leap year.
_YEAR = "([2-8][0-9]{3}|1[1-9][0-9]{2}|10[1-9][0-9]|100[1-9]|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
_MOMENT = (
    "("
    rf"({_YEAR}-{_DAY}|{_LEAP_DAY}){_TIME}{_FRACTION}(Z|[+-]{_HOURS})"
    rf"|1000-{_DAY}{_TIME}{_FRACTION}(Z|-{_HOURS}|\+00:00)"
    rf"|9999-{_DAY}{_TIME}(\.[0-9]{{1,6}})?(Z|\+{_HOURS}|-00:00)"
    ")"
)
# Of a field whose values are held against the clock, and so are never near the ends.
CLOCK = f"^{_DATE}{_TIME}{_FRACTION}(Z|[+-]{_HOURS})$"
_LABEL = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"

# JSON Schema of each format.
FORMATS: dict[str, dict[str, Any]] = {
    "identifier": {"minLength": 1, "maxLength": 256, "pattern": f"^[^{UNPRINTABLE}]*$"},
    "uuid": {"format": "uuid", "pattern": f"^{_HEX}{{8}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{4}}-{_HEX}{{12}}$"},
    "date-time": {"format": "date-time", "pattern": f"^{_MOMENT}$"},
    "date": {"format": "date", "pattern": f"^{_DATE}$"},
    "email": {
        "format": "email",
        "maxLength": 254,
        "pattern": rf"^[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{{|}}~-]+)*@({_LABEL}\.)+{_LABEL}$",
    },
    "uri": {
        "format": "uri",
        "maxLength": 2048,
        "pattern": r"^[a-zA-Z][a-zA-Z0-9+.-]*:[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]+$",
    },
    "hostname": {"format": "hostname", "maxLength": 253, "pattern": rf"^{_LABEL}(\.{_LABEL})*$"},
    "ipv4": {"format": "ipv4", "pattern": rf"^{_OCTET}(\.{_OCTET}){{3}}$"},
    # Either family, as access logs have it; which of the many spellings of IPv6 is sound is not worth a refusal.
    "ip-address": {"minLength": 2, "maxLength": 45, "pattern": "^[0-9a-fA-F:.]+$"},
    "currency": {"pattern": "^[A-Z]{3}$"},
    "country": {"pattern": "^[A-Z]{2}$"},
    "version": {"maxLength": 256, "pattern": r"^[0-9]+(\.[0-9]+){0,2}$"},
}

# How a message calls each.
NAMES = {
    "identifier": "1 to 256 printable characters",
    "uuid": "a uuid",
    "uuid-v4": "a uuid of version 4",
    "date-time": "RFC 3339 with offset, UTC year 1000-9999",
    "date": "a date, such as 2026-11-21",
    "email": "an e-mail address",
    "uri": "a URI",
    "hostname": "a host name",
    "ipv4": "an IPv4 address",
    "ip-address": "an IP address",
    "currency": "a currency code, such as EUR",
    "country": "a country code, such as DE",
    "version": "a version, such as 1.2.0",
}

UUID_V4: dict[str, Any] = {
    "format": "uuid",
    "pattern": f"^{_HEX}{{8}}-{_HEX}{{4}}-4{_HEX}{{3}}-[89abAB]{_HEX}{{3}}-{_HEX}{{12}}$",
}

# The way back, for messages: which format a failing pattern belongs to.
BY_PATTERN = {
    **{schema["pattern"]: name for name, schema in FORMATS.items()},
    UUID_V4["pattern"]: "uuid-v4",
    CLOCK: "date-time",
}


def text(name: str) -> dict[str, Any]:
    """JSON Schema of a text in one of the formats of `FORMATS`."""
    return {"type": "string", **FORMATS[name]}
