"""The seeder: the same for the same seed, true to its contracts' own rules, and with fraud that is labelled."""

from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from random import Random
from uuid import UUID

import orjson
import pytest

from cli.commands.seed import chunks, numbered, yesterday
from cli.seeding import timeline
from cli.seeding.events import Event
from cli.seeding.flows import MEAN_EVENTS, draw
from cli.seeding.people import RISKY_PLACES, people, shelf

START = datetime(2026, 11, 20, tzinfo=UTC)


def some(seed: str = "7", most: int = 4000, per_hour: float = 4000 / 24) -> list[Event]:
    return list(timeline(seed, start=START, per_hour=per_hour, most=most))


def test_the_same_seed_gives_the_same_bytes() -> None:
    assert orjson.dumps(some(most=500)) == orjson.dumps(some(most=500))


def test_a_seed_that_asks_for_more_begins_with_the_same_events() -> None:
    assert some(most=100) == some(most=300)[:100]


def test_another_seed_gives_other_ids() -> None:
    first, second = ({event["eventId"] for event in some(seed, most=500)} for seed in ("7", "8"))
    assert not first & second


def test_ids_are_uuids_of_version_4_and_unique() -> None:
    ids = [event["eventId"] for event in some()]
    assert len(set(ids)) == len(ids)
    assert {UUID(event_id).version for event_id in ids} == {4}


def test_events_come_in_order_of_time_inside_the_day() -> None:
    times = [datetime.fromisoformat(event["timestamp"]) for event in some()]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert times[0] >= START
    assert times[-1] < START + timedelta(hours=28)


def test_the_rate_is_kept() -> None:
    events = some(most=5000, per_hour=1000)
    hours = (datetime.fromisoformat(events[-1]["timestamp"]) - START) / timedelta(hours=1)
    assert 4.5 < hours < 5.5


def test_the_mean_length_of_a_flow_is_what_the_rate_reckons_with() -> None:
    rng = Random(11)
    everyone, products = people(rng), shelf(rng)
    moment = START + timedelta(hours=12)
    lengths = [len(draw(rng, moment, everyone, products)) for _ in range(30_000)]
    assert abs(sum(lengths) / len(lengths) - MEAN_EVENTS) < 0.03


def test_order_totals_are_the_sum_of_their_items_to_the_cent() -> None:
    orders = [event for event in some() if event["eventType"] == "order.created"]
    assert orders
    for event in orders:
        payload = orjson.loads(orjson.dumps(event))["data"]["payload"]
        exact = sum((Decimal(str(item["price"])) * item["quantity"] for item in payload["items"]), Decimal(0))
        assert exact == Decimal(str(payload["totalAmount"]))
        assert payload["userId"] == event["userId"]


def test_an_order_is_paid_by_the_same_person_in_the_same_flow() -> None:
    events = some()
    orders = {e["correlationId"]: e for e in events if e["eventType"] == "order.created"}
    payments = [e for e in events if e["eventType"] == "transaction.created" and e["correlationId"] in orders]
    assert len(payments) > len(orders) * 0.9
    for payment in payments:
        paid_for = orders[payment["correlationId"]]
        assert payment["userId"] == paid_for["userId"]
        assert payment["data"]["payload"]["amount"] == paid_for["data"]["payload"]["totalAmount"]


def test_fraud_is_labelled_and_shows_every_pattern() -> None:
    payments = [
        e["data"]["payload"]
        for e in some(most=20_000, per_hour=800)
        if e["eventType"] == "transaction.created"
    ]
    fraud = [payment for payment in payments if payment["is_fraud"]]
    assert 0.005 < len(fraud) / len(payments) < 0.08
    assert any(payment["payment_method"] == "crypto" and payment["amount"] > 5000 for payment in fraud)
    assert {place for place, _ in RISKY_PLACES} == {p["location"] for p in fraud} & {
        place for place, _ in RISKY_PLACES
    }
    by_device: dict[str, list[datetime]] = defaultdict(list)
    for payment in fraud:
        by_device[payment["device_id"]].append(datetime.fromisoformat(payment["timestamp"]))
    runs = [sorted(times) for times in by_device.values() if len(times) >= 6]
    assert any(times[5] - times[0] <= timedelta(minutes=30) for times in runs)
    honest = [payment for payment in payments if not payment["is_fraud"]]
    assert not [payment for payment in honest if payment["payment_method"] == "crypto"]


def test_the_payment_carries_the_offset_of_its_place() -> None:
    for event in some():
        if event["eventType"] == "transaction.created":
            own = datetime.fromisoformat(event["data"]["payload"]["timestamp"])
            assert own == datetime.fromisoformat(event["timestamp"])
            assert str(event["data"]["payload"]["user_id"]) == event["userId"]


def test_yesterday_is_the_same_all_day_and_another_the_next_day() -> None:
    morning, evening = START.replace(hour=1), START.replace(hour=23, minute=59)
    first = list(yesterday(3, morning, 50))
    assert first == list(yesterday(3, evening, 50))
    tomorrow = {event["eventId"] for event in yesterday(3, morning + timedelta(days=1), 50)}
    assert not tomorrow & {event["eventId"] for event in first}
    assert len(first) == 50
    assert min(event["timestamp"] for event in first) >= "2026-11-19T00:00"


@pytest.mark.parametrize("count", [1, 2, 50, 400])
def test_nothing_of_yesterday_lies_in_the_future(count: int) -> None:
    """Right after midnight, when all of today is still to come; some of these seeds take longer than a day at their rate."""
    midnight = datetime(2026, 11, 30, tzinfo=UTC)
    for seed in range(40):
        made = list(yesterday(seed, midnight, count))
        moments = [datetime.fromisoformat(event["timestamp"]) for event in made]
        assert len(made) == count
        assert midnight - timedelta(days=1) <= min(moments)
        assert max(moments) < midnight


def test_lines_are_numbered_through_all_requests_and_types_counted() -> None:
    types: Counter[str] = Counter()
    cut = list(chunks(numbered(iter(some(most=1200)), types)))
    assert [len(batch) for batch in cut] == [500, 500, 200]
    assert [line.index for batch in cut for line in batch] == list(range(1200))
    assert types.total() == 1200
