"""Every table against a plain Python oracle that knows nothing of its SQL."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from typing import Any

import duckdb
import pytest

from millrace.contracts.tables import LakeTable
from millrace.runs.documents import TableChunk
from millrace.warehouse.project import Project
from tests.support.local_lake import LocalLake
from tests.support.silver import Row, Rows, latest, latest_of_day

pytestmark = pytest.mark.unit


def cents(amount: Decimal) -> int:
    return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def money(amount: Decimal | float) -> Decimal:
    return Decimal(amount).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)


MEANS = ("average_amount", "mean_amount_", "cost_per_")
STEP = Decimal("0.0001")


def same(found: Iterable[Row], wanted: Iterable[Row]) -> None:
    """Equal rows in any order. Means may round a tie to either side: they come of one division of exact sums."""

    def is_mean(name: str) -> bool:
        return name.startswith(MEANS)

    def key(row: Row) -> tuple[tuple[str, str], ...]:
        return tuple(sorted((name, shown(value)) for name, value in row.items() if not is_mean(name)))

    def shown(value: Any) -> str:
        # Decimals by value, rates to the precision of a float.
        if isinstance(value, float):
            return f"{value:.12g}"
        return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)

    left, right = (
        sorted(((key(row), row) for row in rows), key=lambda one: one[0]) for rows in (found, wanted)
    )
    assert len(left) == len(right)
    pairs = list(zip(left, right, strict=True))
    assert [(ours, theirs) for ours, theirs in pairs if ours[0] != theirs[0]][:2] == []
    for (_, ours), (_, theirs) in pairs:
        for name in filter(is_mean, theirs):
            if theirs[name] is None:
                assert ours[name] is None, name
            else:
                assert abs(ours[name] - theirs[name]) <= STEP, name


def test_fct_transactions(lake: LocalLake, rows: Rows, tables: Mapping[str, LakeTable]) -> None:
    columns = [column.name for column in tables["marts.fct_transactions"].columns]
    wanted = [
        {name: row["timestamp" if name == "charged_at" else name] for name in columns}
        for row in latest_of_day(rows["silver.transaction_created_v1"], "transaction_id")
    ]
    assert len(wanted) < len(rows["silver.transaction_created_v1"])
    same(lake.rows("marts.fct_transactions"), wanted)


@pytest.mark.parametrize("key", ["merchant", "payment_method", "country"])
def test_windows_of_ten_minutes(lake: LocalLake, rows: Rows, key: str) -> None:
    windows: dict[tuple[str, datetime, Any], list[Row]] = defaultdict(list)
    for row in latest_of_day(rows["silver.transaction_created_v1"], "transaction_id"):
        at = row["event_time"]
        start = at.replace(minute=at.minute // 10 * 10, second=0, microsecond=0)
        windows[row["org_id"], start, row[key]].append(row)
    wanted = [
        {
            "org_id": org,
            "window_start": start,
            "window_end": start + timedelta(minutes=10),
            key: value,
            "transaction_count": len(held),
            "revenue": sum(row["amount"] for row in held),
            "average_amount": money(sum(row["amount"] for row in held) / len(held)),
            "fraud_count": sum(row["is_fraud"] is True for row in held),
            "fraud_rate": sum(row["is_fraud"] is True for row in held) / len(held),
            "distinct_users": len({row["user_id"] for row in held}),
            "distinct_devices": len({row["device_id"] for row in held} - {None}),
        }
        for (org, start, value), held in windows.items()
    ]
    same(lake.rows(f"gold.{key}_10min"), wanted)


def test_revenue_by_day(lake: LocalLake, rows: Rows) -> None:
    days: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in latest_of_day(rows["silver.payment_captured_v1"], "payment_id"):
        days[row["org_id"], row["event_time"].date(), row["currency"]].append(row)
    wanted = [
        {
            "org_id": org,
            "day": day,
            "currency": currency,
            "payment_count": len(held),
            "order_count": len({row["order_id"] for row in held}),
            "distinct_users": len({row["user_id"] for row in held} - {None}),
            "revenue": sum(row["amount"] for row in held),
            "revenue_cents": cents(sum((row["amount"] for row in held), Decimal(0))),
            "average_amount": money(sum(row["amount"] for row in held) / len(held)),
        }
        for (org, day, currency), held in days.items()
    ]
    same(lake.rows("marts.revenue_by_day"), wanted)


def current_orders(rows: Rows) -> list[Row]:
    completed = {
        (r["org_id"], r["order_id"]): r for r in latest(rows["silver.order_completed_v1"], "order_id")
    }
    found = []
    for order in latest(rows["silver.order_created_v1"], "order_id"):
        done = completed.get((order["org_id"], order["order_id"]))
        found.append({**order, "total_amount": (done or order)["total_amount"], "done": done})
    return found


def test_orders_enriched(lake: LocalLake, rows: Rows) -> None:
    segments: dict[tuple[str, str], str] = {}
    with_segment = [r for r in rows["silver.user_profile_updated_v1"] if r["segment"] is not None]
    for row in latest(with_segment, "user_id"):
        segments[row["org_id"], row["user_id"]] = row["segment"]
    products = {
        (r["org_id"], r["product_id"]): r for r in latest(rows["silver.product_updated_v1"], "product_id")
    }
    orders = current_orders(rows)
    spent: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for order in orders:
        spent[order["org_id"], order["user_id"], order["currency"]] += order["total_amount"]
    wanted = []
    for order in orders:
        org, user = order["org_id"], order["user_id"]
        # `max` keeps the first of equals.
        top = max(order["items"], key=lambda item: item["quantity"] * item["price"])["product_id"]
        product = products.get((org, top), {})
        wanted.append(
            {
                "org_id": org,
                "id": order["order_id"],
                "created_at": order["event_time"],
                "total_amount_cents": cents(order["total_amount"]),
                "currency": order["currency"],
                "status": "completed" if order["done"] else "created",
                "completed_at": order["done"]["completed_at"] if order["done"] else None,
                "user_id": user,
                "segment": segments.get((org, user)),
                "lifetime_value_cents": cents(spent[org, user, order["currency"]]),
                "product_id": top,
                "category": product.get("category"),
                "brand": product.get("brand"),
                "item_count": len(order["items"]),
                "unit_count": sum(item["quantity"] for item in order["items"]),
                "lifetime_value": spent[org, user, order["currency"]],
            }
        )
    assert {None} < {row["segment"] for row in wanted}
    assert {None} < {row["category"] for row in wanted}
    same(lake.rows("marts.orders_enriched"), wanted)


def test_campaign_metrics_daily(lake: LocalLake, rows: Rows) -> None:
    reports = latest(
        rows["silver.campaign_metrics_reported_v1"], "campaign_id", "channel", "period_start", "period_end"
    )
    days: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in reports:
        days[row["org_id"], row["period_start"].date(), row["campaign_id"], row["channel"]].append(row)
    wanted = []
    for (org, day, campaign, channel), found in days.items():
        whole = [r for r in found if r["period_end"] - r["period_start"] >= timedelta(days=1)]
        held = whole or found
        shown, clicks = sum(r["impressions"] for r in held), sum(r["clicks"] for r in held)
        conversions = sum(r["conversions"] or 0 for r in held)
        spend = sum((r["spend"] for r in held), Decimal(0))
        revenue = sum((r["revenue"] or Decimal(0) for r in held), Decimal(0))
        wanted.append(
            {
                "org_id": org,
                "day": day,
                "campaign_id": campaign,
                "channel": channel,
                "currency": "EUR",
                "impressions": shown,
                "clicks": clicks,
                "conversions": conversions,
                "spend": spend,
                "revenue": revenue,
                "click_through_rate": clicks / shown if shown else None,
                "conversion_rate": conversions / clicks if clicks else None,
                "cost_per_click": money(spend / clicks) if clicks else None,
                "cost_per_mille": money(spend * 1000 / shown) if shown else None,
                "cost_per_conversion": money(spend / conversions) if conversions else None,
                "return_on_spend": float(revenue) / float(spend) if spend else None,
            }
        )
    assert len(wanted) < len(reports)
    same(lake.rows("gold.campaign_metrics_daily"), wanted)


def trailing(held: list[Row], as_of: datetime) -> Row:
    found: Row = {}
    for days in (1, 7, 30):
        recent = [row["amount"] for row in held if row["event_time"] > as_of - timedelta(days=days)]
        found[f"transaction_count_{days}d"] = len(recent)
        found[f"mean_amount_{days}d"] = money(sum(recent) / len(recent)) if recent else None
    return found


def by_user(found: Iterable[Row], name: Callable[[Row], str]) -> dict[tuple[str, str], list[Row]]:
    users: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in found:
        users[row["org_id"], name(row)].append(row)
    return users


def test_user_features(lake: LocalLake, rows: Rows) -> None:
    transactions = latest(rows["silver.transaction_created_v1"], "transaction_id")
    orders = current_orders(rows)
    newest: dict[str, datetime] = {}
    for row in [*transactions, *orders]:
        newest[row["org_id"]] = max(newest.get(row["org_id"], START_OF_TIME), row["event_time"])
    paid, ordered = (
        by_user(transactions, lambda r: str(r["user_id"])),
        by_user(orders, lambda r: r["user_id"]),
    )
    wanted = []
    for org, user in {*paid, *ordered}:
        held, placed = paid.get((org, user), []), ordered.get((org, user), [])
        currencies = sorted(
            {order["currency"] for order in placed},
            key=lambda one: (-sum(order["currency"] == one for order in placed), one),
        )
        main = currencies[0] if currencies else None
        wanted.append(
            {
                "org_id": org,
                "user_id": user,
                "as_of": newest[org],
                "lifetime_value": sum(
                    (o["total_amount"] for o in placed if o["currency"] == main), Decimal(0)
                ),
                "lifetime_currency": main,
                "order_count": len(placed),
                **trailing(held, newest[org]),
                "last_transaction_at": max((row["event_time"] for row in held), default=None),
            }
        )
    same(lake.rows("ml_features.user_features"), wanted)


START_OF_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def test_merchant_features(lake: LocalLake, rows: Rows) -> None:
    transactions = latest(rows["silver.transaction_created_v1"], "transaction_id")
    newest: dict[str, datetime] = {}
    for row in transactions:
        newest[row["org_id"]] = max(newest.get(row["org_id"], START_OF_TIME), row["event_time"])
    wanted = [
        {
            "org_id": org,
            "merchant": merchant,
            "as_of": newest[org],
            **trailing(held, newest[org]),
            "fraud_rate": sum(row["is_fraud"] is True for row in held) / len(held),
            "distinct_users": len({row["user_id"] for row in held}),
            "last_transaction_at": max(row["event_time"] for row in held),
        }
        for (org, merchant), held in by_user(
            [row for row in transactions if row["merchant"] is not None], lambda r: r["merchant"]
        ).items()
    ]
    same(lake.rows("ml_features.merchant_features"), wanted)


def test_tenant_by_tenant_and_day_by_day_is_all_at_once(
    lake: LocalLake, loaded: duckdb.DuckDBPyConnection, project: Project
) -> None:
    database = loaded.cursor()
    database.execute("SET TimeZone = 'UTC'; CREATE SCHEMA IF NOT EXISTS staging")
    for transform in project.transforms:
        for view in transform.staging:
            database.execute(f"CREATE OR REPLACE VIEW staging.{view.name} AS {view.sql}")
        database.execute(f"CREATE SCHEMA IF NOT EXISTS {transform.layer}")
        database.execute(f"CREATE OR REPLACE TABLE {transform.full_name} AS {transform.sql}")
        found = database.execute(f"SELECT * FROM {transform.full_name}")
        names = [column[0] for column in found.description]
        whole = [dict(zip(names, row, strict=True)) for row in found.fetchall()]
        assert whole
        same(lake.rows(transform.full_name), whole)


def test_money_is_decimal_in_what_is_written(lake: LocalLake, tables: Mapping[str, LakeTable]) -> None:
    for name in ("gold.merchant_10min", "marts.revenue_by_day", "gold.campaign_metrics_daily"):
        for column in ("revenue",):
            assert {type(row[column]) for row in lake.rows(name)} == {Decimal}


def test_every_check_passes_on_what_the_transforms_make(lake: LocalLake, project: Project) -> None:
    for transform in project.transforms:
        made: list[TableChunk] = lake.run(transform.full_name)
        checks = [check for chunk in made for part in chunk.parts for check in part.checks]
        assert checks
        assert {check.check for check in checks if check.failed} <= {"freshness"}
