"""A type that is too narrow for what contracts let in is found when the warehouse is compiled."""

from collections.abc import Mapping
from decimal import Decimal

import duckdb
import pytest
from sqlglot import exp

from millrace.compiler.warehouse import dialect
from millrace.compiler.warehouse.ranges import Range
from millrace.compiler.warehouse.widths import Widths
from millrace.contracts.columns import Array, Column, Scalar, Struct
from millrace.contracts.tables import LakeTable

pytestmark = pytest.mark.unit
LONG = 2**63 - 1
ITEM = Struct((("whole", Scalar("long"), True), ("money", Scalar("decimal"), True)))
ITEM_LIMITS = {"properties": {"whole": {"minimum": 0}, "money": {"minimum": 0, "maximum": 10**12}}}
SOURCE = LakeTable(
    "silver",
    "x_v1",
    (
        Column("org_id", None, Scalar("string"), True, ""),
        Column("small", None, Scalar("int"), False, "", {"minimum": -5, "maximum": 7}),
        Column("whole", None, Scalar("long"), False, "", {"minimum": 0, "maximum": LONG}),
        Column("money", None, Scalar("decimal"), False, "", {"minimum": 0, "maximum": 10**12}),
        Column("change", None, Scalar("decimal"), False, ""),
        Column("paid", None, Scalar("decimal"), False, "", {"exclusiveMinimum": 0}),
        Column("score", None, Scalar("double"), False, ""),
        Column("day", None, Scalar("date"), False, ""),
        Column("items", None, Array(ITEM), False, "", {"items": ITEM_LIMITS}),
    ),
    "org",
    None,
    "hourly",
    "",
    "",
)
ROWS = {
    "small": (-5, 0, 7),
    "whole": (0, 1, LONG),
    "money": (Decimal(0), Decimal("0.0001"), Decimal(10) ** 12),
    "change": (-(Decimal(10) ** 12), Decimal("-0.0001"), Decimal(0), Decimal(10) ** 12),
}


def read(select: str, rest: str = "", **columns: str) -> tuple[list[str], Range | None]:
    """What is wrong with one column `y` of a transform, and what it may hold."""
    table = LakeTable(
        "gold",
        "y",
        tuple(Column(name, None, Scalar(kind), False, "") for name, kind in columns.items()),
        *("org", None, "hourly", "", ""),
    )
    widths = Widths({"silver.x_v1": SOURCE, "gold.y": table})
    problems = widths.add("gold.y", dialect.parse(f"SELECT org_id, {select} AS y FROM silver.x_v1 {rest}"))
    found = widths.columns("gold.y")["y"]
    return problems, found if isinstance(found, Range) else None


GROUPED = "GROUP BY org_id"


@pytest.mark.parametrize(
    ("select", "rest", "sentence"),
    [
        ("CAST(SUM(money) AS DECIMAL(18, 4))", GROUPED, "it may be 1.00e+24"),
        ("SUM(whole)", GROUPED, "an integer of 64 bits holds it"),
        ("CAST(COUNT(*) AS INTEGER)", GROUPED, "it may be 1"),
        ("whole + 1", "", "an integer of 64 bits holds it"),
        ("2147483647 + small", "", "an integer of 32 bits holds it"),
        ("money * money", "", "a decimal of 18 digits holds it"),
        ("money * 1000", "", "a decimal of 18 digits holds it"),
        ("CAST(money / NULLIF(whole, 0) * 1000 AS DECIMAL(18, 4))", "", "it may be 1.00e+15"),
        ("CAST(money / NULLIF(money, 0) AS DECIMAL(18, 4))", "", "it may be 1.00e+16"),
        ("CAST(whole AS INTEGER)", "", "it may be 9.22e+18"),
        ("CAST(money * 10 AS INTEGER)", "", "it may be 1.00e+13"),
        ("money / whole", "", "it may divide by zero"),
        ("SUM(money) / COUNT(money)", GROUPED, "it may divide by zero"),
        ("whole % small", "", "it may divide by zero"),
        ("score * 2", "", "it may be no finite double"),
        ("money / NULLIF(score, 0)", "", "it may be no finite double"),
        ("CAST(score AS DECIMAL(38, 4))", "", "it may be 1.80e+308"),
        ("CAST(org_id AS INTEGER)", "", "nothing is known of the bounds"),
        ("CAST(org_id AS DATE)", "", "not every text is one: TRY_CAST"),
        (
            "CAST(SUM(money) FILTER (WHERE small > 0) / NULLIF(COUNT(*), 0) AS DECIMAL(18, 4))",
            GROUPED,
            "1.00e+24",
        ),
        ("small", "WHERE CAST(whole AS INTEGER) > 1", "it may be 9.22e+18"),
        ("small", "ORDER BY whole * 2", "an integer of 64 bits holds it"),
        ("CASE WHEN whole * 2 > 3 THEN 1 ELSE 0 END", "", "an integer of 64 bits holds it"),
        ("ROW_NUMBER() OVER (PARTITION BY org_id ORDER BY whole * 2)", "", "an integer of 64 bits holds it"),
        ("LIST_MAX(LIST_TRANSFORM(items, LAMBDA i : COALESCE(i.whole * 2, 0)))", "", "an integer of 64 bits"),
        ("LIST_FILTER(items, LAMBDA i : i.money * 1000 > 1)[1].money", "", "a decimal of 18 digits holds it"),
        (
            "CAST(LIST_SUM(LIST_TRANSFORM(items, LAMBDA i : CAST(i.whole AS DECIMAL(38, 0)))) AS BIGINT)",
            "",
            "it may be 9.22e+24",
        ),
    ],
)
def test_what_may_fail_is_named(select: str, rest: str, sentence: str) -> None:
    problems, _ = read(select, rest)
    assert any(sentence in problem for problem in problems), problems


@pytest.mark.parametrize(
    ("select", "rest"),
    [
        ("CAST(SUM(money) AS DECIMAL(38, 4))", GROUPED),
        ("SUM(CAST(whole AS DECIMAL(38, 0)))", GROUPED),
        ("CAST(CAST(SUM(money) AS DOUBLE) / NULLIF(COUNT(*), 0) AS DECIMAL(18, 4))", GROUPED),
        (
            "CAST(CAST(SUM(money) FILTER (WHERE small > 0) AS DOUBLE) / NULLIF(COUNT(*) FILTER (WHERE small > 0), 0)"
            " AS DECIMAL(18, 4))",
            GROUPED,
        ),
        ("TRY_CAST(whole AS INTEGER)", ""),
        ("money / NULLIF(whole, 0)", ""),
        ("CAST(COALESCE(small, 0) + 1 AS INTEGER)", ""),
        ("MAX(money)", GROUPED),
        ("money / paid", ""),
        ("COALESCE(LIST_SUM(LIST_TRANSFORM(items, LAMBDA i : CAST(i.whole AS DECIMAL(38, 0)))), 0)", ""),
        ("LIST_MAX(LIST_TRANSFORM(items, LAMBDA i : COALESCE(i.money, -1)))", ""),
        ("LIST_FILTER(items, LAMBDA i : i.money > money)[1].money", ""),
    ],
)
def test_what_holds_passes(select: str, rest: str) -> None:
    assert read(select, rest)[0] == []


@pytest.mark.parametrize(
    ("select", "kind", "sentence"),
    [
        ("CAST(money AS DECIMAL(38, 4)) * 1000", "decimal", "y: it may be 1.00e+15, and is decimal"),
        ("whole", "int", "y: it may be 9.22e+18, and is int"),
        ("CAST(SUM(money) AS DECIMAL(38, 4))", "decimal", "y: it may be 1.00e+24, and is decimal"),
        ("ROUND(money, 2)", "decimal", "y: nothing is known of its bounds"),
    ],
)
def test_a_column_is_as_wide_as_what_it_holds(select: str, kind: str, sentence: str) -> None:
    problems, _ = read(select, GROUPED if "SUM" in select else "", org_id="string", y=kind)
    assert sentence in problems


EXPRESSIONS = (
    *(
        "small",
        "whole",
        "money",
        "change",
        "small * money",
        "CAST(change AS DECIMAL(38, 4)) * change",
        "change - money",
        "-change",
    ),
    *(
        "FLOOR(change)",
        "FLOOR(money) + 1",
        "CAST(whole AS DECIMAL(38, 0)) * money",
        "whole * money",
        "change % 3",
        "money % 7",
        "whole / 3",
        "change / NULLIF(money, 0)",
    ),
    *("money / NULLIF(change, 0)", "CASE WHEN small > 0 THEN money ELSE change END", "COALESCE(small, 9)"),
    *("NULLIF(whole, 0)", "CAST(money AS DOUBLE) / NULLIF(small, 0)", "CAST(change AS DECIMAL(38, 4)) * 100"),
    *(
        "small + 0.25",
        "MAX(change)",
        "MIN(change)",
        "SUM(change)",
        "SUM(small * money)",
        "COUNT(*)",
        "COUNT(small)",
    ),
    *("SUM(money) / COUNT(*)", "SUM(change) / COUNT(*)", "TRY_CAST(whole AS INTEGER)"),
)


@pytest.mark.parametrize("select", EXPRESSIONS)
def test_no_value_leaves_the_bounds_that_are_computed(select: str) -> None:
    """DuckDB over every combination of the ends."""
    grouped = dialect.parse(f"SELECT {select}").find(exp.AggFunc) is not None
    problems, bounds = read(select, GROUPED if grouped else "")
    assert problems == []
    assert bounds is not None
    kinds = {"small": "INTEGER", "whole": "BIGINT", "money": "DECIMAL(18,4)", "change": "DECIMAL(18,4)"}
    lists = ", ".join(
        f"(SELECT unnest([{', '.join(f'CAST({one} AS {kinds[name]})' for one in ends)}, NULL]) AS {name}) AS t_{name}"
        for name, ends in ROWS.items()
    )
    found = duckdb.execute(f"SELECT {select} AS y FROM {lists}").fetchall()
    held = [row[0] for row in found if row[0] is not None]
    assert held
    for value in held:
        assert bounds.low <= Decimal(value) <= bounds.high, value


def test_counts_of_groups_add_up_to_no_more_than_rows(tables: Mapping[str, LakeTable]) -> None:
    widths = Widths(tables)
    counted = (
        "SELECT org_id, currency, COUNT(*) AS n FROM silver.payment_captured_v1 GROUP BY org_id, currency"
    )
    for add, wrong in (("n", False), ("n + 0", True)):
        sql = f"WITH c AS ({counted}) SELECT org_id, SUM({add}) AS y FROM c GROUP BY org_id"
        assert bool(widths.add("staging.y", dialect.parse(sql))) is wrong
