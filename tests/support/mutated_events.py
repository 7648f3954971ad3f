"""Events in which something was changed to where validators differ: edges of floats, ends of lines, days that are none."""

import copy
import random
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from millrace.compiler import samples

_NUMBERS = (
    *(
        0.1 + 0.2,
        1e-7,
        1e15,
        -0.0,
        0,
        1e12,
        -1e12,
        1e12 + 1,
        999999999999.9999,
        0.07,
        39.9,
        0.0001,
        0.00005,
        1.00005,
    ),
    *(123456.7891, 1e308, 5e-324, 10.0, 1.5, -1, 2**31, 2**31 - 1, 1e20, 19.99, 1.1, 4.35, 100000000.0001),
)
_UUID = "0b9f1d0c-7a3e-4a44-8f0e-3d2c1b0a9f8e"
_DAYS = (
    "2026-02-30",
    "2024-02-29",
    "2023-02-29",
    "2100-02-29",
    "2000-02-29",
    "2026-04-31",
    "2026-13-01",
    "2026-00-10",
)
_TIMES = (
    *(
        "T10:00:00Z",
        "T10:00:00Z\n",
        "T10:00:60Z",
        "t10:00:00z",
        " 10:00:00Z",
        "T24:00:00Z",
        "T10:00:00+24:00",
        "T10:00:00",
    ),
    "",
)
_TEXTS = (
    *(
        "",
        " ",
        "\n",
        "a\n",
        "\u2028",
        "\u0085",
        "\r",
        "é",
        "\U0001f600",
        "\U0001f600" * 8,
        "e\u0301",
        "\u0661\u0662",
    ),
    *("EUR\n", "DE\n", "0999-01-01T00:00:00Z", "1000-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999Z"),
    *(
        "user@example.com\n",
        "a@b",
        "http://x/[",
        "http://x/%zz",
        "a:b",
        "1.2.3.4\n",
        "01.2.3.4",
        "::1",
        "1.2.3\n",
    ),
    *(
        "host.\n",
        *("a" * length for length in (255, 256, 257, 480, 481, 2049)),
        _UUID,
        _UUID.upper(),
        f"{_UUID}\n",
    ),
)
_OTHERS: tuple[Any, ...] = (
    None,
    True,
    False,
    [],
    {},
    [None],
    {"a": 1},
    {"toString": 1},
    [1, 1.0],
    [1, True],
    ["a", "a"],
)


def events(contract_file: Path, count: int) -> Iterator[dict[str, Any]]:
    """The golden and broken events of a contract's file, then as many with one or two things changed, the same in each run."""
    golden = samples.golden(contract_file)
    yield from golden
    yield from (case.event for case in samples.broken(contract_file))
    rng = random.Random(zlib.crc32(golden[0]["eventType"].encode()))
    for _ in range(count):
        event = copy.deepcopy(rng.choice(golden))
        for _ in range(rng.choice([1, 1, 1, 2])):
            _change(event, rng)
        yield event


def _change(event: dict[str, Any], rng: random.Random) -> None:
    holder, key = rng.choice(list(_places(event)))
    chance = rng.random()
    if chance < 0.75:
        holder[key] = copy.deepcopy(_other(holder[key], rng))
    elif chance < 0.85:
        del holder[key]
    elif isinstance(holder, dict):
        holder[rng.choice(["unheard", "toString", "a\nb"])] = 1
    else:
        holder.append(copy.deepcopy(rng.choice([*holder, None])))


def _other(value: Any, rng: random.Random) -> Any:
    if isinstance(value, str) and rng.random() < 0.9:
        moment = rng.choice(_DAYS) + rng.choice(_TIMES)
        return rng.choice([*_TEXTS, moment, moment, f"{value}\n", f"{value}\u2028", value * 2, value[:-1]])
    if isinstance(value, (int, float)) and rng.random() < 0.9:
        money = (rng.randrange(10**9) / 100, rng.randrange(10**14) / 1e4, round(rng.uniform(-1e6, 1e6), 5))
        return rng.choice([*_NUMBERS, *money * 5])
    return rng.choice([*_NUMBERS, *_TEXTS, *_OTHERS])


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys: Any = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])
