"""Counts of sources by hour: no write is counted twice, a busy source is written once a minute, and nothing is worth an event."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from millrace.core import clock
from millrace.core.errors import RetryableError
from millrace.core.table import Table
from millrace.eventstore.append import AppendResult
from millrace.feeders import hours
from millrace.feeders.hours import KEPT_DAYS, MOST, MOST_WRITERS, WRITES, Counting, is_late
from millrace.intake.case import EventResult
from millrace.intake.enrich import Origin

NOW = datetime(2026, 11, 21, 12, 59, 59, tzinfo=UTC)
OK, TWICE, BAD, AWAY = (
    AppendResult.ACCEPTED,
    AppendResult.DUPLICATE,
    AppendResult.REJECTED,
    AppendResult.UNAVAILABLE,
)


class Rows(Table):
    """Metadata in memory, as far as counts use it."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes, self.fails = 0, False

    def put(self, item: Any, **_: Any) -> bool:
        if self.fails:
            raise RetryableError("count of a source: throttled")
        self.writes += 1
        self.rows[item["entityTypeKey"]["S"], item["entityId"]["S"]] = item
        return True

    def query(
        self, condition: str, values: Any, *, newest_first: bool = False, most: int | None = None, **_: Any
    ) -> Any:
        first = values.get(":since", values.get(":name"))["S"]
        last = values[":until"]["S"] if ":until" in values else first + "\uffff"
        found = [
            row
            for (key, sort), row in self.rows.items()
            if key == values[":key"]["S"] and first <= sort <= last
        ]
        return iter(sorted(found, key=lambda row: row["entityId"]["S"], reverse=newest_first)[:most])


class Copy:
    """A warm copy of a function."""

    def __init__(self, rows: Rows) -> None:
        self.second, self.said = 0.0, list[str]()
        self.counting = Counting(rows, self.said.append, lambda: self.second)

    def took(
        self,
        *outcomes: AppendResult,
        at: datetime = NOW,
        name: str = "shop",
        org: str = "a",
        kind: str = "webhook",
    ) -> None:
        results = [EventResult(number, None, outcome=one) for number, one in enumerate(outcomes)]
        self.counting.took(Origin(org, name, "r", at, kind=kind), results)


def counted(rows: Rows, name: str = "shop", org: str = "a") -> dict[str, dict[str, int]]:
    found = hours.read(rows, org, name, NOW - timedelta(days=2), NOW + timedelta(days=2))
    return {hour: {key: n for key, n in one.to_json().items() if n} for hour, one in found.items()}


def test_an_hour_is_the_sum_of_its_copies_by_what_became_of_events() -> None:
    rows = Rows()
    for copy in (Copy(rows), Copy(rows)):
        copy.took(OK, OK, TWICE, BAD)
        copy.took(OK, AppendResult.CONFLICT, AWAY)
        copy.took(OK, at=NOW + timedelta(seconds=1))
    assert counted(rows) == {
        "2026-11-21T12": {"accepted": 6, "duplicates": 2, "conflicts": 2, "rejected": 2, "unavailable": 2},
        "2026-11-21T13": {"accepted": 2},
    }
    assert hours.last_at(rows, "a", "shop") == clock.utc_text(NOW + timedelta(seconds=1))


def test_sources_and_tenants_are_apart_and_other_ways_in_are_not_counted() -> None:
    rows = Rows()
    copy = Copy(rows)
    copy.took(OK)
    copy.took(OK, OK, name="shop-2")
    copy.took(OK, OK, OK, org="b")
    for kind in ("api", "replay", "import"):
        copy.took(OK, kind=kind)
    assert [
        counted(rows, *of)["2026-11-21T12"]["accepted"] for of in (("shop",), ("shop-2",), ("shop", "b"))
    ] == [1, 2, 3]
    assert hours.last_at(rows, "b", "shop-2") is None


def test_a_busy_source_is_written_once_a_minute_and_a_slow_one_each_time() -> None:
    rows = Rows()
    copy = Copy(rows)
    for number in range(6000):
        copy.second = number / 10
        copy.took(OK)
    assert rows.writes <= WRITES + 10
    assert 6000 - 600 <= counted(rows)["2026-11-21T12"]["accepted"] <= 6000
    slow, before = Copy(rows), rows.writes
    for number in range(5):
        slow.second = number * 61.0
        slow.took(OK, at=NOW + timedelta(days=1))
    assert rows.writes == before + 5
    assert counted(rows)["2026-11-22T12"] == {"accepted": 5}


def test_a_table_that_does_not_answer_costs_no_event_and_loses_no_count() -> None:
    rows = Rows()
    copy = Copy(rows)
    rows.fails = True
    copy.took(OK)
    copy.took(OK, at=NOW + timedelta(hours=1))
    assert copy.said == ["count of a source: throttled"] * 2
    rows.fails = False
    copy.took(BAD, at=NOW + timedelta(hours=1))
    assert counted(rows) == {
        "2026-11-21T12": {"accepted": 1},
        "2026-11-21T13": {"accepted": 1, "rejected": 1},
    }


def test_a_write_that_was_not_answered_but_made_is_counted_once() -> None:
    rows = Rows()
    copy = Copy(rows)
    put = rows.put

    def lost(item: Any, **how: Any) -> bool:
        put(item, **how)
        raise RetryableError("no answer")

    rows.put = lost  # type: ignore[method-assign]
    copy.took(OK)
    rows.put = put  # type: ignore[method-assign]
    copy.took(OK)
    assert counted(rows) == {"2026-11-21T12": {"accepted": 2}}


def test_the_newest_moment_costs_a_page_however_long_a_source_has_run() -> None:
    rows = Rows()
    for hour in range(3):
        for second in range(MOST_WRITERS):
            Copy(rows).took(OK, at=NOW + timedelta(hours=hour, seconds=-second))
    query, read = rows.query, list[Any]()

    def counting(*given: Any, **how: Any) -> Any:
        for row in query(*given, **how):
            read.append(row)
            yield row

    rows.query = counting  # type: ignore[method-assign]
    assert hours.last_at(rows, "a", "shop") == clock.utc_text(NOW + timedelta(hours=2))
    assert len(read) <= MOST_WRITERS


def test_what_a_store_did_not_take_is_no_sign_of_life() -> None:
    rows = Rows()
    copy = Copy(rows)
    copy.took(TWICE)
    copy.took(AWAY, at=NOW + timedelta(hours=2))
    assert hours.last_at(rows, "a", "shop") == clock.utc_text(NOW)


def test_a_copy_remembers_so_many_hours_and_rows_end(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = Rows()
    copy = Copy(rows)
    for number in range(MOST + 50):
        copy.second += 61
        copy.took(OK, name=f"s{number}")
    assert len(copy.counting._hours) <= MOST
    ends = int(rows.rows["a#source-hours", next(sort for _, sort in rows.rows)]["expiresAt"]["N"])
    assert ends == clock.epoch(NOW.replace(minute=0, second=0) + timedelta(days=KEPT_DAYS))


@pytest.mark.parametrize(
    ("seen", "freshness", "late"),
    [
        (None, None, False),
        (None, 600, True),
        (timedelta(seconds=600), 600, False),
        (timedelta(seconds=601), 600, True),
        (timedelta(seconds=-300), 600, False),
        (timedelta(days=30), None, False),
    ],
)
def test_a_source_is_late_behind_its_time_alone(
    seen: timedelta | None, freshness: int | None, late: bool
) -> None:
    at = None if seen is None else clock.utc_text(NOW - seen)
    assert is_late(at, freshness, NOW) is late
