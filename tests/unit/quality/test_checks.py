"""Checks follow from contracts, and each counts exactly the rows that break it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.contracts.column_types import Column, Scalar, duckdb_type, type_of
from millrace.contracts.registry import Registry
from millrace.contracts.tables import LakeTable
from millrace.quality.checks import FRESHNESS, checks_of, unique_columns
from millrace.quality.measure import measure
from millrace.quality.result import CheckResult

ORDER = {
    "event_id": "e1",
    "event_time": "2026-11-21T10:00:00Z",
    "event_source": "shop",
    "org_id": "org_acme",
    "received_at": "2026-11-21T10:00:01Z",
    "contract": "order.created/1.2.0",
    "order_id": "A-1",
    "user_id": "u-1",
    "items": [{"product_id": "p", "quantity": 2, "price": 1.5}],
    "total_amount": 3,
    "currency": "EUR",
}


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as found:
        found.execute("SET TimeZone = 'UTC'")
        yield found


@pytest.fixture
def registry(bundle: Path) -> Registry:
    return Registry(bundle)


def column(name: str, schema: dict[str, Any], **more: Any) -> Column:
    return Column(name, None, type_of(schema), more.pop("required", False), "", schema, **more)


def lake_table(*columns: Column, **more: Any) -> LakeTable:
    given = {"grain": "org", "time_column": None, "refresh": "hourly", "description": "", "owner": ""}
    return LakeTable(layer="marts", name="t", columns=columns, **{**given, **more})


def measured(
    connection: duckdb.DuckDBPyConnection, table: LakeTable, rows: list[dict[str, Any]]
) -> dict[str, CheckResult]:
    types = ", ".join(f'"{one.name}" {duckdb_type(one.type)}' for one in table.columns)
    connection.execute(f"CREATE OR REPLACE TABLE rows ({types})")
    for row in rows:
        names = ", ".join(f'"{name}"' for name in row)
        marks = ", ".join("?" for _ in row)
        connection.execute(f"INSERT INTO rows ({names}) VALUES ({marks})", list(row.values()))
    return {result.check: result for result in measure(connection, "rows", checks_of(table))}


def broken(results: dict[str, CheckResult]) -> dict[str, tuple[int, str]]:
    return {name: (result.failed, result.status) for name, result in results.items() if result.failed}


def test_every_contract_and_table_has_checks_that_duckdb_runs(
    connection: duckdb.DuckDBPyConnection, registry: Registry
) -> None:
    assert len(registry.tables()) >= 26
    for table in registry.tables().values():
        results = measured(connection, table, [])
        assert "not_null(org_id)" in results
        assert {result.status for result in results.values()} == {"pass"}


def test_a_sound_order_passes_everything(connection: duckdb.DuckDBPyConnection, registry: Registry) -> None:
    results = measured(connection, registry.tables()["silver.order_created_v1"], [ORDER])
    assert broken(results) == {}
    assert results["range(items.quantity)"].rows == 1
    assert results[FRESHNESS].value == 1795255201000


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"order_id": None}, {"not_null(order_id)": (1, "fail")}),
        ({"total_amount": -1}, {"range(total_amount)": (1, "fail"), "equalsSum(total_amount)": (1, "fail")}),
        ({"total_amount": 4}, {"equalsSum(total_amount)": (1, "fail")}),
        ({"currency": "euro"}, {"pattern(currency)": (1, "warn")}),
        ({"order_id": "a\u202eb"}, {"pattern(order_id)": (1, "warn")}),
        ({"order_id": ""}, {"length(order_id)": (1, "warn")}),
        ({"order_id": "é" * 256}, {}),
        ({"order_id": "é" * 257}, {"length(order_id)": (1, "warn")}),
        ({"items": [], "total_amount": 0}, {"length(items)": (1, "warn")}),
        (
            {"items": [{"product_id": None, "quantity": 0, "price": 1}], "total_amount": 0},
            {"not_null(items.product_id)": (1, "fail"), "range(items.quantity)": (1, "fail")},
        ),
        ({"meta_payment_method": ""}, {"length(meta_payment_method)": (1, "warn")}),
        # Kept as a token later on, whatever its contract says of its length.
        ({"meta_shipping_address_street": ""}, {}),
    ],
)
def test_a_row_breaks_what_it_breaks(
    connection: duckdb.DuckDBPyConnection,
    registry: Registry,
    changes: dict[str, Any],
    expected: dict[str, tuple[int, str]],
) -> None:
    table = registry.tables()["silver.order_created_v1"]
    assert broken(measured(connection, table, [{**ORDER, **changes}])) == expected


def test_an_event_that_stands_twice_is_counted_once_more(
    connection: duckdb.DuckDBPyConnection, registry: Registry
) -> None:
    rows = [ORDER, ORDER, ORDER, {**ORDER, "event_id": "e2"}]
    results = measured(connection, registry.tables()["silver.order_created_v1"], rows)
    assert broken(results) == {"unique(event_id)": (2, "fail")}


@pytest.mark.parametrize(
    ("schema", "value", "name"),
    [
        ({"type": ["number", "null"], "exclusiveMinimum": 0}, 0, "range(x)"),
        ({"type": ["number", "null"], "exclusiveMaximum": 1}, 1, "range(x)"),
        ({"type": "integer", "minimum": 0, "maximum": 100, "multipleOf": 5}, 7, "range(x)"),
        ({"type": ["string", "null"], "enum": ["a", "b", None]}, "c", "accepted(x)"),
        ({"type": "boolean", "enum": [True]}, False, "accepted(x)"),
        ({"type": "array", "items": {"type": "string", "enum": ["it's"]}}, ["it's", "no"], "accepted(x)"),
    ],
)
def test_limits_of_columns(
    connection: duckdb.DuckDBPyConnection, schema: dict[str, Any], value: Any, name: str
) -> None:
    table = lake_table(column("x", schema))
    rows: list[dict[str, Any]] = [{"x": value}, {"x": None}]
    assert broken(measured(connection, table, rows)) == {name: (1, "fail")}


def test_what_a_type_holds_anyway_is_no_check() -> None:
    bounds = {"minimum": -(2**63), "maximum": 2**63 - 1}
    assert checks_of(lake_table(column("x", {"type": "integer", **bounds}))) == ()


@pytest.mark.parametrize(
    ("rule", "failed", "status"),
    [
        ({"metric": "nullValues", "column": "x", "mustBe": 0}, 1, "warn"),
        ({"metric": "nullValues", "column": "x", "mustBe": 0, "severity": "error"}, 1, "fail"),
        ({"metric": "duplicateValues", "arguments": {"properties": ["x", "y"]}, "mustBe": 0}, 1, "warn"),
        (
            {"metric": "missingValues", "column": "y", "arguments": {"missingValues": ["n/a"]}, "mustBe": 0},
            1,
            "warn",
        ),
        (
            {"metric": "invalidValues", "column": "y", "arguments": {"validValues": ["a"]}, "mustBe": 0},
            2,
            "warn",
        ),
        (
            {"metric": "invalidValues", "column": "y", "arguments": {"pattern": "^[a-z]$"}, "mustBe": 0},
            1,
            "warn",
        ),
        ({"metric": "rowCount", "mustBeGreaterThan": 4}, 1, "warn"),
        ({"metric": "rowCount", "mustBeBetween": [1, 4]}, 0, "pass"),
        ({"metric": "nullValues", "column": "x", "mustBeLessThan": 30, "unit": "percent"}, 0, "pass"),
        ({"metric": "nullValues", "column": "x", "mustBeLessThan": 25, "unit": "percent"}, 1, "warn"),
        ({"type": "sql", "query": "SELECT count(*) FROM ${object} WHERE x > 1", "mustBe": 0}, 1, "warn"),
        (
            {"type": "sql", "query": "SELECT max({column}) FROM {table};", "column": "x", "mustBe": 2},
            0,
            "pass",
        ),
    ],
)
def test_checks_as_their_author_wrote_them(
    connection: duckdb.DuckDBPyConnection, rule: dict[str, Any], failed: int, status: str
) -> None:
    numbers, texts = {"type": ["number", "null"]}, {"type": ["string", "null"]}
    table = lake_table(column("x", numbers), column("y", texts), quality=({**rule, "name": "mine"},))
    rows: list[dict[str, Any]] = [
        {"x": 1, "y": "a"},
        {"x": 1, "y": "a"},
        {"x": 2, "y": "b"},
        {"x": None, "y": "n/a"},
    ]
    result = measured(connection, table, rows)["mine"]
    assert (result.failed, result.status) == (failed, status)


def test_prose_is_no_check_and_what_is_not_understood_is_an_error() -> None:
    assert checks_of(lake_table(quality=({"type": "text", "description": "looks right"},))) == ()
    for rule in ({"type": "custom"}, {"metric": "volume"}, {"metric": "nullValues"}):
        with pytest.raises(ValueError, match="no check"):
            checks_of(lake_table(quality=(rule,)))


def test_two_rules_about_one_column_are_two_checks() -> None:
    table = replace(lake_table(), rules=(("notBefore(x)", "x < y"), ("notBefore(x)", "x < z")))
    assert [check.name for check in checks_of(table)] == ["notBefore(x)", "notBefore(x)#2"]


def test_a_row_of_a_day_is_as_new_as_the_days_end(connection: duckdb.DuckDBPyConnection) -> None:
    table = lake_table(
        Column("day", None, Scalar("date"), True, ""),
        grain="day",
        time_column="day",
        freshness_hours=(2.0, 4.0),
    )
    result = measured(connection, table, [{"day": "2026-11-20"}, {"day": "2026-11-21"}])[FRESHNESS]
    assert result.value == 1795305600000, "2026-11-22T00:00:00Z"


def test_freshness_is_asked_of_arrival_before_the_tables_own_time() -> None:
    moment = Scalar("timestamptz")
    arrived = Column("received_at", None, moment, True, "")
    day = Column("day", None, Scalar("date"), True, "")
    for columns, expected in (((arrived, day), "received_at"), ((day,), "day")):
        table = lake_table(*columns, grain="day", time_column="day", freshness_hours=(2.0, 4.0))
        (check,) = [check for check in checks_of(table) if check.name == FRESHNESS]
        assert f'max("{expected}")' in check.value, check.value
    assert FRESHNESS not in {check.name for check in checks_of(lake_table(arrived))}


def test_a_check_that_cannot_be_computed_warns_and_the_others_are_judged(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    """A list of values of another type than the column, or SQL that is wrong, must not keep any rows out."""
    table = lake_table(
        column("a", {"type": "string", "enum": [7]}),
        column("b", {"type": "integer", "minimum": 1, "maximum": 9}),
        quality=({"type": "sql", "name": "odd", "query": "sum(nothing)", "severity": "blocking"},),
    )
    results = measured(connection, table, [{"a": "x", "b": 0}, {"a": "y", "b": 2}])
    assert broken(results) == {
        "uncomputable(accepted(a))": (2, "warn"),
        "range(b)": (1, "fail"),
        "uncomputable(odd)": (2, "warn"),
    }


def test_a_relation_that_cannot_be_read_is_no_fault_of_a_check(connection: duckdb.DuckDBPyConnection) -> None:
    checks = checks_of(lake_table(column("a", {"type": "string"}, required=True)))
    with pytest.raises(duckdb.Error, match="nowhere"):
        measure(connection, "nowhere", checks)


def test_unique_columns_are_those_that_a_commit_proves() -> None:
    several = {"metric": "duplicateValues", "arguments": {"properties": ["day", "shop"]}, "mustBe": 0}
    warned = {**several, "severity": "warning"}
    some = {**several, "severity": "error", "mustBe": 3}
    strict = {**several, "severity": "error"}
    number = column("number", {"type": "string"}, unique=True)
    made = lake_table(number, quality=(warned, some, strict))
    assert list(unique_columns(made)) == [("number",), ("day", "shop")]
