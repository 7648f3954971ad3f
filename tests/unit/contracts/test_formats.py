"""A moment that a contract takes is one that everything behind intake can hold."""

import re
from datetime import UTC, datetime, timedelta

import duckdb
import jsonschema_rs
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts import derived, formats

FIRST, LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
# By the clock on the wall, as a text says it before its offset.
WALL_FIRST, WALL_LAST = FIRST.replace(tzinfo=None), LAST.replace(tzinfo=None, microsecond=0)
MOMENTS = jsonschema_rs.Draft202012Validator(formats.text("date-time"), validate_formats=True)
PATTERN = re.compile(formats.FORMATS["date-time"]["pattern"])


@pytest.mark.parametrize(
    "text",
    [
        # What producers write for "without end" and "since ever".
        "9999-12-31T23:59:59Z",
        "9999-12-31T23:59:59.999Z",
        "9999-12-31T23:59:59.999999Z",
        "9999-12-31T00:00:00+00:00",
        "9999-12-31T23:59:59-00:00",
        "9999-12-31T23:59:59+14:00",
        "1000-01-01T00:00:00Z",
        "1000-01-01T00:00:00-12:00",
        "1900-01-01T00:00:00+23:59",
        "9998-12-31T23:59:59.999999999-23:59",
        "1001-01-01T00:00:00+23:59",
        "2026-02-28T12:00:00.123456789-23:59",
    ],
)
def test_moments_that_are_taken(text: str) -> None:
    assert MOMENTS.is_valid(text)


@pytest.mark.parametrize(
    "text",
    [
        "9999-12-31T23:59:59-05:00",
        "9999-12-31T23:59:59-00:01",
        "9999-12-31T23:59:59.9999999Z",
        "9999-12-31T23:59:59.999999999+00:00",
        "1000-01-01T00:00:00+00:01",
        "1000-01-01T00:00:00+14:00",
        "0999-12-31T23:59:59Z",
        "2026-11-21T05:59:00+24:00",
        "2026-11-21T05:59:00+29:59",
        "2026-11-21T24:00:00Z",
        "2026-11-21T05:59:60Z",
        "2026-02-30T00:00:00Z",
        "10000-01-01T00:00:00Z",
        "2026-11-21T05:59:00",
        "٢٠٢٦-11-21T05:59:00Z",
    ],
)
def test_moments_that_are_not(text: str) -> None:
    assert not MOMENTS.is_valid(text)


EDGES = st.datetimes(WALL_FIRST, WALL_FIRST + timedelta(days=368)) | st.datetimes(
    WALL_LAST - timedelta(days=368), WALL_LAST
)
OFFSETS = st.just("Z") | st.tuples(
    st.sampled_from("+-"), st.integers(0, 23), st.sampled_from([0, 1, 30, 59])
).map(lambda parts: f"{parts[0]}{parts[1]:02}:{parts[2]:02}")
DIGITS = st.sampled_from(["", ".9", ".999", ".999999", ".9999999", ".999999999", ".0000001"])


@given(EDGES | st.datetimes(WALL_FIRST, WALL_LAST), DIGITS, OFFSETS)
def test_what_is_taken_lies_in_the_years_of_every_store(at: datetime, digits: str, offset: str) -> None:
    text = f"{at:%Y-%m-%dT%H:%M:%S}{digits}{offset}"
    sign = -1 if offset[0] == "-" else 1
    ahead = (
        timedelta() if offset == "Z" else sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[4:]))
    )
    # As differences: a moment outside of these years may be none that Python has.
    lowest = at - WALL_FIRST - ahead >= timedelta()
    highest = at - WALL_LAST - ahead <= timedelta()
    if not MOMENTS.is_valid(text):
        assert at.year in (1000, 9999)
        return
    assert lowest
    assert highest
    assert PATTERN.fullmatch(text), "the published pattern says the same"
    moment = datetime.fromisoformat(text).astimezone(UTC)
    assert FIRST <= moment <= LAST
    # Some readers round to microseconds where others cut.
    if re.search(r"\.\d{6}[5-9]", text):
        assert moment + timedelta(microseconds=1) <= LAST
    stored = duckdb.execute("SELECT epoch_us(CAST(? AS TIMESTAMPTZ))", [text]).fetchall()[0][0]
    assert stored == (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    assert pa.array([stored], pa.timestamp("us", tz="UTC")).to_pylist() == [moment]
    for kind, expected in (("hour", at.hour), ("weekday", at.isoweekday())):
        rule = {"column": "c", "kind": kind, "of": "/data/payload/at"}
        assert derived.value(rule, text) == expected
        assert duckdb.sql(f"SELECT {derived.sql(rule, _literal(text), '')}").fetchall() == [(expected,)]


def _literal(text: str) -> str:
    return f"'{text}'"


@pytest.mark.parametrize("text", ["1000-01-01", "9999-12-31", "2024-02-29"])
def test_days_at_the_ends(text: str) -> None:
    assert jsonschema_rs.Draft202012Validator(formats.text("date"), validate_formats=True).is_valid(text)
    day = duckdb.execute("SELECT CAST(? AS DATE)", [text]).fetchall()[0][0]
    assert str(day) == text
    assert pa.array([day], pa.date32()).to_pylist() == [day]
