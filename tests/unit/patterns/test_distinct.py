"""A count of different values: the stream tells what SQL over the same events says, whatever the order of arrival."""

import random
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.contracts import registry
from millrace.eventstore.row import StoredEvent, from_item
from millrace.patterns.judge import matches
from millrace.patterns.reading import Reader
from tests.support.patterns import Story, World

NAME, ORGS, DEVICES = "device_fails_for_many_users", ("org_acme", "org_globex"), 8
# Every event behind which there were five users of its device within an hour.
CLOSING = """
SELECT b.id FROM fails b JOIN fails a ON a.org = b.org AND a.device = b.device
  AND a.micros >= b.micros - 3600000000 AND (a.micros < b.micros OR (a.micros = b.micros AND a.id <= b.id))
WHERE b.who IS NOT NULL GROUP BY b.id HAVING count(DISTINCT a.who) >= 5
"""


def fails() -> Story:
    """Two thousand of two tenants; some on no device, some of no user."""
    rng, story = random.Random(5), Story()
    for _ in range(2000):
        device = rng.choice([*map(str, range(DEVICES)), None])
        user = rng.choice([*(f"usr_{number}" for number in range(9)), None])
        at = rng.randrange(1000)
        payload = {"deviceId": device, "amount": 1}
        who: Any = {"userId": user} if user else {}
        story.tell("payment.failed", at, payload, org=rng.choice(ORGS), **who)
    return story


def test_the_judge_says_what_sql_says(bundle: Path) -> None:
    assert bundle.is_dir()
    story = fails()
    (pattern,) = World(NAME).patterns
    events: list[StoredEvent] = [from_item(item, story.codec) for item in story.items]
    by_key: dict[tuple[str, str], list[StoredEvent]] = {}
    reader, rows, found = Reader([pattern], registry.load().of_ref), [], set[str]()
    for event in events:
        for hit in reader.hits(event):
            by_key.setdefault((event.org, hit.key), []).append(event)
            user = event.envelope.get("userId")
            rows.append((event.org, hit.key, user, hit.fact.micros, hit.fact.event_id))
    for several in by_key.values():
        facts = [hit.fact for event in several for hit in reader.hits(event)]
        found |= {match.closing.event_id for match in matches(pattern, facts)}
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute(
            "CREATE TABLE fails (org VARCHAR, device VARCHAR, who VARCHAR, micros BIGINT, id VARCHAR)"
        )
        connection.executemany("INSERT INTO fails VALUES (?, ?, ?, ?, ?)", rows)
        wanted = {row[0] for row in connection.execute(CLOSING).fetchall()}
    assert found == wanted
    assert 200 < len(wanted) < len(rows) - 200


@pytest.mark.parametrize("seed", [1, 2])
def test_each_order_of_arrival_tells_the_same(bundle: Path, seed: int) -> None:
    assert bundle.is_dir()
    rng, story = random.Random(9), Story()
    wanted = []
    for number in range(30):
        device, users = f"dev_{number}", rng.randrange(3, 7)
        for user in range(users):
            for _ in range(rng.randrange(1, 3)):
                story.failed(rng.randrange(59), device=device, user=f"usr_{user}", org=ORGS[number % 2])
        wanted += [f"device_id:{device}"] if users >= 5 else []
    world = World(NAME)
    # Of more than twenty in an hour others are held back.
    world.patterns = [replace(one, quiet=timedelta(hours=1)) for one in world.patterns]
    world.restart()
    world.run(story.items, random.Random(seed))
    assert 5 < len(wanted) <= 20
    assert world.raised() == sorted(wanted)
    payload = world.events()[0]
    assert payload["message"].startswith("5 payment.failed with different user_key of device_id:dev_")
