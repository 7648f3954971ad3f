"""Where the shifts of `make calendar` put the clock."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.shifted_clock.shifts import SHIFTS, moment

NOON = datetime(2025, 6, 15, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "now", "there"),
    [
        ("+8d", NOON, datetime(2025, 6, 23, 12, 30, tzinfo=UTC)),
        ("+400d", NOON, datetime(2026, 7, 20, 12, 30, tzinfo=UTC)),
        ("leap-day", NOON, datetime(2028, 2, 29, 12, 30, tzinfo=UTC)),
        ("leap-day", datetime(2028, 3, 1, tzinfo=UTC), datetime(2032, 2, 29, tzinfo=UTC)),
        ("leap-day", datetime(2096, 3, 1, tzinfo=UTC), datetime(2104, 2, 29, tzinfo=UTC)),
        ("year-end", NOON, datetime(2025, 12, 31, 23, 59, tzinfo=UTC)),
        ("23:05", NOON, datetime(2025, 6, 15, 23, 5, tzinfo=UTC)),
        ("12:30", NOON, NOON),
        ("00:02", datetime(2025, 12, 31, 0, 2, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 2, tzinfo=UTC)),
        (
            "year-end",
            datetime(2025, 12, 31, 23, 59, 1, tzinfo=UTC),
            datetime(2026, 12, 31, 23, 59, tzinfo=UTC),
        ),
    ],
)
def test_a_shift_is_a_moment(name: str, now: datetime, there: datetime) -> None:
    assert moment(name, now) == there


@given(
    st.sampled_from(SHIFTS),
    st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_no_shift_goes_back(name: str, now: datetime) -> None:
    assert timedelta() <= moment(name, now) - now < timedelta(days=8 * 366)


@pytest.mark.parametrize("name", ["", "8d", "+d", "-8d", "+99999d", "leap", "2028-02-29", "24:00", "7:05"])
def test_what_is_no_shift_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="no shift is called"):
        moment(name, NOON)
