"""What an hour is expected to be."""

from datetime import UTC, datetime

import pytest

from millrace.anomalies.norms import History
from millrace.anomalies.season import HOURS_OF_WEEK, Season, deviation
from millrace.anomalies.watch import Watch

WEEK = [float(100 + hour % 24 * 10 + hour // 24) for hour in range(HOURS_OF_WEEK)]
WATCH = Watch("w", "1.0.0", "", "", "events_by_type", "events")


def test_the_same_hour_of_past_weeks() -> None:
    season = Season(WEEK * 3)
    assert [season.expected(3 * HOURS_OF_WEEK + hour) for hour in range(HOURS_OF_WEEK)] == WEEK


def test_one_week_out_of_line_moves_nothing() -> None:
    weeks = [WEEK, WEEK, [value * 9 for value in WEEK], WEEK, WEEK]
    season = Season([value for week in weeks for value in week])
    assert season.expected(5 * HOURS_OF_WEEK) == pytest.approx(WEEK[0])


@pytest.mark.parametrize("weeks", [2, 3, 6])
def test_growth_goes_on(weeks: int) -> None:
    season = Season([value * 1.05**week for week in range(weeks) for value in WEEK])
    assert season.expected(weeks * HOURS_OF_WEEK + 5) == pytest.approx(WEEK[5] * 1.05**weeks)


def test_a_young_series_expects_nothing() -> None:
    assert Season(WEEK + WEEK[:-1]).expected(2 * HOURS_OF_WEEK - 1) is None
    assert Season([]).expected(0) is None


def test_holidays_are_left_out() -> None:
    values: list[float | None] = [*WEEK, *[None] * 24, *WEEK[24:], *WEEK]
    season = Season(values)
    assert season.expected(3 * HOURS_OF_WEEK + 3) == pytest.approx(WEEK[3], rel=0.02)


def test_the_clock_of_a_zone_is_followed() -> None:
    """Berlin's clocks go back on 25 October 2026; a peak at 9 local time is an hour later in UTC from then on."""
    start = int(datetime(2026, 9, 28, tzinfo=UTC).timestamp()) // 3600
    peaks = {"UTC": 8, "Europe/Berlin": 8}
    for zone in peaks:
        history = History(Watch("w", "1", "", "", "a", "m", zone=zone), start)
        for _ in range(28):
            history.learn([{"a": 1000.0 if hour == 7 else 100.0} for hour in range(24)])
        expected = history.norms(24)["a"].expected
        peaks[zone] = max(range(24), key=lambda hour: expected[hour] or 0.0)
    assert peaks == {"UTC": 7, "Europe/Berlin": 8}


def test_outliers_do_not_move_a_deviation() -> None:
    assert deviation([-1, 1, -1, 1, 1000], 0) == pytest.approx(1.4826)
    assert deviation([], 0.5) == deviation([0.0, 0.0], 0.5) == 0.5
