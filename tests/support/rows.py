"""Realistic rows of the Events table: golden samples with the values that differ from event to event made new."""

import copy
import random
import re
import uuid
from typing import Any

from millrace.contracts.contract import Contract
from millrace.core import clock, keys
from millrace.core.table import Item
from millrace.eventstore.codec import Codec
from millrace.eventstore.row import to_item
from millrace.intake.enrich import Origin, enrich
from millrace.intake.protect import Protection
from tests.support.people import EverybodyIsKnown

_PROTECTION = Protection(EverybodyIsKnown())
_DIGITS = re.compile(r"[0-9]+|(?<![a-zA-Z])[0-9a-f]{6,}")
_WORD = re.compile(r"[A-Za-z]{3,}")
_SYLLABLES = (
    "ra",
    "mo",
    "li",
    "ten",
    "sa",
    "vor",
    "ki",
    "ber",
    "no",
    "gal",
    "du",
    "per",
    "shi",
    "an",
    "os",
    "el",
)


def variant(event: dict[str, Any], rng: random.Random) -> dict[str, Any]:
    """The event with other ids, numbers and names of the same shape and length.

    A row of it compresses as a stranger's does, not as the sample that the dictionary was made from.
    """
    return {
        **{key: _other(value, rng, key) for key, value in copy.deepcopy(event).items()},
        "eventId": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "eventType": event["eventType"],
        "timestamp": f"2026-11-{rng.randrange(1, 21):02}T{rng.randrange(24):02}:{rng.randrange(60):02}:"
        f"{rng.randrange(60):02}.{rng.randrange(1000):03}Z",
        "version": event.get("version", "1.0.0"),
    }


def item(event: dict[str, Any], contract: Contract, codec: Codec, rng: random.Random) -> Item:
    """The row that intake would write for the event."""
    received_at = clock.parse("2026-11-21T09:30:00.123Z")
    request = str(uuid.UUID(int=rng.getrandbits(128), version=4))
    origin = Origin(org="org_acme", principal="webshop", request_id=request, received_at=received_at)
    envelope = enrich(event, contract, origin, clock.parse(event["timestamp"]))
    named = _PROTECTION.named(envelope, contract)
    stored = _PROTECTION.stored(envelope, contract, named, _PROTECTION.people(origin.org, named.names()))
    return to_item(stored, contract, rng.randbytes(16), codec)


def size(item: Item) -> int:
    """Bytes of a row as DynamoDB counts them: names and values in UTF-8; numbers half a byte a digit and one more."""
    total = 0
    for name, value in item.items():
        ((kind, content),) = value.items()
        total += len(name.encode())
        if kind == "N":
            total += len(content) // 2 + 1
        else:
            total += len(content.encode()) if kind == "S" else len(content)
    return total


def _other(value: Any, rng: random.Random, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _other(part, rng, name) for name, part in value.items()}
    if isinstance(value, list):
        return (
            [_other(rng.choice(value), rng, key) for _ in range(rng.randrange(2 * len(value)) + 1)]
            if value
            else []
        )
    if isinstance(value, bool) or value is None:
        return rng.random() < 0.5 if isinstance(value, bool) else None
    if isinstance(value, int):
        return rng.randrange(10 ** max(1, len(str(abs(value)))))
    if isinstance(value, float):
        return round(rng.uniform(0, abs(value) * 2), 2)
    if not isinstance(value, str):
        return value
    digits = _DIGITS.sub(lambda match: "".join(rng.choice("0123456789") for _ in match[0]), value)
    # Words of a closed list (a status, a currency, a country) come back; names and free text do not.
    return (
        digits
        if re.fullmatch(r"[A-Za-z_-]{1,16}", value)
        else _WORD.sub(lambda match: _name(match[0], rng), digits)
    )


def _name(word: str, rng: random.Random) -> str:
    made = ""
    while len(made) < len(word):
        made += rng.choice(_SYLLABLES)
    made = made[: len(word)]
    return made.capitalize() if word[0].isupper() else made


def pointed_at(pointer: Item) -> tuple[str, str]:
    """Tenant and event of a row of UserEvents."""
    return pointer["userKey"]["S"].partition(keys.SEPARATOR)[0], keys.id_of(pointer["sortKey"]["S"])
