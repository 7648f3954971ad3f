"""Derived columns: each kind says the same in Python and in SQL, and a contract that asks for nonsense does not compile."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from typing import Any

import duckdb
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from millrace.compiler import diff
from millrace.contracts import columns, derived
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.fraud.rules import country_of
from tests.support.contracts import FILES, compiled, contract, field

FIELDS = (
    field("location"),
    field("amount", "number", physicalType="decimal(18,4)", required=True),
    field("count", "integer"),
    field("at", "timestamp"),
    field("name", classification="confidential"),
)
# Local times: the offset is drawn for itself.
TODAY = date(2026, 11, 21)
FIRST, LAST = datetime.fromisoformat("1000-01-02"), datetime.fromisoformat("9999-12-30")
BAND = {
    "column": "size",
    "kind": "band",
    "of": "/data/payload/amount",
    "edges": [50, 200.5],
    "labels": ["s", "m", "it's"],
}


def rule(kind: str, of: str, **more: Any) -> dict[str, Any]:
    return {"column": f"my_{kind}", "kind": kind, "of": f"/data/payload/{of}", **more}


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as made:
        made.execute("SET TimeZone = 'UTC'")
        yield made


def by_sql(
    connection: duckdb.DuckDBPyConnection, definition: dict[str, Any], text: str | None, of: str
) -> Any:
    sql = derived.sql(definition, "x", f"TRY_CAST(x AS {of})")
    row = connection.execute(f"SELECT {sql} FROM (SELECT ?::VARCHAR AS x)", [text]).fetchone()
    assert row is not None
    return row[0]


@given(
    st.none()
    | st.text()
    | st.lists(st.sampled_from([",", " ", "\u3000", "\x1c", "a", "É", "👩‍🚀", "\t", "\x00"])).map("".join)
)
@example("Lisbon, Portugal")
@example("Washington, D.C., USA")
@example("Berlin")
@example("Berlin,")
@example(", ")
@example("")
def test_a_place(connection: duckdb.DuckDBPyConnection, text: str | None) -> None:
    for kind in ("city", "country"):
        asked = rule(kind, "location")
        assert by_sql(connection, asked, text, "VARCHAR") == derived.value(asked, text)
    assert derived.value(rule("country", "location"), text) == country_of(text)


@given(st.none() | st.decimals(-(10**12), 10**12, places=4).map(float))
@example(50.0)
@example(49.9999)
@example(200.5)
@example(200.5001)
@example(1000)
@example(-0.0)
def test_a_number(connection: duckdb.DuckDBPyConnection, number: float | None) -> None:
    text = None if number is None else f"{number:.4f}"
    held = None if text is None else float(text)
    for definition in (BAND, rule("above", "amount", than=1000), rule("above", "amount", than=0.5)):
        assert by_sql(connection, definition, text, "DECIMAL(18,4)") == derived.value(definition, held)


@given(
    st.none()
    | st.datetimes(min_value=FIRST, max_value=LAST).flatmap(
        lambda naive: st.integers(-23 * 60 - 59, 23 * 60 + 59).map(
            lambda minutes: naive.replace(tzinfo=timezone(timedelta(minutes=minutes))).isoformat()
        )
    )
)
@example("2026-11-21T23:30:00-08:00")
@example("2026-11-21T00:00:00Z")
@example("2026-11-22T21:14:55.123456789+05:30")
def test_a_moment_by_its_own_offset(connection: duckdb.DuckDBPyConnection, text: str | None) -> None:
    for kind in ("hour", "weekday", "weekend"):
        asked = rule(kind, "at")
        assert by_sql(connection, asked, text, "TIMESTAMPTZ") == derived.value(asked, text)


def test_what_the_values_are() -> None:
    late = "2026-11-21T23:30:00-08:00"
    assert [derived.value(rule(kind, "at"), late) for kind in ("hour", "weekday", "weekend")] == [23, 6, True]
    assert derived.value(BAND, 50) == "m"
    assert derived.value(rule("city", "location"), " Washington, D.C., USA") == "Washington, D.C."
    assert derived.value(rule("above", "amount", than=1000), 1000.0) is False


def test_they_are_columns_with_types_and_checks() -> None:
    made = contract(*FIELDS, silver=[BAND, rule("hour", "at"), rule("country", "location")])
    size, hour, country = columns.columns(made)[-3:]
    assert (size.name, size.pointer, size.required, size.schema["enum"]) == (
        "size",
        None,
        True,
        ["s", "m", "it's"],
    )
    assert (columns.duckdb_type(hour.type), hour.required) == ("INTEGER", False)
    assert country.type == columns.Scalar("string")
    assert Contract.from_json(made.to_json()) == made


def test_a_transaction_has_what_the_warehouse_reads() -> None:
    made = compiled(next(path for path in FILES if path.parent.name == "transaction.created"))
    found = {column.name: columns.duckdb_type(column.type) for column in columns.columns(made)}
    assert list(found)[-7:] == [
        *("city", "country", "amount_category", "hour", "day_of_week", "is_weekend", "is_high_value")
    ]
    assert (found["hour"], found["is_weekend"], found["city"]) == ("INTEGER", "BOOLEAN", "VARCHAR")


WRONG = [
    (rule("median", "amount"), "a kind is one of"),
    (rule("hour", "nowhere"), "no column is of"),
    (rule("hour", "amount"), "is none of timestamptz"),
    (rule("city", "name"), "is confidential"),
    (rule("above", "amount"), "above has"),
    (rule("above", "amount", than="1"), "than is a number"),
    (BAND | {"edges": [200, 50]}, "edges ascend"),
    (BAND | {"edges": []}, "edges is a list"),
    (BAND | {"labels": ["s", "m"]}, "one label more"),
    (BAND | {"labels": ["s", "s", "m"]}, "different texts"),
    (BAND | {"column": "event_id"}, "silver's column event_id"),
    (BAND | {"column": "amount"}, "silver's column amount"),
    (BAND | {"of": "/eventId"}, "no column is of"),
]


@pytest.mark.parametrize(("definition", "message"), WRONG)
def test_nonsense_does_not_compile(definition: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        contract(*FIELDS, silver=[definition])


def test_names_that_differ_in_upper_case_only_do_not_compile() -> None:
    with pytest.raises(ContractError, match="upper case or _ only"):
        contract(field("userid"), field("userId"))


def test_a_column_that_is_gone_or_retyped_breaks_whoever_reads_silver() -> None:
    old = contract(*FIELDS, silver=[BAND, rule("hour", "at")])
    new = contract(*FIELDS, silver=[{"column": "my_hour", "kind": "weekend", "of": "/data/payload/at"}])
    assert [
        (found.kind, found.pointer) for found in diff.compare(old, new, TODAY) if found.pointer == "/silver"
    ] == [
        ("removed", "/silver"),
        ("retyped", "/silver"),
    ]
    assert [
        found.pointer for found in diff.compare(new, contract(*FIELDS, silver=[BAND, *new.silver]), TODAY)
    ] == ["/version"]
