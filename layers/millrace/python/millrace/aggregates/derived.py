"""What follows from the measures of a window: computed when it is read, and stored nowhere. Pure.

| kind | takes | is |
|---|---|---|
| `ratio` | `of`, `by` | `of` / `by`; null where `by` is 0 |
| `difference` | `of`, `by` | `of` - `by`, exact |
| `projection` | `of`, `since`, `at`, `until` | what `of`, which has grown since a moment, will be `until` another at the rate that it has had up to `at`; behind `until` it is `of` |
| `reached` | `of`, `by`, `since`, `at` | when `of` will be `by`, or was, at that rate; null where `of` is not above 0, or beyond the year 9999 |

Each is null where one of these is, and where no time has passed. But for differences they are computed in doubles, one operation behind
the other as SQL does it, and rounded to four decimals or down to the second.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from millrace.aggregates import measures
from millrace.aggregates.definition import Derived
from millrace.contracts.fields import UNITS, decimal
from millrace.core import clock

ROLES: Mapping[str, tuple[str, ...]] = {
    "ratio": ("of", "by"),
    "difference": ("of", "by"),
    "projection": ("of", "since", "at", "until"),
    "reached": ("of", "by", "since", "at"),
}
# What of these is a moment; all others are numbers.
MOMENTS = ("since", "at", "until")
# The kinds that are a moment.
OF_MOMENTS = ("reached",)
# Beyond this a number is null, and a moment behind the year 9999.
LARGEST, LAST_SECOND = 10**18, 253_402_300_800


def with_derived(several: Sequence[Derived], shown: Mapping[str, Any]) -> dict[str, Any]:
    """Shown measures by name, and what is derived of them; each may take those before it."""
    found = dict(shown)
    for one in several:
        taken = {role: found[name] for role, name in one.of.items()}
        found[one.name] = None if None in taken.values() else _KINDS[one.kind](taken)
    return found


def _ratio(taken: Mapping[str, Any]) -> Any:
    return _number(float(taken["of"]) / float(taken["by"])) if taken["by"] else None


def _projection(taken: Mapping[str, Any]) -> Any:
    amount, since, at, until = float(taken["of"]), *(_second(taken[name]) for name in MOMENTS)
    if at >= until:
        return _number(amount)
    return _number(amount * (until - since) / (at - since)) if at > since else None


def _reached(taken: Mapping[str, Any]) -> Any:
    since, at = _second(taken["since"]), _second(taken["at"])
    if taken["of"] <= 0 or taken["by"] < 0 or at <= since:
        return None
    second = since + (at - since) * float(taken["by"]) / float(taken["of"])
    return measures.shown("timestamptz", math.floor(second) * 1_000_000) if second < LAST_SECOND else None


def _number(value: float) -> Any:
    return decimal(math.floor(value * UNITS + 0.5)) if abs(value) < LARGEST else None


def _second(moment: str) -> float:
    return clock.epoch_micros(clock.parse(moment)) / 1_000_000


_KINDS: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    "ratio": _ratio,
    "difference": lambda taken: taken["of"] - taken["by"],
    "projection": _projection,
    "reached": _reached,
}
