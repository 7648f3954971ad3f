"""Moments as text: order kept, offsets gone, whole milliseconds cut and never rounded up."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import clock


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 11, 21, 5, 54, 16, 123_999, tzinfo=UTC), "2026-11-21T05:54:16.123Z"),
        (datetime(2026, 11, 21, tzinfo=UTC), "2026-11-21T00:00:00.000Z"),
        (
            datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
            "2025-12-31T19:15:00.000Z",
        ),
        (datetime(999, 1, 1, tzinfo=UTC), "0999-01-01T00:00:00.000Z"),
    ],
)
def test_a_moment_as_text(moment: datetime, text: str) -> None:
    assert clock.utc_text(moment) == text


# Without the first and last days, which some offset moves out of what a datetime can hold.
@pytest.mark.parametrize(
    "text", ["", "now", "2026-11-21T06:00:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"]
)
def test_what_is_no_moment_in_utc_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  each says its own
        clock.parse(text)


_MOMENTS = st.datetimes(timezones=st.timezones()).filter(lambda moment: 2 <= moment.year <= 9998)


@given(_MOMENTS, _MOMENTS)
def test_order_of_text_is_order_of_time(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other), key=datetime.timestamp)
    assert clock.utc_text(earlier) <= clock.utc_text(later)
    assert (
        timedelta() <= later.astimezone(UTC) - clock.parse(clock.utc_text(later)) < timedelta(milliseconds=1)
    )
