"""Rows of silver as a shop would make them: late, sent twice under other event ids, with gaps; and a lake of them on disk."""

import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import duckdb

from millrace.contracts.columns import duckdb_type
from millrace.contracts.tables import LakeTable

Row = dict[str, Any]
Rows = dict[str, list[Row]]
START = datetime(2026, 11, 1, tzinfo=UTC)
DAYS = 4
_METHODS = ("credit_card", "debit_card", "crypto", None)
_PLACES = (("Lisbon", "Portugal"), ("Paris", "France"), ("Tehran", "Iran"), (None, None))


def generate(seed: int, transactions: int = 1_500, orders: int = 300) -> Rows:
    """Rows of every silver table that a model reads, for the tenants `org_acme` and `org_globex`.

    Both tenants use the same business ids, so that whatever mixes tenants gives other numbers.
    """
    rng = random.Random(seed)
    rows: Rows = {}
    for org in ("org_acme", "org_globex"):
        made = _Tenant(rng, org)
        tables: tuple[tuple[str, Iterator[Row]], ...] = (
            ("transaction_created_v1", made.transactions(transactions)),
            ("order_created_v1", made.orders(orders)),
            ("order_completed_v1", made.completed()),
            ("payment_captured_v1", made.payments(orders)),
            ("user_registered_v1", made.registered()),
            ("user_profile_updated_v1", made.updated()),
            ("product_updated_v1", made.products()),
            ("campaign_metrics_reported_v1", made.campaigns()),
        )
        for name, rows_of_table in tables:
            rows.setdefault(f"silver.{name}", []).extend(rows_of_table)
    for held in rows.values():
        rng.shuffle(held)
    return rows


class _Tenant:
    def __init__(self, rng: random.Random, org: str) -> None:
        self._rng, self._org = rng, org
        self._placed: list[Row] = []

    def _event(self, kind: str, at: datetime | None = None) -> Row:
        rng = self._rng
        # Some moments are shared, so that ties come up; some are a microsecond before midnight or a window.
        when = at or START + timedelta(seconds=rng.randrange(DAYS * 86_400 // 30) * 30)
        if at is None and rng.random() < 0.02:
            when = when.replace(minute=when.minute // 10 * 10, second=0) - timedelta(microseconds=1)
            when = max(when, START)
        late = rng.choice([0, 0, 0, 1, 30, 7_200, 200_000])
        return {
            "event_id": str(UUID(int=rng.getrandbits(128), version=4)),
            "event_time": when,
            "event_source": "shop",
            "org_id": self._org,
            "received_at": when + timedelta(seconds=late),
            "contract": f"{kind}/1.0.0",
        }

    def _again(self, row: Row, **changes: Any) -> Row:
        """The same business object, reported once more: another event, at the same moment or a later one."""
        shift = self._rng.choice([0, 0, 60, 3_600])
        at = row["event_time"] + timedelta(seconds=shift)
        return {**row, **self._event("again", at), **changes}

    def transactions(self, count: int) -> Iterator[Row]:
        rng = self._rng
        for number in range(count):
            city, country = rng.choice(_PLACES)
            amount = Decimal(rng.randrange(0, 60_000_000)) / 10_000
            row = {
                **self._event("transaction.created"),
                "transaction_id": f"txn_{number:06}",
                "user_id": (user := rng.randrange(40)),
                "user_key": str(user),
                "amount": amount,
                "merchant": rng.choice(["Nile", "Corner", "Ärger & Söhne", None]),
                "is_fraud": rng.choice([True, False, False, None]),
                "payment_method": rng.choice(_METHODS),
                "location": f"{city}, {country}" if city else None,
                "device_id": rng.choice([None, *(f"dev_{n}" for n in range(20))]),
                "city": city,
                "country": country,
                "amount_category": "large",
            }
            row |= {"timestamp": row["event_time"], "hour": row["event_time"].hour}
            day = row["event_time"].isoweekday()
            row |= {"day_of_week": day, "is_weekend": day > 5, "is_high_value": False}
            yield row
            if rng.random() < 0.1:
                yield self._again(row, amount=amount + 1, is_fraud=True)

    def orders(self, count: int) -> Iterator[Row]:
        rng = self._rng
        for number in range(count):
            items: list[Row] = [
                {
                    "product_id": f"prd_{rng.randrange(15)}",
                    "quantity": rng.randrange(1, 4),
                    "price": Decimal(rng.choice([5, 10, 10, 99_9950, 12_3450])) / 100,
                }
                for _ in range(rng.randrange(1, 5))
            ]
            total = sum((item["quantity"] * item["price"] for item in items), Decimal(0))
            row = {
                **self._event("order.created"),
                "order_id": f"ord_{number:05}",
                "user_id": f"usr_{rng.randrange(50)}",
                "items": items,
                # Half cents of either kind.
                "total_amount": total + Decimal(rng.choice(["0", "0.005", "0.015", "0.0049", "0.0051"])),
                "currency": rng.choice(["EUR", "EUR", "USD"]),
            }
            self._placed.append(row)
            yield row
            if rng.random() < 0.1:
                yield self._again(row, total_amount=row["total_amount"] + 1)

    def completed(self) -> Iterator[Row]:
        for row in self._placed:
            if self._rng.random() < 0.4:
                at = row["event_time"] + timedelta(hours=5)
                kept = {name: row[name] for name in ("order_id", "user_id", "total_amount", "currency")}
                yield {**self._event("order.completed", at), **kept, "completed_at": at}

    def payments(self, count: int) -> Iterator[Row]:
        rng = self._rng
        for number in range(count):
            row = {
                **self._event("payment.captured"),
                "payment_id": f"pay_{number:05}",
                "order_id": f"ord_{rng.randrange(count):05}",
                "user_id": rng.choice([None, f"usr_{rng.randrange(50)}"]),
                "amount": Decimal(rng.randrange(1, 9_999_999)) / 10_000,
                "currency": rng.choice(["EUR", "USD"]),
                "method": "card",
                "provider": "adyen",
            }
            yield {**row, "captured_at": row["event_time"]}
            if rng.random() < 0.1:
                yield self._again({**row, "captured_at": row["event_time"]}, amount=row["amount"] + 5)

    def registered(self) -> Iterator[Row]:
        for number in range(30):
            # Encrypted, as protect leaves them.
            held = {"email": f"enc_{number}", "registration_source": self._rng.choice(["ad", None])}
            yield {**self._event("user.registered"), "user_id": f"usr_{number}", **held}

    def updated(self) -> Iterator[Row]:
        rng = self._rng
        for _ in range(80):
            changed = {
                "segment": rng.choice(["vip", "new", "lapsed", None]),
                "country": rng.choice(["PT", None]),
            }
            consent = rng.choice([True, False, None])
            yield {
                **self._event("user.profile_updated"),
                "user_id": f"usr_{rng.randrange(45)}",
                **changed,
                "marketing_consent": consent,
            }

    def products(self) -> Iterator[Row]:
        rng = self._rng
        for _ in range(60):
            number = rng.randrange(12)
            yield {
                **self._event("product.updated"),
                "product_id": f"prd_{number}",
                "name": f"Thing {number}",
                "category": rng.choice(["toys", "books", "tools"]),
                "brand": rng.choice(["Acme", "Globex", None]),
                "price": Decimal(rng.randrange(100_000)) / 10_000,
                "currency": "EUR",
                "status": "active",
            }

    def campaigns(self) -> Iterator[Row]:
        rng = self._rng
        for day in range(DAYS):
            for hour in (*range(0, 24, 6), None):
                begin = START + timedelta(days=day, hours=hour or 0)
                if hour is None and rng.random() < 0.5:
                    continue
                end = begin + (timedelta(hours=6) if hour is not None else timedelta(days=1))
                for channel in ("search", "social"):
                    for _ in range(rng.choice([1, 1, 2])):
                        at = end + timedelta(seconds=rng.choice([5, 5, 90_000]))
                        yield {
                            **self._event("campaign.metrics_reported", at),
                            "campaign_id": f"cmp_{rng.randrange(2)}",
                            "channel": channel,
                            "period_start": begin,
                            "period_end": end,
                            "impressions": rng.randrange(1_000),
                            "clicks": rng.randrange(50),
                            "conversions": rng.choice([None, rng.randrange(5)]),
                            "spend": Decimal(rng.randrange(1_000_000)) / 10_000,
                            "revenue": rng.choice([None, Decimal(rng.randrange(9_000_000)) / 10_000]),
                            "currency": "EUR",
                        }


def load(
    connection: duckdb.DuckDBPyConnection,
    tables: Mapping[str, LakeTable],
    rows: Mapping[str, Sequence[Row]],
    at: Path,
) -> None:
    """Creates every silver table with the columns of its contract and puts the rows in.

    Args:
        connection: where to.
        tables: every contract.
        rows: by full name.
        at: a folder for a while.
    """
    connection.execute("SET TimeZone = 'UTC'; CREATE SCHEMA IF NOT EXISTS silver")
    for name, table in tables.items():
        if table.layer == "silver":
            columns = ", ".join(f'"{c.name}" {duckdb_type(c.type)}' for c in table.columns)
            connection.execute(f"CREATE OR REPLACE TABLE {name} ({columns})")
            if rows.get(name):
                path = at / f"{name}.ndjson"
                path.write_text("\n".join(json.dumps(row, default=str) for row in rows[name]))
                known = {c.name: duckdb_type(c.type) for c in table.columns}
                typed = ", ".join(f"'{column}': '{kind}'" for column, kind in known.items())
                connection.execute(
                    f"INSERT INTO {name} BY NAME SELECT * FROM read_json('{path}', format = 'newline_delimited',"
                    f" columns = {{{typed}}})"
                )


def latest(rows: Iterable[Row], *key: str) -> list[Row]:
    """The last report of each key in a tenant, by when it happened, then when it came, then its id."""
    newest: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        at = (row["org_id"], *(row[name] for name in key))
        kept = newest.get(at)
        if kept is None or _recency(row) > _recency(kept):
            newest[at] = row
    return list(newest.values())


def latest_of_day(rows: Iterable[Row], key: str) -> list[Row]:
    """The last report of each key in a tenant and UTC day."""
    return latest([{**row, "_day": row["event_time"].date()} for row in rows], key, "_day")


def _recency(row: Row) -> tuple[Any, ...]:
    return row["event_time"], row["received_at"], row["event_id"]
