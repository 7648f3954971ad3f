"""The ends of what contracts let in: none of them stops a tenant's tables, and what is made of them is right."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.compiler.warehouse import dialect
from millrace.compiler.warehouse.ranges import Range
from millrace.compiler.warehouse.widths import Widths
from millrace.contracts.columns import NUMBERS, Scalar
from millrace.contracts.tables import LakeTable
from millrace.warehouse.project import Project
from tests.support import extreme_rows, silver
from tests.support.local_lake import LocalLake

pytestmark = pytest.mark.unit

LARGEST = Decimal(10) ** 12
AT = datetime(2026, 11, 1, 10, tzinfo=UTC)
LATER = datetime(2026, 11, 2, 10, tzinfo=UTC)
DAYS = (date(2026, 11, 1), date(2026, 11, 2))
ACME, GLOBEX = "org_acme", "org_globex"


def event(number: int, **fields: Any) -> dict[str, Any]:
    return {"event_id": f"e{number}", "event_time": AT, "received_at": AT, "org_id": ACME, **fields}


def order(number: int, total: Decimal, **fields: Any) -> dict[str, Any]:
    placed = {
        "order_id": f"ord_{number}",
        "user_id": f"usr_{number}",
        "items": [{"product_id": "p", "quantity": 1, "price": total}],
        "total_amount": total,
        "currency": "EUR",
    }
    return event(number, **(placed | fields))


def report(number: int, **fields: Any) -> dict[str, Any]:
    said = {
        "campaign_id": "c",
        "channel": "search",
        "period_start": AT,
        "period_end": LATER,
        "impressions": 1,
        "clicks": 0,
        "conversions": None,
        "spend": Decimal(0),
        "revenue": None,
        "currency": "EUR",
    }
    return event(number, **(said | fields))


class Maker:
    """Makes tables of rows of silver."""

    def __init__(self, project: Project, tables: Mapping[str, LakeTable], folder: Path) -> None:
        self._project, self._tables, self._folder = project, tables, folder

    def lake(self, rows: Mapping[str, list[dict[str, Any]]], more: str = "") -> LocalLake:
        """A lake of these rows of silver, and of what `more` inserts."""
        lake, source = (
            LocalLake(self._folder, self._project, self._tables),
            duckdb.connect(config={"threads": 1}),
        )
        silver.load(source, self._tables, rows, self._folder)
        source.execute(more or "SELECT 1")
        lake.keep_silver(source)
        return lake

    def rows(self, name: str, table: str, *rows: dict[str, Any], more: str = "") -> list[dict[str, Any]]:
        lake = self.lake({table: list(rows)}, more)
        for chunk in lake.run(name):
            assert chunk.failures == ()
            assert [
                c for part in chunk.parts for c in part.checks if c.severity == "blocking" and c.failed
            ] == []
        return lake.rows(name)


@pytest.fixture
def maker(project: Project, tables: Mapping[str, LakeTable], tmp_path: Path) -> Maker:
    return Maker(project, tables, tmp_path)


@pytest.mark.parametrize(
    ("total", "cents"),
    [
        (LARGEST, 10**14),
        (LARGEST - Decimal("0.0050"), 10**14),
        (LARGEST - Decimal("0.0150"), 10**14 - 2),
        (Decimal("0.0050"), 0),
        (Decimal("0.0150"), 2),
        (Decimal(0), 0),
    ],
)
def test_cents_of_an_order(maker: Maker, total: Decimal, cents: int) -> None:
    (row,) = maker.rows("marts.orders_enriched", "silver.order_created_v1", order(1, total))
    assert (row["total_amount_cents"], row["lifetime_value_cents"]) == (cents, cents)
    assert row["lifetime_value"] == total


def test_a_report_that_cost_much_and_was_shown_once(maker: Maker) -> None:
    spend = Decimal(200_000_000_000)
    (row,) = maker.rows(
        "gold.campaign_metrics_daily", "silver.campaign_metrics_reported_v1", report(1, spend=spend)
    )
    assert (row["spend"], row["cost_per_mille"]) == (spend, spend * 1000)
    assert (row["cost_per_click"], row["cost_per_conversion"], row["conversion_rate"]) == (None, None, None)


def test_counts_of_reports_are_added_beyond_64_bits(maker: Maker) -> None:
    most = 2**63 - 1
    counts = {"impressions": most, "clicks": most, "conversions": most, "spend": LARGEST, "revenue": LARGEST}
    reports = [report(n, period_end=AT.replace(hour=11, second=n), **counts) for n in range(40)]
    (row,) = maker.rows("gold.campaign_metrics_daily", "silver.campaign_metrics_reported_v1", *reports)
    assert [row[name] for name in ("impressions", "clicks", "conversions")] == [40 * most] * 3
    assert (row["spend"], row["revenue"], row["return_on_spend"]) == (40 * LARGEST, 40 * LARGEST, 1.0)
    assert (row["click_through_rate"], row["conversion_rate"]) == (1.0, 1.0)


def test_a_sum_of_which_64_bits_hold_no_cents_stands_beside_them(maker: Maker) -> None:
    """92,233,720,368,547,758.07 is the largest that has cents; half a cent more has none."""
    many = f"""
        INSERT INTO silver.payment_captured_v1 BY NAME
        SELECT 'e' || n AS event_id, event_time, received_at, org_id, 'p' || n AS payment_id, order_id,
            {LARGEST} AS amount, currency
        FROM silver.payment_captured_v1, range(92_233) AS numbers(n)
    """
    rest = Decimal(2**63 - 1) / 100 - 92_233 * LARGEST
    for last, cents in ((rest, 2**63 - 1), (rest + Decimal("0.0050"), None)):
        payment = event(-1, payment_id="p", order_id="o", amount=last, currency="EUR")
        (row,) = maker.rows("marts.revenue_by_day", "silver.payment_captured_v1", payment, more=many)
        assert row["revenue"] == 92_233 * LARGEST + last
        assert row["revenue_cents"] == cents
        assert row["average_amount"] <= LARGEST


def test_pieces_that_cost_nothing_are_counted_beyond_64_bits(maker: Maker) -> None:
    items = [{"product_id": "p", "quantity": 2**63 - 1, "price": Decimal(0)}] * 1_000
    free = order(1, Decimal(0), items=items)
    (row,) = maker.rows("marts.orders_enriched", "silver.order_created_v1", free)
    assert (row["unit_count"], row["item_count"]) == (1_000 * (2**63 - 1), 1_000)


def test_orders_of_very_many_items_are_built_within_memory(maker: Maker) -> None:
    """Unnested, the items of as many orders take more than this, spilled or not."""
    items = [{"product_id": f"p{n}" * 4, "quantity": 2, "price": Decimal(n % 900)} for n in range(1_000)]
    many = """
        INSERT INTO silver.order_created_v1 BY NAME
        SELECT * EXCLUDE (n) REPLACE ('e' || n AS event_id, 'ord_' || n AS order_id)
        FROM silver.order_created_v1, range(2_100) AS numbers(n)
    """
    lake = maker.lake({"silver.order_created_v1": [order(-1, LARGEST, items=items)]}, many)
    (chunk,) = lake.run("marts.orders_enriched", memory_mb=300, threads=2)
    assert chunk.failures == ()
    rows = lake.rows("marts.orders_enriched")
    assert len(rows) == 2_101
    # Of the equally dear items the first: p899 comes before any other of that price.
    assert {(row["item_count"], row["unit_count"], row["product_id"]) for row in rows} == {
        (1_000, 2_000, "p899" * 4)
    }


@contextmanager
def nothing_fails(lake: LocalLake, project: Project) -> Iterator[dict[str, list[dict[str, Any]]]]:
    """Every table, level by level; the rows of each."""
    made = {}
    for transform in project.transforms:
        for chunk in lake.run(transform.full_name):
            assert chunk.failures == (), transform.full_name
            broken = [c for part in chunk.parts for c in part.checks if c.severity == "blocking" and c.failed]
            assert broken == [], transform.full_name
        made[transform.full_name] = lake.rows(transform.full_name)
    yield made


def test_every_table_holds_the_ends_of_every_column(
    maker: Maker, project: Project, tables: Mapping[str, LakeTable]
) -> None:
    """No tenant-day is left out, each column of numbers is reached, and none leaves the bounds that the build found."""
    widths = Widths(tables)
    for transform in project.transforms:
        for view in transform.staging:
            widths.add(f"staging.{view.name}", dialect.parse(view.sql))
        widths.add(transform.full_name, dialect.parse(transform.sql))
    read = {
        name: tables[name] for transform in project.transforms for name in project.silver(transform.full_name)
    }
    rows = {
        name: [row for org in (ACME, GLOBEX) for day in DAYS for row in extreme_rows.rows(table, org, day)]
        for name, table in read.items()
    }
    with nothing_fails(maker.lake(rows), project) as made:
        for name, found in made.items():
            assert {row["org_id"] for row in found} == {ACME, GLOBEX}
            for column in tables[name].columns:
                if isinstance(column.type, Scalar) and column.type.name in NUMBERS:
                    held = [row[column.name] for row in found if row[column.name] is not None]
                    bounds = widths.columns(name)[column.name]
                    assert held, f"{name}.{column.name}"
                    assert isinstance(bounds, Range)
                    assert bounds.low <= min(held) <= max(held) <= bounds.high, f"{name}.{column.name}"
            ours = sorted(str({**row, "org_id": ""}) for row in found if row["org_id"] == ACME)
            theirs = sorted(str({**row, "org_id": ""}) for row in found if row["org_id"] == GLOBEX)
            assert ours == theirs, "the same rows for both tenants"
