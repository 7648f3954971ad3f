"""A user's row stays small, and forgets only what nobody counts any more."""

from datetime import UTC, datetime, timedelta

from millrace.core import clock
from millrace.fraud import profile, velocity
from millrace.fraud.user import MOST, ROOMY, Transaction, UserSets, additions, stale

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
WINDOW = 30 * velocity.MS_PER_MINUTE
PAYLOAD = {"amount": 12.5, "device_id": "d", "merchant": "m", "location": "Lisbon, Portugal"}


def at(ago: timedelta, name: str = "one") -> Transaction:
    return Transaction.of(name, NOW - ago, PAYLOAD)


def with_minutes(count: int, every: timedelta) -> UserSets:
    minutes = {}
    for number in range(count):
        minute, element = velocity.element(
            clock.epoch_millis(NOW - number * every), velocity.id_hash(str(number))
        )
        minutes[minute] = frozenset({element})
    return UserSets(minutes=minutes)


def test_what_is_there_is_not_added_again() -> None:
    one = at(timedelta())
    added = additions(UserSets(), [one, one])
    assert all(len(elements) == 1 for elements in added.values())
    assert len(added) == 5
    assert additions(UserSets().with_added(added), [one]) == {}


def test_a_full_set_takes_nothing_more_and_the_earliest_come_first() -> None:
    many = [
        Transaction.of(str(number), NOW + timedelta(milliseconds=number), PAYLOAD) for number in range(300)
    ]
    added = additions(UserSets(), list(reversed(many)))
    (minute,) = [name for name in added if name.startswith("m") and name != "merchants"]
    assert len(added[minute]) == velocity.SATURATION
    assert added[minute] == [velocity.element(one.moment_ms, one.hashed)[1] for one in many[:200]]
    (day,) = [name for name in added if name.startswith("d") and name != "devices"]
    assert len(added[day]) == profile.SATURATION
    full = UserSets().with_added(added)
    assert not {minute, day} & additions(full, [at(timedelta(milliseconds=-301))]).keys()


def test_a_small_row_forgets_nothing_however_old() -> None:
    sets = with_minutes(ROOMY, timedelta(days=1))
    assert stale(sets, [at(timedelta())], WINDOW, clock.epoch_millis(NOW)) == []


def test_a_large_row_forgets_the_oldest_but_never_what_a_batch_counts() -> None:
    sets = with_minutes(ROOMY + 100, timedelta(minutes=40))
    late = at(timedelta(minutes=40 * (ROOMY + 99)))
    dropped = stale(sets, [late], WINDOW, clock.epoch_millis(NOW))
    oldest = min(sets.minutes)
    assert dropped
    assert f"m{oldest}" not in dropped
    horizon = clock.epoch_millis(NOW - timedelta(days=8)) // velocity.MS_PER_MINUTE
    assert all(int(name[1:]) < horizon for name in dropped)


def test_beyond_the_most_even_young_minutes_go() -> None:
    sets = with_minutes(MOST + 50, timedelta(minutes=1))
    dropped = stale(sets, [at(timedelta())], WINDOW, clock.epoch_millis(NOW))
    assert len(dropped) >= 50
    newest = max(sets.minutes)
    assert not {f"m{newest - back}" for back in range(31)} & set(dropped)


def test_days_beyond_the_profile_go() -> None:
    today = clock.epoch_millis(NOW) // profile.MS_PER_DAY
    sets = UserSets(days={today - back: frozenset({b"x" * 16}) for back in range(40)})
    dropped = stale(sets, [at(timedelta())], WINDOW, clock.epoch_millis(NOW))
    assert dropped == [f"d{today - back}" for back in range(39, 30, -1)]
