"""A user's usual behaviour, as sets in which a repeated element changes nothing.

Per UTC day the ids with their amounts, and the devices, merchants and countries seen. Never a counter: a counter would
count a second delivery.
"""

import hashlib
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

from millrace.fraud.rules import country_of
from millrace.fraud.velocity import HASH_BYTES

MS_PER_DAY = 86_400_000
WEEK, DAYS = 7, 30
AMOUNT_BYTES = 8
# Amounts have at most four decimals.
UNITS = 10_000
# A day or a list takes no more elements than this: it keeps the row of a very active user within a few dozen kilobytes.
SATURATION = 64
SEEN_BYTES = 6
SEEN = ("devices", "merchants", "countries")
_NEW = {"devices": "new_device", "merchants": "new_merchant", "countries": "new_country"}

DaySets = Mapping[int, Collection[bytes]]
"""Day since 1970 → id hash and amount of each transaction."""


def day_element(moment_ms: int, hashed: bytes, amount: float) -> tuple[int, bytes]:
    """The UTC day of a transaction and its element there."""
    units = min(round(amount * UNITS), 2 ** (8 * AMOUNT_BYTES - 1) - 1)
    return moment_ms // MS_PER_DAY, hashed + units.to_bytes(AMOUNT_BYTES, "big", signed=True)


def seen_elements(payload: Mapping[str, Any]) -> dict[str, bytes]:
    """The device, merchant and country of a transaction, each hashed; missing ones are left out."""
    elements = {}
    if device := payload.get("device_id"):
        elements["devices"] = _hashed(device)
    if merchant := payload.get("merchant"):
        elements["merchants"] = _hashed(merchant)
    if country := country_of(payload.get("location")):
        elements["countries"] = _hashed_country(country)
    return elements


def _hashed(value: str) -> bytes:
    return hashlib.sha256(value.casefold().encode()).digest()[:SEEN_BYTES]


# There are few countries, and many transactions in each.
_hashed_country = lru_cache(maxsize=512)(_hashed)


def features(
    days: DaySets,
    seen: Mapping[str, Collection[bytes]],
    own_seen: Mapping[str, bytes],
    moment_ms: int,
    own: bytes,
) -> dict[str, Any]:
    """The profile's features of a transaction.

    Args:
        days: of the user; the transaction itself is not counted.
        seen: the devices, merchants and countries before this transaction.
        own_seen: those of this transaction, as `seen_elements` gives them.
        moment_ms: when it happened.
        own: the hash of its id.

    Returns:
        `transactions_1d`, `_7d`, `_30d` (UTC days up to and with that of the transaction), `mean_amount_30d` (None
        without any), and `new_device`, `new_merchant`, `new_country` for those that it names.
    """
    today = moment_ms // MS_PER_DAY
    one = seven = thirty = units = 0
    for day, elements in days.items():
        if not today - DAYS < day <= today:
            continue
        count = 0
        for element in elements:
            if element[:HASH_BYTES] != own:
                count += 1
                units += int.from_bytes(element[HASH_BYTES:], "big", signed=True)
        thirty += count
        if day > today - WEEK:
            seven += count
        if day == today:
            one = count
    values: dict[str, Any] = {
        "transactions_1d": one,
        "transactions_7d": seven,
        "transactions_30d": thirty,
        "mean_amount_30d": round(units / thirty / UNITS, 4) if thirty else None,
    }
    for name, element in own_seen.items():
        values[_NEW[name]] = element not in seen.get(name, ())
    return values
