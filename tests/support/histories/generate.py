"""A history by chance: cheap to make, the same for the same seed."""

import random
from datetime import datetime, timedelta

from tests.support.histories.world import AGES, ORGS, START, Sent, World

REQUEST = 250
A_DAY = timedelta(days=1)


def run(world: World, deliveries: int, rng: random.Random) -> None:
    """Sends about that many events, with all that can happen to them."""
    numbers = max(30, deliveries // 3)
    aged = False
    while len(world.answers) < deliveries:
        some = [one(world, rng, numbers) for _ in range(REQUEST)]
        # What was answered comes again: at once, a day later, after its row has gone.
        some += [known.sent for known in rng.sample(world.answers, min(len(world.answers), REQUEST // 3))]
        rng.shuffle(some)
        match rng.randrange(10):
            case 0:
                world.send_at_once(some, rng.sample(some, len(some)))
            case 1 | 2:
                world.send(some, failing=rng.randint(5, 60), took_effect=rng.random() < 0.5)
            case _:
                world.send(some)
        if rng.random() < 0.3:
            world.deliver(window=rng.choice([1, 8, 64]))
        if rng.random() < 0.02:
            world.advance(A_DAY)
        if not aged and len(world.answers) > deliveries * 3 // 4:
            world.replay()
            world.advance(AGES)
            aged = True
    world.replay()
    world.deliver()


def one(world: World, rng: random.Random, numbers: int) -> Sent:
    """Mostly new content; sometimes other content under the same id, sometimes one that is refused."""
    number = rng.randrange(numbers)
    chance = rng.random()
    story = 0 if chance < 0.9 else 1 if chance < 0.97 else -1
    # Most clients say the same moment each time; some tell of another day under an id of old.
    day = START if rng.random() < 0.8 else world.now
    return Sent(rng.choice(ORGS), number, story, moment(day, number))


def moment(day: datetime, number: int) -> datetime:
    """When the event of that number happened: on the day before, within the two hours before midnight."""
    return day.replace(hour=0, minute=0, second=0) - timedelta(seconds=number % 7200)
