"""What honest people do over weeks: pay their usual amounts, and now and then something that looks odd."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timezone
from random import Random

from cli.seeding.events import transaction
from cli.seeding.flows import CENTS, Timed, purchase
from cli.seeding.people import BAIT_SHOPS, HOMES, RISKY_PLACES, SHOPS, Person, Product, people, zone

# Payments each person makes in a day, about: enough that a month shows what is usual for them.
EVENTS_PER_PERSON_AND_DAY = 1.0
FEWEST, MOST = 150, 5000
# Everyone of so many pays with crypto as a habit: the method alone says nothing.
CRYPTO_EVERY = 40
OTHERS = 100_000
MEDIAN_CENTS, LEAST_CENTS, SPREAD = 4000, 300, 1.7
# A basket is worth less than so many usual payments.
AFFORDED, TRIES = 3, 6
# Of a thousand honest payments. Shops that thieves like have honest customers too, people travel, buy a new telephone, and
# buy something large once in a while: no single field tells fraud from honesty.
AT_BAIT_SHOP, LARGE, TRAVELLING, RISKY_TRAVEL, NEW_DEVICE = 60, 4, 25, 4, 40


def population(number: int, per_day: float) -> list[Person]:
    """The people of a seed, those of a smaller population first.

    They are others than those of `timeline`, so that what is seeded live does not mix with their past, and what is
    usual differs more between them: an amount alone says little.

    Args:
        number: of the seed.
        per_day: events a day; more events are of more people, not of busier ones.
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
    """An amount as the person pays it, in cents."""
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
    """An order of what the person can afford with its payment, or else a payment."""
    for _ in range(TRIES):
        flow = purchase(rng, person, start, products)
        if flow[-1][1]["data"]["payload"]["amount"] * CENTS < AFFORDED * person.median_cents:
            return flow
    return payment(rng, person, start)


def chance(rng: Random, per_mille: int) -> bool:
    """Whether something happens that happens so often in a thousand."""
    return rng.randrange(1000) < per_mille


def new_device(rng: Random) -> str:
    """A device that nobody has used."""
    return f"device_{rng.getrandbits(40):010x}"


def _place(rng: Random, person: Person) -> tuple[str, timezone]:
    if chance(rng, RISKY_TRAVEL):
        place, hours = rng.choice(RISKY_PLACES)
    elif chance(rng, TRAVELLING):
        place, hours = rng.choice(HOMES)
    else:
        return person.location, person.zone
    return place, zone(hours)
