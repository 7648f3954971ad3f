"""What a table's Iceberg schema says of its rows is what its contract says and a commit proves."""

from pathlib import Path

import pytest

from millrace.contracts.columns import Array, Column, Scalar
from millrace.contracts.registry import Registry
from millrace.contracts.tables import LakeTable
from millrace.iceberg import shape

KEYS = {
    "silver.order_created_v1": ("org_id", "event_time", "event_id"),
    "marts.fct_transactions": ("org_id", "event_time", "transaction_id"),
    "marts.orders_enriched": ("org_id", "id"),
    "marts.revenue_by_day": ("org_id", "day", "currency"),
    "gold.campaign_metrics_daily": ("org_id", "day", "campaign_id", "channel", "currency"),
    "ml_features.user_features": ("org_id", "user_id"),
    # A merchant may be null.
    "gold.merchant_10min": (),
}


@pytest.mark.parametrize("name", KEYS)
def test_the_key_of_a_table(bundle: Path, name: str) -> None:
    table = Registry(bundle).tables()[name]
    assert shape.key(table) == KEYS[name]
    schema = shape.schema(table, shape.never_null(table))
    assert schema.identifier_field_names() == set(KEYS[name])
    assert shape.schema(table, ()).identifier_field_ids == []


def test_what_may_be_required_and_what_identifies() -> None:
    def column(name: str, of: Scalar | Array, *, unique: bool = False) -> Column:
        return Column(name, None, of, True, "", unique=unique)

    org, items = column("org_id", Scalar("string")), column("items", Array(Scalar("string")))
    share, number = column("share", Scalar("double"), unique=True), column("n", Scalar("long"), unique=True)
    table = LakeTable("gold", "t", (org, items, share, number), "org", None, "hourly", "", "")
    assert shape.never_null(table) == {"org_id", "share", "n"}
    assert shape.key(table) == ("org_id", "n")
