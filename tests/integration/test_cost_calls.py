"""What `millrace cost` reckons with is what the handlers do today."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bench import cost_online
from bench.cost_calls import FILE, record
from bench.cost_clients import kept_days
from millrace.core import clock

SIZE = 10


@pytest.fixture(scope="module")
def recorded(bundle: Path) -> dict[tuple[str, str], dict[str, dict[str, float]]]:
    return {(t["profile"], t["function"]): t for t in record(sizes=(SIZE,), rounds=1)}


def test_the_recorded_calls_are_those_of_the_code(
    recorded: dict[tuple[str, str], dict[str, dict[str, float]]],
) -> None:
    kept = {(t["profile"], t["function"]): t for t in json.loads(FILE.read_text()) if t["events"] == SIZE}
    assert recorded.keys() == kept.keys(), "python -m bench.cost_calls"
    for key, found in recorded.items():
        assert found["calls"] == kept[key]["calls"], f"{key}: python -m bench.cost_calls"
        for name, value in kept[key]["usage"].items():
            # Ids and moments differ, and with them a few bytes of what is rounded up.
            assert found["usage"].get(name, 0) == pytest.approx(value, rel=0.15), f"{key} {name}"
        for table, held in kept[key]["stored"].items():
            assert found["stored"][table]["byteDays"] == pytest.approx(held["byteDays"], rel=0.15), f"{key}"  # type: ignore[index]


def test_what_a_row_costs_that_ends_with_its_day_is_no_matter_of_the_hour() -> None:
    day = datetime(2026, 11, 20, tzinfo=UTC)
    ends, midnight = clock.epoch(day + timedelta(days=4)), clock.epoch(day)
    assert {kept_days(ends, midnight + hour * 3600) for hour in (0, 9, 23)} == {3.5}
    assert kept_days(midnight + 90_000, midnight + 3_600) == 1.0


def test_the_recorded_rows_online_are_those_of_the_code(bundle: Path) -> None:
    kept = {
        one["profile"]: one for one in json.loads(FILE.read_text()) if one["profile"] in cost_online.RATES
    }
    assert kept.keys() == cost_online.RATES.keys(), "python -m bench.cost_calls"
    # Some days say it roughly: each payment is one row of one write unit, and hardly any row is written for time alone.
    found = cost_online.trace("paid.daily", timedelta(days=1), timedelta(days=3))
    for one in (found, kept["paid.daily"]):
        assert one["usage"]["dynamodb.write"] == one["calls"]["PutItem"]
        assert 0.9 <= one["calls"]["PutItem"] / one["events"] <= 1.25, "python -m bench.cost_calls"
