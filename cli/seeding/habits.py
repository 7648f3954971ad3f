"""Honest payments over weeks: usual amounts, and now and then something unusual."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from random import Random

from cli.seeding.events import transaction
from cli.seeding.flows import CENTS, Timed, purchase
from cli.seeding.people import BAIT_SHOPS, HOMES, RISKY_PLACES, SHOPS, Person, Product, people, zone

# Payments of one person a day, on average: enough that a month shows what is usual for them.
EVENTS_PER_PERSON_AND_DAY = 1.0
FEWEST, MOST = 150, 5000
# One person in so many usually pays with crypto: the method alone proves nothing.
CRYPTO_EVERY = 40
OTHERS = 100_000
MEDIAN_CENTS, LEAST_CENTS, SPREAD = 4000, 300, 1.7
# A basket costs less than so many usual payments.
AFFORDED, TRIES = 3, 6
# Of a thousand honest payments. Shops that attract thieves have honest customers too, and people travel, buy a new
# telephone, or buy something expensive once in a while: no single field separates fraud from honest payments.
AT_BAIT_SHOP, LARGE, TRAVELLING, RISKY_TRAVEL, NEW_DEVICE = 60, 4, 25, 4, 40


def population(number: int, per_day: float) -> list[Person]:
    """The people of a seed, those of a smaller population first.

    They are not those of `timeline`, so that live events do not mix with their past, and their usual amounts differ
    more: an amount alone proves little.

    Args:
        number: of the seed.
        per_day: events a day; more events come from more people, not from busier ones.
    """
    size = min(MOST, max(FEWEST, round(per_day / EVENTS_PER_PERSON_AND_DAY)))
    return [
        replace(
            person,
            number=person.number + OTHERS,
            method="crypto" if person.number % CRYPTO_EVERY == 0 else person.method,
            median_cents=max(
                LEAST_CENTS, round(MEDIAN_CENTS * (person.median_cents / MEDIAN_CENTS) ** SPREAD)
            ),
        )
        for person in people(Random(f"{number} past"), size)  # noqa: S311  a simulation, not a secret
    ]


def usual(rng: Random, person: Person) -> int:
    """A usual amount of the person, in cents."""
    return max(50, round(person.median_cents * rng.lognormvariate(0, 0.35)))


def payment(rng: Random, person: Person, start: datetime) -> list[Timed]:
    """An honest payment."""
    cents = usual(rng, person)
    shops: Sequence[str] = SHOPS
    if chance(rng, AT_BAIT_SHOP):
        shops = BAIT_SHOPS
    elif chance(rng, LARGE):
        cents = round(cents * rng.uniform(2.5, 5))
    location, own = _place(rng, person)
    device = new_device(rng) if chance(rng, NEW_DEVICE) else None
    moment = start.astimezone(own)
    made = transaction(
        rng, person, moment, cents=cents, merchant=rng.choice(shops), location=location, device=device
    )
    return [(start, made)]


def bought(rng: Random, person: Person, start: datetime, products: Sequence[Product]) -> list[Timed]:
    """An order that the person can afford and its payment; a payment alone where none is found."""
    for _ in range(TRIES):
        flow = purchase(rng, person, start, products)
        if flow[-1][1]["data"]["payload"]["amount"] * CENTS < AFFORDED * person.median_cents:
            return flow
    return payment(rng, person, start)


def chance(rng: Random, per_mille: int) -> bool:
    """True with a probability of `per_mille` in a thousand."""
    return rng.randrange(1000) < per_mille


def new_device(rng: Random) -> str:
    """A device that no one has used before."""
    return f"device_{rng.getrandbits(40):010x}"


def _place(rng: Random, person: Person) -> tuple[str, timezone]:
    if chance(rng, RISKY_TRAVEL):
        place, hours = rng.choice(RISKY_PLACES)
    elif chance(rng, TRAVELLING):
        place, hours = rng.choice(HOMES)
    else:
        return person.location, person.zone
    return place, zone(hours)
