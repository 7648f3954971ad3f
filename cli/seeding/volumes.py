"""Hourly volumes of a shop's event types, with seasons, trend and noise, and with anomalies planted at known hours.

What `anomalies/` is measured by: weeks of undisturbed past, then a month in which it is known what is wrong, where and when.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from random import Random

WEEK = 168
# The hour of the week that a year's calendar begins with is of no matter: hour 0 is a Monday's midnight, UTC.
_DAY_SHAPE = (3, 2, 1, 1, 1, 2, 4, 7, 9, 10, 10, 11, 12, 11, 10, 10, 11, 13, 15, 16, 15, 12, 8, 5)
_WEEKEND = (1.0, 1.0, 1.0, 1.05, 1.2, 1.5, 1.35)


@dataclass(frozen=True, slots=True)
class Planted:
    """An anomaly: of which series, of which kind, and its first hour and the one after its last."""

    key: str
    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Type:
    """How many events of a type come: at a mean hour, how noisy that is, how it grows by week, whether it has a season."""

    name: str
    mean: float
    noise: float
    growth: float = 0.0
    seasonal: bool = True


TYPES = (
    Type("page.viewed", 4000, 0.06, 0.01),
    Type("product.viewed", 1500, 0.07, 0.01),
    Type("cart.item_added", 300, 0.08),
    Type("checkout.started", 120, 0.08, 0.02),
    Type("order.created", 80, 0.08, 0.02),
    Type("payment.captured", 75, 0.08, 0.02),
    Type("transaction.created", 600, 0.1, -0.01),
    Type("user.registered", 25, 0.12),
    Type("inventory.adjusted", 200, 0.15, seasonal=False),
    Type("system.health.check", 360, 0.0, seasonal=False),
    Type("review.submitted", 8, 0.1),
    Type("report.flagged", 1.5, 0.1),
)
# Kind → how many are planted, how long each lasts, and by what its series is multiplied.
_PLANTED: Mapping[str, tuple[int, tuple[int, int], tuple[float, float]]] = {
    "drift": (6, (96, 140), (0.6, 1.5)),
    "spike": (12, (1, 4), (2.2, 5.0)),
    "drop": (12, (2, 8), (0.15, 0.5)),
    "silence": (8, (2, 10), (0.0, 0.0)),
    "share": (6, (10, 18), (0.55, 1.6)),
}
# A drift reaches its level in so many hours.
_RAMP = 48
_TRIES = 2000
# Anomalies that nobody could see are none: so many events are expected in the hours of a short one.
_SEEN = 60


def month(
    number: int, *, past_weeks: int = 6, days: int = 30
) -> tuple[list[dict[str, float]], list[Planted]]:
    """Events by type of each hour, past and month, and what is planted in the month.

    Args:
        number: of the seed; determines everything.
        past_weeks: without anomalies, before the month.
        days: of the month.
    """
    rng = Random(f"{number} volumes")  # noqa: S311  a simulation, not a secret
    hours = past_weeks * WEEK + days * 24
    planted = [*_plant(rng, past_weeks * WEEK, hours)]
    made: list[dict[str, float]] = []
    for hour in range(hours):
        made.append(
            {
                one.name: _count(rng, _mean(one, hour) * _factor(one, hour, planted), one.noise)
                for one in TYPES
            }
        )
    return made, planted


def _mean(one: Type, hour: int) -> float:
    """What a type has in an hour, without noise and anomalies."""
    season = 1.0
    if one.seasonal:
        season = _DAY_SHAPE[hour % 24] * 24 / sum(_DAY_SHAPE) * _WEEKEND[hour // 24 % 7] * 7 / sum(_WEEKEND)
    return one.mean * season * math.exp(one.growth * hour / WEEK)


def _factor(one: Type, hour: int, planted: Sequence[Planted]) -> float:
    found = 1.0
    for anomaly in planted:
        if anomaly.key == one.name and anomaly.start <= hour < anomaly.end:
            strength = _strength(anomaly)
            if anomaly.kind == "drift":
                strength **= min((hour - anomaly.start + 1) / _RAMP, 1.0)
            found *= strength
    return found


def _strength(anomaly: Planted) -> float:
    rng = Random(f"{anomaly.key} {anomaly.start}")  # noqa: S311
    low, high = _PLANTED[anomaly.kind][2]
    # What may go up or down does one of them, never neither.
    return rng.choice((low, high)) if low < 1 < high else rng.uniform(low, high)


def _plant(rng: Random, first: int, end: int) -> Iterator[Planted]:
    """Anomalies that keep a day's distance from each other in their series."""
    taken: list[Planted] = []
    for kind, (number, (shortest, longest), _) in _PLANTED.items():
        left = number
        # A short month has no room for all.
        for _ in range(_TRIES):
            if not left:
                break
            length = rng.randint(shortest, longest)
            start = rng.randrange(first, end - length)
            one = rng.choice(TYPES)
            expected = sum(_mean(one, hour) for hour in range(start, start + length))
            planted = Planted(one.name, kind, start, start + length)
            if expected / length < _SEEN or any(_near(planted, other) for other in taken):
                continue
            taken.append(planted)
            left -= 1
            yield planted


def _near(one: Planted, other: Planted) -> bool:
    rest = 48 if "drift" in (one.kind, other.kind) else 24
    return one.key == other.key and one.start < other.end + rest and other.start < one.end + rest


def _count(rng: Random, mean: float, noise: float) -> float:
    rate = mean * math.exp(rng.gauss(0, noise) - noise**2 / 2)
    if rate > 500:
        return max(round(rng.gauss(rate, math.sqrt(rate))), 0)
    # Knuth, in parts that do not underflow.
    count, limit, product = 0, math.exp(-min(rate, 500)), rng.random()
    while product > limit:
        count += 1
        product *= rng.random()
    return count
