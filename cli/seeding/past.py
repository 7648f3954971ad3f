"""Weeks of events: people with habits, and fraud that shows only beside what users and merchants did before."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from cli.seeding.events import Event, health_check
from cli.seeding.flows import HEALTH, PURCHASE, Timed, someone_awake
from cli.seeding.habits import bought, payment, population
from cli.seeding.people import Person, Product, shelf
from cli.seeding.schemes import fraud

# Events reach back to the retention less a day (90 days by default): a request that is sent late must still be in time.
MOST_DAYS = 80
FRAUD = 18
DAY = timedelta(days=1)


def past(number: int, *, today: date, days: int, count: int) -> Iterator[Event]:
    """Events of the whole UTC days before today, in order of time, as many on each day.

    A day's events depend on the seed, the day, and how many there are a day: the same window asked for tomorrow brings
    all but its first day again, as duplicates.

    Args:
        number: of the seed; decides all that chance decides, event ids included.
        today: the UTC day; its events are not among them.
        days: how many days, at most 80.
        count: events in all.
    """
    everyone = population(number, count / days)
    products = shelf(Random(f"{number} shelf"))  # noqa: S311  a simulation, not a secret
    for place in range(days):
        room = count * (place + 1) // days - count * place // days
        yield from _day(number, today - (days - place) * DAY, room, everyone, products)


def _day(
    number: int, day: date, room: int, everyone: Sequence[Person], products: Sequence[Product]
) -> list[Event]:
    rng = Random(f"{number} {day} of a past")  # noqa: S311
    made: list[Timed] = []
    while len(made) < room:
        made += _inside(day, _flow(rng, _moment(rng, day), everyone, products))[: room - len(made)]
    made.sort(key=lambda timed: timed[0])
    return [event for _, event in made]


def _moment(rng: Random, day: date) -> datetime:
    return datetime.combine(day, time(tzinfo=UTC)) + timedelta(milliseconds=rng.randrange(86_400_000))


def _inside(day: date, flow: list[Timed]) -> list[Timed]:
    """What still happens on that day: of a flow around midnight the beginning."""
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
