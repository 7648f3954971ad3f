"""Windows begin where two callers would have them begin, also where clocks change."""

from datetime import UTC, datetime

import pytest

from millrace.aggregates import windows
from millrace.aggregates.windows import WindowError
from millrace.core import clock


def at(text: str) -> int:
    return clock.epoch(datetime.fromisoformat(text).replace(tzinfo=UTC))


def told(found: list[tuple[int, int]]) -> list[tuple[str, str]]:
    return [tuple(clock.from_epoch_millis(s * 1000).strftime("%dT%H:%M") for s in one) for one in found]  # type: ignore[misc]


def test_windows_slide_over_multiples_of_the_slide() -> None:
    sliding = windows.read("15m", "5m")
    start = sliding.floor(at("2026-11-21T10:07:01"))
    assert told(list(sliding.between(start, at("2026-11-21T10:15")))) == [
        ("21T10:05", "21T10:20"),
        ("21T10:10", "21T10:25"),
    ]
    assert windows.read(600).slide == 600


def test_days_of_a_time_zone_are_as_long_as_they_are_there() -> None:
    days = windows.read("1d", None, "Europe/Lisbon")
    start = days.floor(at("2026-10-24T12:00"))
    assert told(list(days.between(start, at("2026-10-27T00:00")))) == [
        ("23T23:00", "24T23:00"),
        ("24T23:00", "26T00:00"),
        ("26T00:00", "27T00:00"),
    ]
    assert told(
        list(
            windows.read("1d", None, "Asia/Kathmandu").between(at("2026-10-23T18:15"), at("2026-10-24T00:00"))
        )
    ) == [("23T18:15", "24T18:15")]


@pytest.mark.parametrize(
    ("window", "slide", "zone", "said"),
    [
        ("7m", None, None, "no multiple of 5m"),
        ("0m", None, None, "no multiple of 5m"),
        ("ten", None, None, "no multiple of 5m"),
        ("25h", None, None, "longer than 1d"),
        ("15m", "3m", None, "no multiple of 5m"),
        ("15m", "30m", None, "longer than the window"),
        ("1h", None, "Europe/Lisbon", "for windows of 1d"),
        ("1d", None, "Europe/Nowhere", "no time zone"),
        ("1d", None, "../../etc/passwd", "no time zone"),
    ],
)
def test_what_cannot_be_asked_is_said(window: str, slide: str | None, zone: str | None, said: str) -> None:
    with pytest.raises(WindowError, match=said):
        windows.read(window, slide, zone)


def test_a_span_is_written_as_it_is_read() -> None:
    assert [windows.text(one) for one in (300, 3600, 5400, 86_400)] == ["5m", "1h", "90m", "1d"]


@pytest.mark.parametrize(
    "zone",
    ["A/" * 500 + "x", "localtime", "posixrules", "../../etc/passwd", "/Europe/Berlin", "", "a" * 1_000],
)
def test_a_time_zone_is_a_name_and_nothing_of_this_machine(zone: str) -> None:
    with pytest.raises(WindowError, match="there is no time zone"):
        windows.read("1d", zone=zone)
    assert str(windows.read("1d", zone="America/Argentina/Salta").zone) == "America/Argentina/Salta"
