"""Hours that are over and settled, each once, and every day that is kept within four weeks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.reconcile.window import DAILY_DAYS, SETTLE, SWEEP_DAYS, Window, daily, of_days, recent

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_last_three_closed_hours() -> None:
    assert recent(NOW) == [Window("2026-11-21", 9, 12)]
    assert recent(NOW.replace(minute=10)) == [Window("2026-11-21", 8, 11)], "the last has not settled"
    assert recent(NOW.replace(hour=1)) == [Window("2026-11-21", 0, 1), Window("2026-11-20", 22, 24)]
    assert recent(NOW.replace(hour=0)) == [Window("2026-11-20", 21, 24)]


def test_days_are_whole_but_for_today() -> None:
    found = of_days(["2026-11-20", "2026-11-21", "2026-11-22"], NOW)
    assert found == [Window("2026-11-20"), Window("2026-11-21", 0, 12)]
    assert [window.whole for window in found] == [True, False]
    assert of_days(["2026-11-21"], NOW.replace(hour=1, minute=5)) == []


@settings(deadline=None)
@given(moments, st.integers(1, 30))
def test_recent_hours_are_closed_settled_and_without_a_gap(now: datetime, hours: int) -> None:
    found = recent(now, hours)
    assert sum(window.last - window.first for window in found) == hours
    assert found[0].end + SETTLE <= now < found[0].end + SETTLE + timedelta(hours=1)
    assert all(later.start == earlier.end for later, earlier in pairwise(found))


@settings(deadline=None)
@given(moments)
def test_every_day_that_is_kept_comes_within_four_weeks(now: datetime) -> None:
    seen: set[str] = set()
    for number in range(SWEEP_DAYS):
        windows = daily(now + timedelta(days=number), 400)
        days = [window.day for window in windows]
        assert len(days) == len(set(days)) <= DAILY_DAYS + 2 + 400 // SWEEP_DAYS
        seen |= set(days)
    first = (now - timedelta(days=370)).date()
    assert {(first + timedelta(days=back)).isoformat() for back in range(370)} <= seen
