"""The Python and the SQL form of each rule give the same verdict, on the values that silver holds."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import duckdb
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from millrace.contracts import columns, rules, rules_sql
from millrace.contracts.contract import Contract
from millrace.contracts.pointers import parse, read
from millrace.contracts.validator import Validator
from tests.support.contracts import contract, event, field

MONEY: dict[str, Any] = {"physicalType": "decimal(18,4)"}
LINE = [
    field("pieceCount", "integer"),
    field("boxCount", "integer", logicalTypeOptions={"format": "i32"}),
    field("price", "number", **MONEY),
    field("rate", "number", **MONEY),
]


@pytest.fixture(scope="module")
def sql() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.execute("SET TimeZone = 'Asia/Kathmandu'")
        yield connection


def silver(of: columns.Type, value: Any) -> Any:
    """A JSON value as DuckDB takes it for a column."""
    if value is None:
        return None
    if isinstance(of, columns.Array):
        return [silver(of.item, item) for item in value]
    if isinstance(of, columns.Struct):
        by_column = {columns.snake(name): part for name, part in value.items()}
        return {name: silver(part, by_column.get(name)) for name, part, _ in of.fields}
    if of.name == "decimal":
        return Decimal(repr(value)).quantize(Decimal("0.0001"))
    if of.name == "timestamptz":
        return datetime.fromisoformat(value)
    return date.fromisoformat(value) if of.name == "date" else value


def verdicts(made: Contract, sent: dict[str, Any], sql: duckdb.DuckDBPyConnection) -> list[tuple[bool, bool]]:
    """What Python and what SQL say of each rule; the event must keep its schema."""
    schema_errors = [error for error in Validator(made).errors(sent) if error.code != "rule"]
    assume(not schema_errors)
    row = [
        (
            column.name,
            columns.duckdb_type(column.type),
            silver(column.type, read(sent, parse(column.pointer))),
        )
        for column in columns.columns(made)
        if column.pointer is not None
    ]
    cells = ", ".join(f'CAST(? AS {kind}) AS "{name}"' for name, kind, _ in row)
    conditions = ", ".join(rules_sql.broken(rule, made) for rule in made.rules)
    found = sql.execute(
        f"SELECT {conditions} FROM (SELECT {cells})", [value for _, _, value in row]
    ).fetchone()
    assert found is not None
    ours = [
        compiled.check(sent) is not None if (compiled := rules.compile_rule(rule)) else False
        for rule in made.rules
    ]
    assert all(value in (True, False) for value in found)
    return list(zip(ours, found, strict=True))


SUMS = contract(
    field("total", "number", **MONEY),
    field("lines", "array", items={"logicalType": "object", "properties": LINE}),
    rules=[
        {
            "kind": "equalsSum",
            "total": "/data/payload/total",
            "items": "/data/payload/lines",
            "factors": factors,
            "tolerance": tolerance,
        }
        for factors in (
            ["price"],
            ["pieceCount"],
            ["pieceCount", "price"],
            ["price", "rate"],
            ["rate", "pieceCount"],
            ["pieceCount", "boxCount"],
        )
        for tolerance in (0, 0.005)
    ],
)
AMOUNT = (
    st.decimals(-(10**12), 10**12, places=4).map(float)
    | st.decimals(-9, 9, places=2).map(float)
    | st.integers(-9, 9)
)
LINES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "pieceCount": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(0, 3),
            "price": st.none() | AMOUNT,
            "rate": AMOUNT,
            "boxCount": st.integers(-9, 9),
        },
    ),
    max_size=4,
)


@settings(deadline=None)
@given(
    st.none() | LINES,
    st.none() | AMOUNT,
    st.sampled_from([None, "price", "pieceCount", "rate"]),
    st.integers(-51, 51),
)
def test_sums(
    sql: duckdb.DuckDBPyConnection,
    lines: list[dict[str, Any]] | None,
    total: float | None,
    near: str | None,
    off: int,
) -> None:
    if near is not None and lines:
        # Totals around the edge of the tolerance are where two ways of computing part.
        exact = sum(
            (
                Decimal(repr(line.get("price") or 0))
                * Decimal(repr(line.get(near) or 0) if near != "price" else "1")
                for line in lines
            ),
            Decimal(0),
        )
        assume(abs(exact) < 10**12)
        total = float((exact + Decimal(off).scaleb(-4)).quantize(Decimal("0.0001")))
    pairs = verdicts(SUMS, event({"lines": lines, "total": total}), sql)
    assert all(ours == theirs for ours, theirs in pairs), pairs


MOMENTS = contract(
    field("from", "timestamp"),
    field("until", "timestamp"),
    field("firstDay", "date"),
    field("lastDay", "date"),
    rules=[
        {"kind": "notBefore", "later": "/data/payload/until", "earlier": "/data/payload/from"},
        {"kind": "notBefore", "later": "/timestamp", "earlier": "/data/payload/from"},
        {"kind": "notBefore", "later": "/data/payload/lastDay", "earlier": "/data/payload/firstDay"},
    ],
)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENT = st.datetimes(
    datetime(2026, 11, 20),  # noqa: DTZ001  Hypothesis wants its bounds naive
    datetime(2026, 11, 21),  # noqa: DTZ001
    timezones=OFFSETS,
).map(datetime.isoformat) | st.sampled_from(
    [
        "2026-11-21T09:30:00.1234567Z",
        "2026-11-21T10:30:00.1234564+01:00",
        "2026-11-21T09:30:00Z",
        "2026-11-21T08:30:00-01:00",
    ]
)
DAY = st.dates(date(2026, 2, 27), date(2026, 3, 2)).map(str)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={"from": st.none() | MOMENT, "until": MOMENT, "firstDay": DAY, "lastDay": st.none() | DAY},
    ),
    MOMENT,
)
def test_moments_and_days(sql: duckdb.DuckDBPyConnection, payload: dict[str, Any], timestamp: str) -> None:
    pairs = verdicts(MOMENTS, event(payload, timestamp=timestamp), sql)
    assert all(ours == theirs for ours, theirs in pairs), pairs


NEEDS = contract(
    field("kind"),
    field("flag", "boolean"),
    field("level", "integer"),
    field("reason"),
    field("parts", "array", items={"logicalType": "string"}),
    field("more", "object", properties=[field("code", "integer")]),
    rules=[
        {
            "kind": "requiredIf",
            "field": "/data/payload/reason",
            "when": "/data/payload/kind",
            "equals": ["it's", "b", ""],
        },
        {
            "kind": "requiredIf",
            "field": "/data/payload/parts",
            "when": "/data/payload/flag",
            "equals": [False],
        },
        {
            "kind": "requiredIf",
            "field": "/data/payload/more/code",
            "when": "/data/payload/level",
            "equals": [0, 7],
        },
        {"kind": "requiredIf", "field": "/sessionId", "when": "/eventType", "equals": ["thing.happened"]},
        {"kind": "requiredIf", "field": "/correlationId", "when": "/eventType", "equals": ["thing.else"]},
    ],
)


@settings(deadline=None)
@given(
    st.fixed_dictionaries(
        {},
        optional={
            "kind": st.sampled_from([None, "it's", "b", "B", "", "c "]),
            "flag": st.sampled_from([None, True, False]),
            "level": st.sampled_from([None, 0, 1, 7, 7.0]),
            "reason": st.sampled_from([None, "", "x"]),
            "parts": st.sampled_from([None, [], ["x"]]),
            "more": st.sampled_from([None, {}, {"code": None}, {"code": 0}]),
        },
    ),
    st.booleans(),
)
def test_what_is_required(sql: duckdb.DuckDBPyConnection, payload: dict[str, Any], session: bool) -> None:
    pairs = verdicts(NEEDS, event(payload, **({"sessionId": "ses_1"} if session else {})), sql)
    assert all(ours == theirs for ours, theirs in pairs), pairs


def test_references_are_looked_up_in_the_same_tenant(sql: duckdb.DuckDBPyConnection) -> None:
    rule = {
        "kind": "reference",
        "field": "/data/payload/userId",
        "type": "thing.happened",
        "key": "/data/payload/userId",
    }
    made = contract(field("userId"), rules=[rule])
    assert rules_sql.broken(rule, made) == "false"
    sql.execute(
        "CREATE SCHEMA silver; CREATE TABLE silver.thing_happened_v1 (event_id VARCHAR, org_id VARCHAR, user_id VARCHAR)"
    )
    target = contract(field("userId"))
    other = rules_sql.unknown_references(rule, made, target).replace(
        'FROM "silver"."thing_happened_v1" AS here', "FROM asked AS here"
    )
    sql.execute("CREATE TABLE asked (event_id VARCHAR, org_id VARCHAR, user_id VARCHAR)")
    sql.execute("INSERT INTO silver.thing_happened_v1 VALUES ('e1', 'acme', 'u1'), ('e2', 'acme', NULL)")
    sql.execute(
        "INSERT INTO asked VALUES ('a', 'acme', 'u1'), ('b', 'globex', 'u1'), ('c', 'acme', 'u2'), ('d', 'acme', NULL)"
    )
    assert sql.execute(other + " ORDER BY 1").fetchall() == [("b",), ("c",)]
