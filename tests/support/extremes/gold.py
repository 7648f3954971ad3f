"""What the tables behind silver say of the events, counted once more in plain Python from what was sent."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from millrace.contracts import columns
from millrace.contracts.registry import Registry
from millrace.warehouse import project
from tests.support.extremes.events import Made
from tests.support.extremes.places import expected_row

Row = dict[str, Any]
Rows = Mapping[str, Sequence[Row]]
Values = dict[tuple[Any, ...], dict[str, Any]]
_WINDOW = timedelta(minutes=10)


def check(tables: Rows, accepted: Iterable[Made], registry: Registry) -> Iterator[str]:
    """In a sentence each, where a table says something else.

    Args:
        tables: every row of the lake, by table.
        accepted: every accepted event, of every tenant.
        registry: the contracts.
    """
    silver: dict[str, list[Row]] = defaultdict(list)
    for made in accepted:
        silver[columns.table(made.contract)].append(expected_row(made))
    loaded = project.load()
    for name in registry.tables():
        if name.startswith("silver."):
            continue
        rows = tables.get(name, ())
        if name in _EXACTLY:
            key, wanted = _EXACTLY[name](silver)
            yield from _different(name, key, wanted, rows)
        read = {f"silver.{table}" for table, found in silver.items() if found}
        if not rows and read & set(loaded.transform(name).inputs):
            yield f"{name} has no row, and what it reads has"


def _different(name: str, key: tuple[str, ...], wanted: Values, rows: Sequence[Row]) -> Iterator[str]:
    existing: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        at = tuple(row[part] for part in key)
        if at in existing:
            yield f"{name} has {at} twice"
        existing[at] = row
    for at in sorted({*wanted, *existing}, key=repr):
        if at not in existing:
            yield f"{name} has no row of {at!r:.300}"
        elif at not in wanted:
            yield f"{name} has a row of {at!r:.300}, for which there is no event"
        else:
            for column, value in wanted[at].items():
                if existing[at][column] != value:
                    yield f"{name} says {column} {existing[at][column]!r} of {at!r:.300}, and it is {value!r}"


def _last(rows: Iterable[Row], *key: str) -> list[Row]:
    """Of each key the row that happened last, then the one of the greatest id: all were received at once."""
    kept: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        at = (row["org_id"], *(row[name] for name in key))
        if at not in kept or _recency(row) > _recency(kept[at]):
            kept[at] = row
    return list(kept.values())


def _recency(row: Row) -> tuple[datetime, bytes]:
    return row["event_time"], row["event_id"].encode()


def _days(rows: Iterable[Row]) -> list[Row]:
    return [{**row, "day": row["event_time"].astimezone(UTC).date()} for row in rows]


def _grouped(rows: Iterable[Row], *key: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in rows:
        groups[tuple(row[name] for name in key)].append(row)
    return groups


def _total(rows: Iterable[Row], column: str) -> Decimal:
    with localcontext(prec=60):
        return sum((row[column] or Decimal(0) for row in rows), Decimal(0))


def _cents(amount: Decimal) -> int:
    with localcontext(prec=60):
        return int((amount * 100).quantize(Decimal(1), rounding=ROUND_HALF_EVEN))


def _distinct(rows: Iterable[Row], column: str) -> int:
    return len({row[column] for row in rows} - {None})


def _transactions(silver: Rows) -> list[Row]:
    return _last(_days(silver.get("transaction_created_v1", ())), "transaction_id", "day")


def _fct_transactions(silver: Rows) -> tuple[tuple[str, ...], Values]:
    kept = ("event_id", "user_id", "amount", "merchant", "payment_method", "device_id", "city", "country", "hour", "is_fraud", "event_time")  # fmt: skip
    rows = {(r["org_id"], r["event_id"]): {name: r[name] for name in kept} for r in _transactions(silver)}
    return ("org_id", "event_id"), rows


def _windows(by: str) -> Callable[[Rows], tuple[tuple[str, ...], Values]]:
    def windows(silver: Rows) -> tuple[tuple[str, ...], Values]:
        epoch = datetime(1970, 1, 1, tzinfo=UTC)
        rows = [
            {**r, "window_start": epoch + (r["event_time"] - epoch) // _WINDOW * _WINDOW}
            for r in _transactions(silver)
        ]
        return ("org_id", "window_start", by), {
            at: {
                "window_end": at[1] + _WINDOW,
                "transaction_count": len(some),
                "revenue": _total(some, "amount"),
                "fraud_count": sum(r["is_fraud"] is True for r in some),
                "distinct_users": _distinct(some, "user_id"),
                "distinct_devices": _distinct(some, "device_id"),
            }
            for at, some in _grouped(rows, "org_id", "window_start", by).items()
        }

    return windows


def _revenue_by_day(silver: Rows) -> tuple[tuple[str, ...], Values]:
    rows = _last(_days(silver.get("payment_captured_v1", ())), "payment_id", "day")
    return ("org_id", "day", "currency"), {
        at: {
            "payment_count": len(some),
            "order_count": _distinct(some, "order_id"),
            "distinct_users": _distinct(some, "user_id"),
            "revenue": _total(some, "amount"),
            "revenue_cents": _cents(_total(some, "amount")),
        }
        for at, some in _grouped(rows, "org_id", "day", "currency").items()
    }


def _campaigns(silver: Rows) -> tuple[tuple[str, ...], Values]:
    rows = _last(
        silver.get("campaign_metrics_reported_v1", ()), "campaign_id", "channel", "period_start", "period_end"
    )
    rows = [{**r, "day": r["period_start"].astimezone(UTC).date(), "whole": r["period_end"] - r["period_start"] >= timedelta(days=1)} for r in rows]  # fmt: skip
    whole = {(r["org_id"], r["campaign_id"], r["channel"], r["day"]) for r in rows if r["whole"]}
    rows = [
        r for r in rows if r["whole"] or (r["org_id"], r["campaign_id"], r["channel"], r["day"]) not in whole
    ]
    return ("org_id", "day", "campaign_id", "channel", "currency"), {
        at: {
            **{name: sum(r[name] or 0 for r in some) for name in ("impressions", "clicks", "conversions")},
            **{name: _total(some, name) for name in ("spend", "revenue")},
        }
        for at, some in _grouped(rows, "org_id", "day", "campaign_id", "channel", "currency").items()
    }


def _orders(silver: Rows) -> list[Row]:
    completed = {
        (r["org_id"], r["order_id"]): r for r in _last(silver.get("order_completed_v1", ()), "order_id")
    }
    orders = []
    for row in _last(silver.get("order_created_v1", ()), "order_id"):
        end = completed.get((row["org_id"], row["order_id"]))
        orders.append(
            {**row, "total_amount": end["total_amount"], "currency": end["currency"]} if end else row
        )
    return orders


def _orders_enriched(silver: Rows) -> tuple[tuple[str, ...], Values]:
    rows = _orders(silver)
    spent = {
        at: _total(some, "total_amount")
        for at, some in _grouped(rows, "org_id", "user_id", "currency").items()
    }
    return ("org_id", "id"), {
        (r["org_id"], r["order_id"]): {
            "user_id": r["user_id"],
            "total_amount_cents": _cents(r["total_amount"]),
            "lifetime_value_cents": _cents(spent[r["org_id"], r["user_id"], r["currency"]]),
            "item_count": len(r["items"]),
            "unit_count": sum(item["quantity"] for item in r["items"]),
        }
        for r in rows
    }


def _user_features(silver: Rows) -> tuple[tuple[str, ...], Values]:
    orders = _grouped(_orders(silver), "org_id", "user_id")
    paid = _last(silver.get("transaction_created_v1", ()), "transaction_id")
    payers = _grouped([{**r, "user_id": str(r["user_id"])} for r in paid], "org_id", "user_id")
    by_user: Values = {}
    for at in {*orders, *payers}:
        of_user = orders.get(at, [])
        counts = Counter(r["currency"] for r in of_user)
        chosen = min(counts, key=lambda name: (-counts[name], name.encode()), default=None)
        by_user[at] = {
            "order_count": len(of_user),
            "lifetime_currency": chosen,
            "lifetime_value": _total([r for r in of_user if r["currency"] == chosen], "total_amount"),
            "last_transaction_at": max((r["event_time"] for r in payers.get(at, ())), default=None),
        }
    return ("org_id", "user_id"), by_user


def _merchant_features(silver: Rows) -> tuple[tuple[str, ...], Values]:
    rows = [
        r
        for r in _last(silver.get("transaction_created_v1", ()), "transaction_id")
        if r["merchant"] is not None
    ]
    return ("org_id", "merchant"), {
        at: {
            "distinct_users": _distinct(some, "user_id"),
            "last_transaction_at": max(r["event_time"] for r in some),
        }
        for at, some in _grouped(rows, "org_id", "merchant").items()
    }


# Those of which every row is counted again; of any other it is known that it has rows where what it reads has some.
_EXACTLY: dict[str, Callable[[Rows], tuple[tuple[str, ...], Values]]] = {
    "marts.fct_transactions": _fct_transactions,
    "gold.country_10min": _windows("country"),
    "gold.merchant_10min": _windows("merchant"),
    "gold.payment_method_10min": _windows("payment_method"),
    "marts.revenue_by_day": _revenue_by_day,
    "gold.campaign_metrics_daily": _campaigns,
    "marts.orders_enriched": _orders_enriched,
    "ml_features.user_features": _user_features,
    "ml_features.merchant_features": _merchant_features,
}
