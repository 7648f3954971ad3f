"""The same JSON spelled in other ways: numbers, order of keys, escapes, white space, and the case of an event's id."""

import json
import random
from typing import Any
from uuid import UUID

# Whole numbers up to here are the same number with a fraction or an exponent.
_EXACT = 2**53


def spell(value: Any, rng: random.Random) -> str:
    """JSON of a value, by chance in one of its spellings. Integers beyond 64 bits keep their digits."""
    if isinstance(value, dict):
        pairs = list(value.items())
        rng.shuffle(pairs)
        inner = [f"{_space(rng)}{spell(name, rng)}{_space(rng)}:{spell(part, rng)}" for name, part in pairs]
        return "{" + ",".join(inner) + _space(rng) + "}"
    if isinstance(value, list):
        return "[" + ",".join(f"{_space(rng)}{spell(part, rng)}" for part in value) + _space(rng) + "]"
    if isinstance(value, str):
        return _text(value, rng)
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, int):
        return _integer(value, rng)
    return _float(value, rng)


def recased(event: Any, rng: random.Random) -> Any:
    """The event with its id in capitals, at times, where it is a uuid."""
    try:
        UUID(event["eventId"])
    except (TypeError, KeyError, ValueError, AttributeError):
        return event
    return {**event, "eventId": event["eventId"].upper()} if rng.random() < 0.3 else event


def _space(rng: random.Random) -> str:
    return rng.choice(("", "", " ", "\t", "  "))


def _text(value: str, rng: random.Random) -> str:
    if len(value) > 1000 or rng.random() < 0.5:
        return json.dumps(value, ensure_ascii=rng.random() < 0.5)
    return '"' + "".join(_character(one, rng) for one in value) + '"'


def _character(one: str, rng: random.Random) -> str:
    written = json.dumps(one, ensure_ascii=False)[1:-1]
    if rng.random() < 0.8 or ord(one) > 0xFFFF:
        return written
    code = f"{ord(one):04x}"
    return "\\u" + (code.upper() if rng.random() < 0.5 else code)


def _integer(value: int, rng: random.Random) -> str:
    if abs(value) > _EXACT:
        return str(value)
    zeros = "0" * rng.randrange(1, 25)
    return rng.choice(
        (
            str(value),
            f"{value}.{zeros}",
            f"{value}e0",
            f"{value}E+00",
            f"{value * 10}e-1",
            f"{value}.0{zeros}E0",
        )
    )


def _float(value: float, rng: random.Random) -> str:
    if value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124  NaN is not a value of its own
        return json.dumps(value)
    exact = [repr(value), f"{value:.16e}", f"{value:.16E}", f"{value:.25e}"]
    if value.is_integer() and abs(value) <= _EXACT:
        exact.append(str(int(value)))
    if value == 0:
        exact += ["0", "-0", "0e9", "-0.0", "1e-400"]
    return rng.choice(exact)
