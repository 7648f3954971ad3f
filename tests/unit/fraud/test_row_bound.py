"""Whatever moments one user's transactions name, the row keeps its bound and each of them is decided."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts.registry import Registry
from millrace.core import clock
from millrace.core.consumer import Delivery
from millrace.core.table import Table
from millrace.eventstore.append import Appender, TableAppender
from millrace.eventstore.codec import Codec
from millrace.eventstore.emit import Emitter
from millrace.eventstore.row import from_item
from millrace.fraud import derive, profile, rulebook, velocity
from millrace.fraud.bound import MOST_ATTRIBUTES, MOST_BYTES, beyond
from millrace.fraud.consumer import Scorer
from millrace.fraud.store import LATEST, RowFullError, UserSetStore
from millrace.fraud.user import Transaction, UserSets, additions, stale
from tests.support import events
from tests.support.stores import MemoryDynamoDB, size_of
from tests.unit.fraud.test_derived import NOW, row

BATCH = 500
# What one batch adds at most besides.
ROOM = 48 * 1024
WINDOW_MS = 30 * velocity.MS_PER_MINUTE
KEY = ("org_acme#fraud#596", LATEST)


@pytest.fixture(scope="module")
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


class Stage:
    """A consumer over stores in memory, its clock standing still."""

    def __init__(self, registry: Registry, store: UserSetStore | None = None) -> None:
        self.registry, self.dynamodb = registry, MemoryDynamoDB()
        self.largest = 0
        self._scorer = Scorer(
            store or UserSetStore(Table(self.dynamodb, "FeatureStore")),
            Emitter(registry, Appender({"table": TableAppender(Table(self.dynamodb, "Events"))})),
            rulebook.load(),
            Codec(registry.dictionary),
            features_budget_ms=60_000,
            now=lambda: NOW,
        )

    def send(self, moments: Sequence[str]) -> list[dict[str, Any]]:
        """One batch of a user's transactions; the decisions on them."""
        sent = [events.transaction(timestamp=NOW.isoformat(), payload={"timestamp": at}) for at in moments]
        self._scorer.score(
            [
                Delivery(row(self.registry, event), "s", str(number), NOW, {})
                for number, event in enumerate(sent)
            ]
        )
        if KEY in self.dynamodb.tables.get("FeatureStore", {}):
            self.largest = max(self.largest, size_of(self.dynamodb.tables["FeatureStore"][KEY]))
        codec = Codec(self.registry.dictionary)
        rows = self.dynamodb.tables["Events"]
        found = [from_item(rows.pop(key), codec).envelope for key in list(rows)]
        bodies = {one["platform"]["derivedFrom"]: one["data"]["payload"] for one in found}
        decided = [bodies[event["eventId"]] for event in sent]
        for event, body in zip(sent[::50], decided[::50], strict=True):
            derived = derive.derive(event, body, rulebook.load().of("org_acme"))
            assert derive.same(derived, body), derive.differences(derived, body)
        return decided


def velocities(decided: Sequence[dict[str, Any]]) -> list[int]:
    assert {body["fallback"] for body in decided} == {None}
    return [body["features"]["velocity"] for body in decided]


def test_days_to_come_are_decided_and_then_forgotten(registry: Registry) -> None:
    stage = Stage(registry)
    days = [(NOW + timedelta(days=1 + number)).isoformat() for number in range(3 * BATCH)]
    for start in range(0, len(days), BATCH):
        assert set(velocities(stage.send(days[start : start + BATCH]))) == {1}
    assert stage.largest <= MOST_BYTES + ROOM
    now = [(NOW - timedelta(minutes=number)).isoformat() for number in range(6)]
    assert sorted(velocities(stage.send(now))) == [1, 2, 3, 4, 5, 6]
    # They stay when the days to come come again.
    stage.send(days[-BATCH:])
    assert velocities(stage.send([NOW.isoformat()])) == [7]


def counted_in(sets: UserSets, batch: Sequence[Transaction]) -> UserSets:
    """The row after a batch, as one update after the other makes it."""
    added, now_ms = additions(sets, batch), clock.epoch_millis(NOW)
    dropped = stale(sets, batch, WINDOW_MS, now_ms)
    dropped += beyond(sets, dropped, now_ms)
    left = {name: {"BS": sorted(elements)} for name, elements in attributes(sets) if name not in dropped}
    return UserSets.from_item(left).joined(UserSets().with_added(added))


def attributes(sets: UserSets) -> list[tuple[str, frozenset[bytes]]]:
    named = [*((f"m{minute}", e) for minute, e in sets.minutes.items())]
    return [*named, *((f"d{day}", e) for day, e in sets.days.items()), *sets.seen.items()]


def bytes_of(sets: UserSets) -> int:
    return size_of({name: {"BS": list(elements)} for name, elements in attributes(sets)})


def test_a_user_who_fills_every_minute_that_a_batch_counts() -> None:
    """Each batch touches all windows, so that no minute is ever one that it could do without."""
    sets, largest = UserSets(), 0
    for turn in range(36):
        batch = [
            Transaction.of(f"{turn}-{n}", NOW - timedelta(minutes=n % 250, milliseconds=turn), {"amount": n})
            for n in range(BATCH)
        ]
        sets = counted_in(sets, batch)
        largest = max(largest, bytes_of(sets))
    assert MOST_BYTES / 2 < largest <= MOST_BYTES + ROOM


def test_a_user_who_fills_every_day_that_a_batch_touches() -> None:
    sets, largest = UserSets(), 0
    for turn in range(24):
        batch = [
            Transaction.of(f"{turn}-{n}", NOW + timedelta(days=n, milliseconds=turn), {"amount": n})
            for n in range(BATCH)
        ]
        sets = counted_in(sets, batch)
        largest = max(largest, bytes_of(sets))
        assert len(attributes(sets)) <= MOST_ATTRIBUTES + 2 * BATCH
    assert largest <= MOST_BYTES + ROOM


def test_nine_thousand_days_to_come() -> None:
    sets, largest = UserSets(), 0
    for start in range(0, 9000, BATCH):
        batch = [
            Transaction.of(str(n), NOW + timedelta(days=1 + n), {"amount": 1, "merchant": str(n)})
            for n in range(start, start + BATCH)
        ]
        sets = counted_in(sets, batch)
        largest = max(largest, bytes_of(sets))
    assert largest <= MOST_BYTES + ROOM


@pytest.mark.parametrize(
    "at",
    [
        "0001-01-01T00:00:00+00:00",
        "0001-01-01T00:00:00+14:00",
        "1000-02-03T04:05:06Z",
        "9999-12-31T23:59:59.999999-05:00",
    ],
)
def test_moments_at_both_ends_of_the_calendar(registry: Registry, at: str) -> None:
    assert sorted(velocities(Stage(registry).send([at] * 7))) == [7] * 7


def test_a_row_that_is_nearly_full_from_before_is_made_small(registry: Registry) -> None:
    stage = Stage(registry)
    item: dict[str, Any] = {"featureKey": {"S": KEY[0]}, "sortKey": {"S": LATEST}, "expiresAt": {"N": "1"}}
    for number in range(8300):
        one = Transaction.of(str(number), NOW + timedelta(days=40 + number), {"amount": 1})
        item |= {name: {"BS": elements} for name, elements in additions(UserSets(), [one]).items()}
    assert 390 * 1024 < size_of(item) < 400 * 1024
    stage.dynamodb.tables["FeatureStore"] = {KEY: item}
    moments = [(NOW - timedelta(days=number)).isoformat() for number in range(100)]
    assert set(velocities(stage.send(moments))) == {1}
    assert stage.largest <= MOST_BYTES + ROOM


def test_a_row_that_others_filled_is_decided_without_and_not_retried(registry: Registry) -> None:
    class Full(UserSetStore):
        def add(self, *_: Any, **__: Any) -> UserSets:
            raise RowFullError("add features: the item is too large")

    stage = Stage(registry)
    stage = Stage(registry, Full(Table(stage.dynamodb, "FeatureStore")))
    (body,) = stage.send([NOW.isoformat()])
    assert body["fallback"] == "velocity"
    assert "velocity" in body["features"]["missing"]


def test_dynamodb_says_that_a_row_is_full() -> None:
    dynamodb = MemoryDynamoDB()
    store = UserSetStore(Table(dynamodb, "FeatureStore"))
    with pytest.raises(RowFullError):
        store.add(("o", "u"), {f"m{n}": [b"x" * 3000] for n in range(200)}, (), NOW)


def test_the_farthest_goes_first_and_only_as_much_as_is_needed() -> None:
    now_ms = clock.epoch_millis(NOW)
    today = now_ms // profile.MS_PER_DAY
    full = frozenset(bytes([n]) * 16 for n in range(64))
    sets = UserSets(days={today + n: full for n in (*range(-80, 81), 9000)})
    gone = beyond(sets, [], now_ms)
    assert gone[0] == f"d{today + 9000}"
    assert {gone[1], gone[2]} == {f"d{today - 80}", f"d{today + 80}"}
    left = UserSets(days={day: e for day, e in sets.days.items() if f"d{day}" not in gone})
    assert beyond(left, [], now_ms) == []
    nearest = min(abs(int(name[1:]) - today) for name in gone)
    assert all(abs(day - today) <= nearest for day in left.days)
    assert beyond(UserSets(days={today: full}), [], now_ms) == []
