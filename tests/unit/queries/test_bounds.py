"""Which days a statement reads: only what is certain narrows them."""

from datetime import date

import duckdb
import pytest

from millrace.queries import statement
from millrace.queries.bounds import Days, bounds

T = "silver.x"
TIMES = {T: "event_time", "raw.events": "event_time", "gold.w": "day"}
SINCE, UNTIL = date(2026, 11, 20), date(2026, 11, 22)


@pytest.mark.parametrize(
    ("where", "days"),
    [
        ("event_time >= '2026-11-21'", Days(SINCE)),
        ("event_time > timestamptz '2026-11-21 00:00:00Z' and n = 1", Days(SINCE)),
        ("'2026-11-21' <= event_time", Days(SINCE)),
        ("event_time < '2026-11-21T00:00:00Z'", Days(None, UNTIL)),
        ("event_time between '2026-11-21' and '2026-11-21'", Days(SINCE, UNTIL)),
        ("event_time = cast('2026-11-21' as date)", Days(SINCE, UNTIL)),
        ("x.event_time >= '2026-11-21' and x.event_time < '2026-11-21'", Days(SINCE, UNTIL)),
        ("EVENT_TIME >= '2026-11-21' and event_time >= '2020-01-01'", Days(SINCE)),
        ("not event_time >= '2026-11-21'", Days(None, UNTIL)),
        # What leaves rows of other days in.
        ("event_time >= '2026-11-21' or true", None),
        ("received_at >= '2026-11-21'", None),
        ("event_time >= n", None),
        ("event_time >= 'yesterday'", None),
        ("event_time <> '2026-11-21'", None),
        ("y.event_time >= '2026-11-21'", None),
        ("event_time >= '0001-01-01'", None),
        ("n in (select 1) and event_time is null", None),
    ],
)
def test_a_condition_narrows_the_days_or_does_not(where: str, days: Days | None) -> None:
    assert _bounds(f"select * from {T} where {where}") == ({T: days} if days else {})


@pytest.mark.parametrize(
    ("sql", "narrowed"),
    [
        (f"select * from {T} t join gold.w w on t.a = w.a where t.event_time >= '2026-11-21'", True),
        (f"select * from {T} t, gold.w w where w.day >= '2026-11-21' and t.event_time >= '2026-11-21'", True),
        (f"select * from (select * from {T} where event_time >= '2026-11-21')", True),
        (f"with a as (select * from {T} where event_time >= '2026-11-21') select * from a", True),
        (f"select * from {T} t left join gold.w w on t.a = w.a where t.event_time >= '2026-11-21'", False),
        (f"select * from {T} t, gold.w w where event_time >= '2026-11-21'", False),
        (f"select * from {T} where event_time >= '2026-11-21' union all select * from {T}", False),
        (f"select * from {T} as t(event_time) where event_time >= '2026-11-21'", False),
        (f"select * from (select * from {T}) where event_time >= '2026-11-21'", False),
    ],
)
def test_only_rows_that_all_have_to_pass_are_left_out(sql: str, narrowed: bool) -> None:
    assert (T in _bounds(sql)) is narrowed


def test_days_hold_partitions() -> None:
    days = Days(SINCE, UNTIL)
    assert [days.hold(day) for day in ("2026-11-19", "2026-11-20", "2026-11-22", "2026-11-23", None)] == [
        *(False, True, True, False),
        True,
    ]


def _bounds(sql: str) -> dict[str, Days]:
    with duckdb.connect(config={"threads": 1}) as connection:
        return bounds(statement.read(connection, sql).statement.node, TIMES)
