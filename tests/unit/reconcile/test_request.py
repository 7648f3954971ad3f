"""Hours that are over and settled, each once, and every day that is kept within four weeks."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.errors import PermanentError
from millrace.reconcile import request
from millrace.reconcile.request import DAILY_DAYS, SETTLE, SWEEP_DAYS, Window, daily, of_days, recent

NOW = datetime(2026, 11, 21, 12, 50, tzinfo=UTC)
moments = st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


def test_the_last_three_closed_hours() -> None:
    assert recent(NOW) == [Window("2026-11-21", 9, 12)]
    assert recent(NOW.replace(minute=10)) == [Window("2026-11-21", 8, 11)], "the last has not settled"
    assert recent(NOW.replace(hour=1)) == [Window("2026-11-21", 0, 1), Window("2026-11-20", 22, 24)]
    assert recent(NOW.replace(hour=0)) == [Window("2026-11-20", 21, 24)]


def test_days_are_whole_but_for_today() -> None:
    windows = of_days(["2026-11-20", "2026-11-21", "2026-11-22"], NOW)
    assert windows == [Window("2026-11-20"), Window("2026-11-21", 0, 12)]
    assert [window.whole for window in windows] == [True, False]
    assert of_days(["2026-11-21"], NOW.replace(hour=1, minute=5)) == []


@settings(deadline=None)
@given(moments, st.integers(1, 30))
def test_recent_hours_are_closed_settled_and_without_a_gap(now: datetime, hours: int) -> None:
    windows = recent(now, hours)
    assert sum(window.last - window.first for window in windows) == hours
    assert windows[0].end + SETTLE <= now < windows[0].end + SETTLE + timedelta(hours=1)
    assert all(later.start == earlier.end for later, earlier in pairwise(windows))


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


def test_scheduled_passes() -> None:
    hourly, every_day = request.parse({"pass": "hourly"}, NOW), request.parse({"pass": "daily"}, NOW)
    assert hourly.windows == (Window("2026-11-21", 9, 12),)
    assert every_day.windows[:2] == (Window("2026-11-21", 0, 12), Window("2026-11-20"))
    assert (hourly.oldest_check_first, every_day.oldest_check_first) == (False, True)
    assert not hourly.full
    assert not every_day.full


def test_days_on_demand() -> None:
    parsed = request.parse(
        {"from": "2026-11-19", "to": "2026-11-20", "org": "org_a", "before": "2026-11-21T13:00:00+01:00"}, NOW
    )
    assert parsed.windows == (Window("2026-11-20"), Window("2026-11-19"))
    assert (parsed.orgs, parsed.full, parsed.before) == (("org_a",), True, "2026-11-21T12:00:00.000Z")


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"pass": "weekly"},
        {"from": "2026-11-20"},
        {"from": "2026-11-20", "to": "yesterday"},
        {"from": "2026-11-20", "to": "2026-11-20", "before": "soon"},
    ],
)
def test_what_is_no_pass_is_refused(event: dict[str, Any]) -> None:
    with pytest.raises(PermanentError):
        request.parse(event, NOW)


def test_tenants_are_those_with_a_credential_and_those_of_bindings() -> None:
    assert request.tenants(["org_b", "org_a"], "org_c,org_a,") == ["org_a", "org_b", "org_c"]
