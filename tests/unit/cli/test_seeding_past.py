"""`seed --days`: the whole days asked for, the same for the same seed, honest habits, and no field that tells fraud by itself."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable
from datetime import date, datetime, timedelta
from itertools import pairwise
from math import log2
from typing import Any

import orjson
import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.seeding import past
from cli.seeding.events import Event
from cli.seeding.habits import population
from cli.seeding.past import MOST_DAYS

TODAY = date(2026, 11, 21)
Payment = dict[str, Any]


def some(number: int = 7, days: int = 30, count: int = 12_000, today: date = TODAY) -> list[Event]:
    return list(past(number, today=today, days=days, count=count))


@pytest.fixture(scope="module")
def payments() -> list[Payment]:
    made = some(days=60, count=24_000)
    return [
        event["data"]["payload"] | {"at": event["timestamp"]}
        for event in made
        if event["eventType"] == "transaction.created"
    ]


def test_the_same_seed_and_day_give_the_same_bytes() -> None:
    assert orjson.dumps(some(count=900)) == orjson.dumps(some(count=900))
    other = {event["eventId"] for event in some(8, count=900)}
    assert not other & {event["eventId"] for event in some(count=900)}


def test_every_day_has_its_share_and_none_is_of_today() -> None:
    events = some(days=7, count=1000)
    by_day = Counter(event["timestamp"][:10] for event in events)
    assert len(events) == 1000
    assert sorted(by_day) == [f"2026-11-{day}" for day in range(14, 21)]
    assert set(by_day.values()) == {142, 143}


@pytest.mark.parametrize(("days", "count"), [(1, 1), (80, 3), (3, 2)])
def test_few_events_are_all_there(days: int, count: int) -> None:
    assert len(some(days=days, count=count)) == count


def test_events_come_in_order_of_time_with_an_id_each() -> None:
    events = some()
    times = [event["timestamp"] for event in events]
    assert all(earlier <= later for earlier, later in pairwise(times))
    assert len({event["eventId"] for event in events}) == len(events)


def test_the_next_day_brings_the_days_that_both_windows_have_again() -> None:
    first = {event["eventId"] for event in some(days=10, count=1000)}
    second = {event["eventId"] for event in some(days=10, count=1000, today=TODAY + timedelta(days=1))}
    assert len(first & second) == 900


def test_people_keep_to_their_usual_amounts(payments: list[Payment]) -> None:
    amounts = defaultdict(list)
    for payment in payments:
        if not payment["is_fraud"]:
            amounts[payment["user_id"]].append(payment["amount"])
    habits = {user: sorted(paid)[len(paid) // 2] for user, paid in amounts.items() if len(paid) > 20}
    assert len(habits) > 200
    near = [
        paid < 3 * habits[payment["user_id"]]
        for payment in payments
        if not payment["is_fraud"] and payment["user_id"] in habits
        for paid in [payment["amount"]]
    ]
    assert sum(near) > 0.97 * len(near)


def test_more_events_are_of_more_people() -> None:
    assert len(population(7, 2000)) > 3 * len(population(7, 400))
    assert population(7, 2000)[:150] == population(7, 100)


def test_fraud_is_rare_and_labelled(payments: list[Payment]) -> None:
    share = sum(payment["is_fraud"] for payment in payments) / len(payments)
    assert 0.02 < share < 0.06


@pytest.mark.parametrize(
    "field",
    [
        lambda payment: payment["merchant"],
        lambda payment: payment["payment_method"],
        lambda payment: payment["location"],
        lambda payment: payment["new_device"],
        lambda payment: datetime.fromisoformat(payment["timestamp"]).hour,
        lambda payment: datetime.fromisoformat(payment["at"]).hour,
        lambda payment: round(4 * log2(max(1, payment["amount"]))),
    ],
    ids=["merchant", "method", "location", "device", "local hour", "hour", "amount"],
)
def test_no_field_alone_tells_fraud(payments: list[Payment], field: Callable[[Payment], Hashable]) -> None:
    known: set[str] = set()
    judged = []
    for payment in payments:
        judged.append(payment | {"new_device": payment["device_id"] not in known})
        known.add(payment["device_id"])
    # Devices are all new at first: judged is what comes after a month.
    found = _best_f1([(field(payment), payment["is_fraud"]) for payment in judged[len(judged) // 2 :]])
    assert found < 0.65


def _best_f1(rows: Iterable[tuple[Hashable, bool]]) -> float:
    """Of the best rule "these values are fraud", chosen with the answers at hand."""
    honest: Counter[Hashable] = Counter()
    fraud: Counter[Hashable] = Counter()
    for value, label in rows:
        (fraud if label else honest)[value] += 1
    best, hits, called = 0.0, 0, 0
    for value in sorted(fraud, key=lambda value: -fraud[value] / (fraud[value] + honest[value])):
        hits += fraud[value]
        called += fraud[value] + honest[value]
        best = max(best, 2 * hits / (called + fraud.total()))
    return best


@pytest.mark.parametrize("days", ["0", str(MOST_DAYS + 1)])
def test_days_are_bounded(days: str) -> None:
    answer = CliRunner().invoke(app, ["seed", "--days", days])
    assert answer.exit_code == 2
    assert "--days" in answer.output


def test_a_past_has_no_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = CliRunner().invoke(app, ["seed", "--days", "3", "--rate", "10"])
    assert answer.exit_code != 0
    assert "--rate" in f"{answer.exception}{answer.output}"
