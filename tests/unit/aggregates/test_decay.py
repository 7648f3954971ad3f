"""Measures that fade: by half each half-life, the same in SQL, in whatever order tiles are added."""

from decimal import Decimal
from typing import Any

import duckdb
import pytest

from millrace.aggregates import decay, measures
from millrace.aggregates.definition import Measure

DAY, WEEK = 86_400, 7 * 86_400


def kind(name: str, type_: str = "", most: int = 0) -> Any:
    return measures.of(Measure("x", name, {}, type_, (), most, (), (), WEEK))


def test_a_half_life_halves() -> None:
    assert [decay.weight(number * WEEK, WEEK) for number in range(4)] == [
        1_000_000,
        500_000,
        250_000,
        125_000,
    ]
    assert decay.weight(0, WEEK) == decay.WEIGHT
    assert decay.weight(400 * DAY, 3600) == 0


def test_sql_has_the_same_weights() -> None:
    halves = [3600, DAY, WEEK, 365 * DAY]
    ages = [*range(0, 31 * DAY, 299 * 300), *(number * 3600 for number in range(1, 24))]
    power = "CAST(FLOOR(POWER(CAST(2 AS DOUBLE), -(CAST(age AS DOUBLE)) / half) * 1000000 + 0.5) AS BIGINT)"
    query = f"SELECT age, half, {power} FROM unnest($ages) a(age), unnest($halves) h(half)"
    for age, half, weight in duckdb.execute(query, {"ages": ages, "halves": halves}).fetchall():
        assert weight == decay.weight(age, half), (age, half)


@pytest.mark.parametrize(
    ("measure", "stored", "shown"),
    [
        (kind("count"), 3, Decimal("1.5")),
        (kind("sum", "decimal"), 30_001, Decimal("1.5001")),
        (kind("sum", "decimal"), -30_001, Decimal("-1.5001")),
        (kind("sum", "int"), -7, Decimal("-3.5")),
    ],
)
def test_what_is_a_week_old_counts_half(measure: Any, stored: int, shown: Decimal) -> None:
    assert measure.shown(measure.aged(measure.read(stored), WEEK)) == shown
    # What is stored does not fade.
    assert measure.cut(measure.read(stored)) == stored


def test_what_is_recent_comes_before_what_was_frequent() -> None:
    top = kind("top", "string", most=1)
    old = top.aged(top.read({"by": {"shoes": 10, "hats": 1}, "other": 4}), 4 * WEEK)
    new = top.aged(top.read({"by": {"hats": 2}, "other": 0}), 0)
    expected = {"items": [{"value": "hats", "count": Decimal("2.0625")}], "other": Decimal("0.875")}
    assert top.shown(top.merge_all([old, new])) == expected
    assert top.shown(top.merge_all([new, old])) == expected
