"""Events that belong together: a purchase with its payment, and the kinds of fraud that the rules detect."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from random import Random

from cli.seeding.events import Event, health_check, order, transaction
from cli.seeding.people import BAIT_SHOPS, RISKY_PLACES, SHOPS, Person, Product, zone

Timed = tuple[datetime, Event]
Flow = Callable[[Random, Person, datetime], list[Timed]]
AWAKE = range(7, 23)
# Flows in a thousand. More fraud than in reality, so that a few events include some.
HEALTH, PURCHASE, FRAUD = 40, 300, 10
CENTS = 100
# Events in a flow on average, so that flows can be spaced to a rate of events; a test measures it.
MEAN_EVENTS = 1.33


def draw(
    rng: Random, start: datetime, everyone: Sequence[Person], products: Sequence[Product]
) -> list[Timed]:
    """A random flow that begins at `start`: its events, in order of time."""
    kind = rng.randrange(1000)
    if kind < HEALTH:
        return [(start, health_check(rng, start))]
    if kind < HEALTH + FRAUD:
        return rng.choice(FRAUDS)(rng, rng.choice(everyone), start)
    person = someone_awake(rng, everyone, start)
    if kind < HEALTH + FRAUD + PURCHASE:
        return purchase(rng, person, start, products)
    moment = start.astimezone(person.zone)
    cents = _usual(rng, person)
    return [(start, transaction(rng, person, moment, cents=cents, merchant=rng.choice(SHOPS)))]


def someone_awake(rng: Random, everyone: Sequence[Person], moment: datetime) -> Person:
    """Honest people sleep: tries a few times to find someone for whom it is day."""
    for _ in range(8):
        person = rng.choice(everyone)
        if moment.astimezone(person.zone).hour in AWAKE:
            break
    return person


def _usual(rng: Random, person: Person) -> int:
    return max(50, round(person.median_cents * rng.lognormvariate(0, 0.5)))


def purchase(rng: Random, person: Person, start: datetime, products: Sequence[Product]) -> list[Timed]:
    """An order and its payment a little later."""
    basket = [
        (product, rng.choice((1, 1, 1, 2, 3)))
        for product in rng.sample(products, rng.choice((1, 1, 2, 3, 5)))
    ]
    placed = order(rng, person, start, basket)
    paid = start + timedelta(seconds=rng.randint(2, 90))
    cents = round(placed["data"]["payload"]["totalAmount"] * CENTS)
    payment = transaction(
        rng,
        person,
        paid.astimezone(person.zone),
        cents=cents,
        merchant="Millrace Store",
        correlation=placed["correlationId"],
    )
    return [(start, placed), (paid, payment)]


def _stolen_device(rng: Random) -> str:
    return f"device_{rng.getrandbits(40):010x}"


def _card_testing(rng: Random, person: Person, start: datetime) -> list[Timed]:
    """Many small payments in a few minutes, then a large one: velocity."""
    device, moment, made = _stolen_device(rng), start, []
    for number in range(rng.randint(7, 10)):
        last = number > 5 and rng.random() < 0.3
        cents = rng.randint(60_000, 190_000) if last else rng.randint(100, 999)
        event = transaction(
            rng,
            person,
            moment.astimezone(person.zone),
            cents=cents,
            merchant=BAIT_SHOPS[0],
            fraud=True,
            device=device,
        )
        made.append((moment, event))
        moment += timedelta(seconds=rng.randint(20, 150))
    return made


def _crypto_drain(rng: Random, person: Person, start: datetime) -> list[Timed]:
    """One very large payment in crypto."""
    cents = rng.randint(520_000, 1_900_000)
    event = transaction(
        rng,
        person,
        start.astimezone(person.zone),
        cents=cents,
        merchant=BAIT_SHOPS[2],
        fraud=True,
        method="crypto",
        device=_stolen_device(rng),
    )
    return [(start, event)]


def _far_away(rng: Random, person: Person, start: datetime) -> list[Timed]:
    """Rising amounts from a high-risk country while the person is at home."""
    place, hours = rng.choice(RISKY_PLACES)
    device, moment, made, cents = _stolen_device(rng), start, [], rng.randint(20_000, 90_000)
    for _ in range(rng.randint(2, 3)):
        event = transaction(
            rng,
            person,
            moment.astimezone(zone(hours)),
            cents=cents,
            merchant=BAIT_SHOPS[1],
            fraud=True,
            location=place,
            device=device,
        )
        made.append((moment, event))
        moment += timedelta(minutes=rng.randint(3, 15))
        cents = cents * rng.randint(15, 40) // 10
    return made


FRAUDS: tuple[Flow, ...] = (_card_testing, _crypto_drain, _far_away)
