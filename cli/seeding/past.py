"""Weeks of events: people with habits, and fraud that shows only in comparison with the past of users and merchants."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from random import Random

from cli.seeding.events import Event, health_check
from cli.seeding.flows import HEALTH, PURCHASE, Timed, someone_awake
from cli.seeding.habits import bought, payment, population
from cli.seeding.people import Person, Product, shelf
from cli.seeding.schemes import fraud
from millrace.core import clock

# Events may be as old as the retention less a day (90 days by default); a late request must still be accepted.
MOST_DAYS = 80
FRAUD = 18
DAY = timedelta(days=1)


def past(number: int, *, today: date, days: int, count: int) -> Iterator[Event]:
    """Events of the whole UTC days before today, in order of time, equally many on each day.

    A day's events depend on the seed, the day, and how many there are a day: the same call tomorrow repeats all but
    the first day, as duplicates.

    Args:
        number: of the seed; determines everything random, event ids included.
        today: the UTC day; its events are not among them.
        days: how many days, at most 80.
        count: events in all.
    """
    everyone = population(number, count / days)
    products = shelf(Random(f"{number} shelf"))  # noqa: S311  a simulation, not a secret
    for index in range(days):
        size = count * (index + 1) // days - count * index // days
        yield from _day(number, today - (days - index) * DAY, size, everyone, products)


def _day(
    number: int, day: date, size: int, everyone: Sequence[Person], products: Sequence[Product]
) -> list[Event]:
    rng = Random(f"{number} {day} of a past")  # noqa: S311
    made: list[Timed] = []
    while len(made) < size:
        made += _inside(day, _flow(rng, _moment(rng, day), everyone, products))[: size - len(made)]
    made.sort(key=lambda timed: timed[0])
    return [event for _, event in made]


def _moment(rng: Random, day: date) -> datetime:
    return clock.midnight(day) + timedelta(milliseconds=rng.randrange(86_400_000))


def _inside(day: date, flow: list[Timed]) -> list[Timed]:
    """The part of a flow that happens on that day: its beginning, where it crosses midnight."""
    return [timed for timed in flow if timed[0].date() == day]


def _flow(
    rng: Random, start: datetime, everyone: Sequence[Person], products: Sequence[Product]
) -> list[Timed]:
    kind = rng.randrange(1000)
    if kind < HEALTH:
        return [(start, health_check(rng, start))]
    if kind < HEALTH + FRAUD:
        return fraud(rng, rng.choice(everyone), start)
    person = someone_awake(rng, everyone, start)
    if kind < HEALTH + FRAUD + PURCHASE:
        return bought(rng, person, start, products)
    return payment(rng, person, start)
