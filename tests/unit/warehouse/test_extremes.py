"""The largest values that a contract lets in: none of them stops a tenant's tables."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from millrace.contracts.tables import LakeTable
from millrace.warehouse.project import Project
from tests.support import silver
from tests.support.local_lake import LocalLake

pytestmark = pytest.mark.unit

LARGEST = Decimal(10) ** 12
AT = datetime(2026, 11, 1, 10, tzinfo=UTC)


def order(number: int, total: Decimal) -> dict[str, Any]:
    return {
        "event_id": f"e{number}",
        "event_time": AT,
        "received_at": AT,
        "org_id": "org_acme",
        "order_id": f"ord_{number}",
        "user_id": f"usr_{number}",
        "items": [{"product_id": "p", "quantity": 1, "price": total}],
        "total_amount": total,
        "currency": "EUR",
    }


@pytest.mark.parametrize(
    ("total", "cents"),
    [
        (LARGEST, 10**14),
        (LARGEST - Decimal("0.0050"), 10**14),
        (LARGEST - Decimal("0.0150"), 10**14 - 2),
        (Decimal("0.0050"), 0),
        (Decimal(0), 0),
    ],
)
def test_cents_of_an_order(
    project: Project, tables: Mapping[str, LakeTable], tmp_path: Path, total: Decimal, cents: int
) -> None:
    lake, source = LocalLake(tmp_path, project, tables), duckdb.connect()
    silver.load(source, tables, {"silver.order_created_v1": [order(1, total)]}, tmp_path)
    lake.keep_silver(source)
    (chunk,) = lake.run("marts.orders_enriched")
    assert chunk.failures == ()
    (row,) = lake.rows("marts.orders_enriched")
    assert (row["total_amount_cents"], row["lifetime_value_cents"]) == (cents, cents)
