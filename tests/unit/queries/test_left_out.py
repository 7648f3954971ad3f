"""Rows of people who have withdrawn what a query is for, or are restricted: in no table, view or document of raw, however it is asked."""

from pathlib import Path

import pytest

from millrace.access.actions import ALL_DATASETS
from millrace.contracts import registry
from millrace.core.table import Table
from millrace.privacy.suppressed import ANALYTICS
from millrace.queries.reader import Reader, operator
from millrace.queries.service import Limits, Queries
from millrace.warehouse import project
from millrace.warehouse.persons import RAW, person_columns
from tests.support.lake_queries import Files
from tests.support.queries import DiskTables, ask
from tests.support.stores import MemoryDynamoDB

# As the rows on disk have them, in columns of these names.
PEOPLE = frozenset(f"clear_org_a_{name}" for name in ("user_key", "user_id", "creator_id")) | {"u_org_a"}
# Tables whose users are numbers of their tenant have 1 and 2; whoever is 1 is left out.
NUMBERS = frozenset({"1"})


def reader(org: str, purpose: str = ANALYTICS) -> Reader:
    return Reader(org, "tester", frozenset({"query:run", ALL_DATASETS}), "u1", purpose)


@pytest.fixture(scope="module")
def asked(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Queries:
    assert (bundle / "contracts.json").exists()
    folder = tmp_path_factory.mktemp("lake")

    def left_out(org: str, purpose: str) -> frozenset[str]:
        return PEOPLE | NUMBERS if (org, purpose) == ("org_a", ANALYTICS) else frozenset()

    limits = Limits(1_000, 500, 100, threads=1, temp_dir=str(folder))
    metadata = Table(MemoryDynamoDB(), "Metadata")
    return Queries(DiskTables(folder), metadata, Files(folder), limits, lambda: None, left_out)


def count(asked: Queries, who: Reader, sql: str) -> int:
    ((found,),) = ask(asked, who, sql)["rows"]
    return int(found)


TABLES = (
    "silver.order_created_v1",
    "silver.payout_requested_v1",
    "silver.consent_granted_v1",
    "gold.user_1h",
    "marts.orders_enriched",
    "ml_features.user_features",
    "staging.stg_orders",
    "raw.events",
)


@pytest.mark.parametrize("table", TABLES)
def test_no_row_of_theirs_is_read(asked: Queries, table: str) -> None:
    whole = count(asked, reader("org_b"), f"SELECT count(*) FROM {table}")
    assert whole
    left = count(asked, reader("org_a"), f"SELECT count(*) FROM {table}")
    # A user who is a number has two rows a day; of those one is left.
    assert left < whole
    assert left in (0, whole // 2)
    assert count(asked, reader("org_a", "service"), f"SELECT count(*) FROM {table}") == whole
    assert count(asked, operator("org_a"), f"SELECT count(*) FROM {table}") == whole


@pytest.mark.parametrize(
    "sql",
    [
        "WITH o AS (SELECT * FROM {0}) SELECT count(*) FROM o",
        "SELECT count(*) FROM (SELECT order_id FROM {0}) AS s",
        "SELECT count(*) FROM {0} AS OF TIMESTAMP '2026-11-22'",
        "SELECT (SELECT count(*) FROM {0})",
    ],
)
def test_no_form_of_a_statement_brings_them_back(asked: Queries, sql: str) -> None:
    text = sql.format("silver.order_created_v1")
    assert count(asked, reader("org_b"), text) > 0
    assert count(asked, reader("org_a"), text) == 0


def test_tables_of_nobody_stay_whole(asked: Queries) -> None:
    sql = "SELECT count(*) FROM marts.revenue_by_day"
    assert count(asked, reader("org_a"), sql) == count(asked, reader("org_b"), sql) > 0


def test_every_table_with_a_users_id_is_known(bundle: Path) -> None:
    """A table that is added with such a column is left out of by its lineage alone."""
    tables, known = (
        registry.load(bundle).tables(),
        person_columns(registry.load(bundle), project.load(bundle)),
    )
    named = {
        name
        for name, table in tables.items()
        if any(column.name in ("user_id", "user_key") for column in table.columns)
    }
    assert named <= known.keys()
    assert known["marts.fct_transactions"] == ("user_id",)
    assert known["silver.payout_requested_v1"] == ("user_key", "creator_id")
    assert known[RAW] == ("user_id", "sealed_subject")
    assert "marts.revenue_by_day" not in known, "how many users there were is nobody's number"
