"""The end of a major: to the moment, on every day of the calendar, and the notices before it."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts.retirement import NOTICE_DAYS, STAGES, Retirement

DAYS = st.dates(date(2000, 1, 1), date(2200, 1, 1))
LENGTHS = st.integers(NOTICE_DAYS, 800)
INSTANT = timedelta(microseconds=1)


def end(announced: date, days: int) -> Retirement:
    return Retirement(announced, announced + timedelta(days=days), 2, "docs/decisions/0001-x.md")


def at(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@pytest.mark.parametrize("ends", ["2028-02-29", "2028-03-01", "2027-03-01", "2027-01-01", "2026-12-20"])
def test_it_ends_with_the_first_moment_of_its_utc_day(ends: str) -> None:
    retirement = Retirement(date(2026, 1, 1), date.fromisoformat(ends), 2, "docs/decisions/0001-x.md")
    midnight = datetime.fromisoformat(f"{ends}T00:00:00+00:00")
    assert not retirement.is_over(midnight - timedelta(seconds=1))
    assert not retirement.is_over(midnight - INSTANT)
    assert retirement.is_over(midnight)
    # The same moment, whatever the clock of the place shows.
    east = timezone(timedelta(hours=14))
    assert retirement.is_over(midnight.astimezone(east))
    assert not retirement.is_over((midnight - INSTANT).astimezone(east))


@given(DAYS, LENGTHS)
def test_stages_follow_each_other_and_leave_no_moment_out(announced: date, days: int) -> None:
    retirement = end(announced, days)
    start, halfway, last, over = (
        at(announced),
        at(announced) + timedelta(days=days) / 2,
        at(retirement.ends) - timedelta(days=1),
        at(retirement.ends),
    )
    assert retirement.stage(start - INSTANT) is None
    for stage, first, behind in zip(STAGES, (start, halfway, last), (halfway, last, over), strict=True):
        assert retirement.stage(first) == retirement.stage(behind - INSTANT) == stage
    assert retirement.stage(over) is None


@given(DAYS, LENGTHS, st.integers(-50, 900), st.integers(0, 86_399))
def test_nothing_is_noticed_once_events_are_refused(
    announced: date, days: int, later: int, seconds: int
) -> None:
    retirement = end(announced, days)
    moment = at(announced) + timedelta(days=later, seconds=seconds)
    told = retirement.stage(moment) is not None
    assert told == (announced <= moment.date() < retirement.ends)
    assert retirement.is_over(moment) == (moment.date() >= retirement.ends)


@given(DAYS, LENGTHS)
def test_what_is_written_is_read(announced: date, days: int) -> None:
    retirement = end(announced, days)
    assert Retirement.from_json(retirement.to_json()) == retirement
