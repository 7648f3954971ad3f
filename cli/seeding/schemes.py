"""Fraud over weeks: only the past of the user and of the merchant distinguishes it from honest payments."""

from collections.abc import Callable, Sequence
from datetime import date, datetime, timedelta
from random import Random

from cli.seeding.events import transaction
from cli.seeding.flows import Timed
from cli.seeding.habits import new_device, usual
from cli.seeding.people import BAIT_SHOPS, RISKY_PLACES, SHOPS, Person, zone

# The customers' cards of one shop are copied for so many days; then it is another shop.
COMPROMISED_DAYS = 14
# Of a hundred payments by thieves.
KNOWN_DEVICE, FROM_AFAR, BY_CRYPTO = 40, 25, 15
Step = tuple[float, str, timedelta]
Scheme = Callable[[Random, Person, str], list[Step]]


def fraud(rng: Random, person: Person, start: datetime) -> list[Timed]:
    """Labelled payments by someone else with one person's money, in order of time."""
    scheme = rng.choices(*_SCHEMES)[0]
    device = None if rng.randrange(100) < KNOWN_DEVICE else new_device(rng)
    place, own = person.location, person.zone
    if rng.randrange(100) < FROM_AFAR:
        place, hours = rng.choice(RISKY_PLACES)
        own = zone(hours)
    method = "crypto" if rng.randrange(100) < BY_CRYPTO else None
    made: list[Timed] = []
    moment = start
    for times, merchant, later in scheme(rng, person, compromised(start.date())):
        moment += later
        cents = max(50, round(usual(rng, person) * times))
        event = transaction(
            rng,
            person,
            moment.astimezone(own),
            cents=cents,
            merchant=merchant,
            fraud=True,
            method=method,
            location=place,
            device=device,
        )
        made.append((moment, event))
    return made


def compromised(day: date) -> str:
    """The shop whose customers are defrauded on a day."""
    return SHOPS[day.toordinal() // COMPROMISED_DAYS * 5 % len(SHOPS)]


def _soon(rng: Random) -> timedelta:
    return timedelta(seconds=rng.randint(30, 1500))


def _testing(rng: Random, _: Person, __: str) -> list[Step]:
    """A few small payments at a bait shop, then large ones there."""
    small = [(rng.uniform(0.02, 0.12), BAIT_SHOPS[0], _soon(rng)) for _ in range(rng.randint(1, 2))]
    return small + [(rng.uniform(5, 12), BAIT_SHOPS[0], _soon(rng)) for _ in range(rng.randint(1, 2))]


def _bait(rng: Random, _: Person, __: str) -> list[Step]:
    """Goods that are easy to sell, far above the person's usual amounts."""
    return [(rng.uniform(4.5, 15), rng.choice(BAIT_SHOPS), _soon(rng)) for _ in range(rng.randint(1, 3))]


def _copied(rng: Random, _: Person, shop: str) -> list[Step]:
    """At the shop that is compromised these days."""
    return [(rng.uniform(4, 9), shop, _soon(rng)) for _ in range(rng.randint(1, 2))]


def _spree(rng: Random, _: Person, __: str) -> list[Step]:
    """From shop to shop, with amounts the person never pays."""
    return [(rng.uniform(7, 18), rng.choice(SHOPS), _soon(rng)) for _ in range(rng.randint(2, 4))]


def _unnoticed(rng: Random, _: Person, __: str) -> list[Step]:
    """One payment that looks like any other: not all fraud can be found."""
    return [(1.0, rng.choice(SHOPS), timedelta(0))]


# How often in a hundred.
_SCHEMES: tuple[Sequence[Scheme], Sequence[int]] = (
    (_testing, _bait, _copied, _spree, _unnoticed),
    (22, 38, 18, 14, 8),
)
