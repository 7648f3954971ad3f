"""What does not mean the same on DuckDB and Athena, for one tenant, at any time, does not compile."""

import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from millrace.compiler.warehouse import dialect
from millrace.compiler.warehouse.compile import compile_project
from millrace.compiler.warehouse.errors import WarehouseError
from millrace.compiler.warehouse.render import render
from millrace.contracts.tables import LakeTable
from millrace.warehouse.project import Project

pytestmark = pytest.mark.unit
ROOT = Path(__file__).parents[3]
TABLE = "{{ source('silver', 'payment_captured_v1') }}"
MODEL = "models/marts/revenue_by_day.sql"
# What that one is made of.
PARTS = {"revenue_by_day.sql", "stg_payments.sql"}
PARTS_TABLES = ("marts.revenue_by_day", "silver.payment_captured_v1")
REFUSED = {
    "median": (f"SELECT org_id, median(amount) AS m FROM {TABLE} GROUP BY org_id", "median is DuckDB's own"),
    "string_agg": (
        f"SELECT org_id, string_agg(currency, ',') AS m FROM {TABLE} GROUP BY org_id",
        "string_agg does not cross",
    ),
    "group by all": (f"SELECT org_id, count(amount) AS m FROM {TABLE} GROUP BY ALL", "GROUP BY ALL"),
    "exclude": (f"SELECT * EXCLUDE (amount) FROM {TABLE}", "EXCLUDE is DuckDB's own"),
    "star": (f"SELECT * FROM {TABLE}", "does not say which columns"),
    "star of a table": (f"SELECT p.* FROM {TABLE} AS p", "does not say which columns"),
    "whole division": (f"SELECT org_id, 7 // 2 AS m FROM {TABLE}", "// divides in DuckDB only"),
    "qualify": (
        f"SELECT org_id FROM {TABLE} QUALIFY row_number() OVER (PARTITION BY org_id ORDER BY amount) = 1",
        "Athena has no QUALIFY",
    ),
    "length of a list": (f"SELECT org_id, len(currency) AS m FROM {TABLE}", "ARRAY_LENGTH"),
    "a function of one engine": (
        f"SELECT org_id, damerau_levenshtein(currency, 'EUR') AS m FROM {TABLE}",
        "both engines",
    ),
    "clock": (f"SELECT org_id, now() AS m FROM {TABLE}", "no clock"),
    "moment": (f"SELECT org_id, current_timestamp AS m FROM {TABLE}", "no clock"),
    "today": (f"SELECT org_id, current_date AS m FROM {TABLE}", "no clock"),
    "chance": (f"SELECT org_id, random() AS m FROM {TABLE}", "no chance"),
    "limit": (f"SELECT org_id FROM {TABLE} LIMIT 5", "an engine's choice"),
    "rank without an order": (
        f"SELECT org_id, row_number() OVER (PARTITION BY org_id) AS m FROM {TABLE}",
        "a rank needs an order",
    ),
    "money as floats": (
        f"SELECT org_id, sum(CAST(amount AS DOUBLE)) AS m FROM {TABLE} GROUP BY org_id",
        "never added as floats",
    ),
    "average of money": (f"SELECT org_id, avg(amount) AS m FROM {TABLE} GROUP BY org_id", "avg adds floats"),
    "a join across tenants": (
        f"SELECT a.org_id FROM {TABLE} AS a JOIN {TABLE} AS b ON a.payment_id = b.payment_id",
        "a join has org_id = org_id",
    ),
    "a product of tables": (f"SELECT a.org_id FROM {TABLE} AS a, {TABLE} AS b", "a join has org_id = org_id"),
    "a choice among all tenants": (
        f"SELECT org_id FROM {TABLE} WHERE order_id IN (SELECT order_id FROM {TABLE})",
        "joins without org_id",
    ),
    "a look at all tenants": (
        f"SELECT org_id FROM {TABLE} AS a WHERE EXISTS (SELECT 1 FROM {TABLE} AS b WHERE a.order_id = b.order_id)",
        "joins without org_id",
    ),
    "a value of all tenants": (
        f"SELECT org_id, (SELECT MAX(amount) AS m FROM {TABLE} GROUP BY org_id) AS m FROM {TABLE}",
        "joins without org_id",
    ),
    "a total across tenants": (f"SELECT sum(amount) AS org_id FROM {TABLE}", "grouped by org_id"),
    "a window across tenants": (
        f"SELECT org_id, sum(amount) OVER (PARTITION BY currency) AS m FROM {TABLE}",
        "partitioned by org_id",
    ),
    "a maximum of a list that may hold nulls": (
        f"SELECT org_id, LIST_MAX(items) AS m FROM {TABLE}",
        "LIST_TRANSFORM to COALESCE",
    ),
    "a sum of a list of any type": (
        f"SELECT org_id, COALESCE(LIST_SUM(LIST_TRANSFORM(items, LAMBDA i : i.quantity)), 0) AS m FROM {TABLE}",
        "Athena adds in one type",
    ),
    "a sum of a list that may be empty": (
        f"SELECT org_id, LIST_SUM(LIST_TRANSFORM(items, LAMBDA i : CAST(i.n AS DECIMAL(38, 0)))) AS m FROM {TABLE}",
        "COALESCE(…, 0)",
    ),
    "no query": ("DELETE FROM silver.payment_captured_v1", "a transform is one SELECT"),
    "two queries": ("SELECT 1; SELECT 2", "a transform is one SELECT"),
    "no SQL": ("SELECT FROM WHERE", "DuckDB would not read it"),
    "an unknown transform": (
        "SELECT org_id FROM {{ ref('stg_nothing') }}",
        "no transform is called stg_nothing",
    ),
    "an unknown table": ("SELECT org_id FROM {{ source('silver', 'nothing_v1') }}", "is not a table"),
    "an unknown word": ("SELECT {{ env_var('HOME') }}", "'env_var' is undefined"),
    "an unknown variable": ("SELECT {{ var('nothing') }}", "no variable is called nothing"),
    "a way out of the sandbox": ("SELECT {{ ''.__class__.__mro__ }}", "unsafe"),
}


# What the refusals tell people to write, and what they write by habit.
ALLOWED = {
    "whole division": "SELECT t.org_id, CAST(FLOOR(7 / 2) AS BIGINT) AS n FROM silver.t AS t",
    "the first of a group": (
        "WITH ranked AS (SELECT org_id, a, ROW_NUMBER() OVER (PARTITION BY org_id, b ORDER BY event_time) AS n FROM silver.t)"
        " SELECT org_id, a FROM ranked WHERE n = 1"
    ),
    "the last value": "SELECT org_id, ARG_MAX(a, event_time) AS a, ARG_MIN(b, event_time) AS b FROM silver.t GROUP BY org_id",
    "different values": "SELECT org_id, COUNT(DISTINCT a) AS n FROM silver.t GROUP BY org_id",
    "items of a list": "SELECT org_id, LIST_TRANSFORM(LIST_FILTER(a, LAMBDA i : i > 1), LAMBDA i : i + 1) AS b FROM silver.t",
    "length of a list": "SELECT org_id, ARRAY_LENGTH(a) AS n FROM silver.t",
    "length of a text": "SELECT org_id, LENGTH(CAST(a AS VARCHAR)) AS n FROM silver.t",
    "a join": "SELECT a.org_id FROM silver.t AS a LEFT JOIN silver.u AS b ON a.org_id = b.org_id AND a.b = b.b",
    "a union": "SELECT org_id FROM silver.t UNION ALL SELECT org_id FROM silver.u",
    "a sum of some rows": "SELECT org_id, SUM(a) FILTER (WHERE b) AS n, COUNT(*) AS m FROM silver.t GROUP BY org_id",
    "a case": "SELECT org_id, CASE WHEN a > 1 THEN 'x' ELSE 'y' END AS c FROM silver.t",
    "a window": "SELECT org_id, SUM(a) OVER (PARTITION BY org_id ORDER BY event_time) AS n FROM silver.t",
}


@pytest.mark.parametrize("sql", ALLOWED.values(), ids=ALLOWED)
def test_what_the_refusals_tell_to_write_is_allowed(sql: str) -> None:
    query = dialect.parse(sql)
    assert dialect.problems(query) == []
    assert dialect.athena(query)


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return Path(shutil.copytree(ROOT / "warehouse", tmp_path / "warehouse"))


@pytest.fixture
def small(warehouse: Path) -> Path:
    """A warehouse of one table."""
    for path in (warehouse / "models").rglob("*.*"):
        if path.name not in PARTS:
            path.unlink()
    return warehouse


@pytest.fixture
def small_tables(tables: Mapping[str, LakeTable]) -> list[LakeTable]:
    return [tables[name] for name in PARTS_TABLES]


def test_the_small_warehouse_compiles(small: Path, small_tables: list[LakeTable]) -> None:
    assert len(compile_project(small, small_tables).transforms) == 1


@pytest.mark.parametrize("name", REFUSED)
def test_a_model_that_says_it_is_refused_by_name(
    name: str, small: Path, small_tables: list[LakeTable]
) -> None:
    sql, reason = REFUSED[name]
    (small / MODEL).write_text(sql)
    with pytest.raises(WarehouseError) as refused:
        compile_project(small, small_tables)
    assert any("revenue_by_day" in problem and reason in problem for problem in refused.value.problems), (
        refused.value
    )


def test_what_is_there_says_none_of_it() -> None:
    for model in render(ROOT / "warehouse"):
        assert dialect.problems(dialect.parse(model.sql)) == [], model.name


def change(warehouse: Path, old: str, new: str, model: str = MODEL) -> None:
    text = (warehouse / model).read_text()
    assert old in text
    (warehouse / model).write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (
            "COUNT(payment_id) AS payment_count",
            "COUNT(payment_id) AS payments",
            "payment_count is in the contract",
        ),
        (
            "COUNT(payment_id) AS payment_count",
            "CAST(COUNT(payment_id) AS INTEGER) AS payment_count",
            "payment_count is INTEGER, its contract says BIGINT",
        ),
        ("    currency,\n", "    currency, 'x' AS method,\n", "method is in the SQL"),
        ("    org_id,\n", "    org_id, amount_nobody_has,\n", "DuckDB refuses it"),
        ("cents('SUM(amount)', sum=true)", "cents('SUM(amount)')", r"it may be 1\.00e\+26"),
    ],
)
def test_a_model_keeps_its_contract(
    old: str, new: str, sentence: str, small: Path, small_tables: list[LakeTable]
) -> None:
    change(small, old, new)
    with pytest.raises(WarehouseError, match=sentence):
        compile_project(small, small_tables)


def test_rows_may_be_counted(small: Path, small_tables: list[LakeTable]) -> None:
    change(small, "COUNT(payment_id) AS payment_count", "COUNT(*) AS payment_count")
    (transform,) = compile_project(small, small_tables).transforms
    assert transform.lineage["payment_count"] == (("silver.payment_captured_v1", "org_id"),)


def test_a_check_that_duckdb_cannot_compute_is_refused(small: Path, small_tables: list[LakeTable]) -> None:
    wrong = {"type": "sql", "name": "odd", "query": "sum(nothing)"}
    tables = [
        replace(one, quality=(*one.quality, wrong)) if one.layer == "marts" else one for one in small_tables
    ]
    with pytest.raises(
        WarehouseError, match=r'the check odd cannot be computed: DuckDB refuses it: .*"nothing"'
    ):
        compile_project(small, tables)


def test_a_column_in_another_place_is_refused(small: Path, small_tables: list[LakeTable]) -> None:
    change(
        small,
        "    org_id,\n    CAST(event_time AS DATE) AS day,",
        "    CAST(event_time AS DATE) AS day,\n    org_id,",
    )
    with pytest.raises(WarehouseError, match="another place"):
        compile_project(small, small_tables)


def test_models_that_read_each_other_are_refused(warehouse: Path, tables: Mapping[str, LakeTable]) -> None:
    sql = "SELECT org_id FROM {{ ref('revenue_by_day') }}"
    (warehouse / "models/marts/fct_transactions.sql").write_text(sql)
    (warehouse / MODEL).write_text(sql.replace("revenue_by_day", "fct_transactions"))
    with pytest.raises(WarehouseError, match="it reads what is made of it"):
        compile_project(warehouse, tables.values())


def test_a_table_without_a_model_and_a_model_without_a_table_are_refused(
    warehouse: Path, tables: Mapping[str, LakeTable]
) -> None:
    (warehouse / MODEL).rename(warehouse / "models/marts/revenue_by_week.sql")
    with pytest.raises(WarehouseError) as refused:
        compile_project(warehouse, tables.values())
    assert (
        "marts.revenue_by_day: its contract has no transform: write warehouse/models/marts/revenue_by_day.sql"
        in refused.value.problems
    )
    assert (
        "marts.revenue_by_week: it has no contract: write schemas/tables/marts/revenue_by_week.yaml"
        in refused.value.problems
    )


def test_lineage_goes_through_staging_to_silver(project: Project) -> None:
    lineage = project.transform("marts.orders_enriched").lineage
    assert lineage["category"] == (("silver.product_updated_v1", "category"),)
    assert lineage["item_count"] == (("silver.order_created_v1", "items"),)
    assert ("silver.user_profile_updated_v1", "segment") in lineage["segment"]
    assert ("silver.order_created_v1", "total_amount") in lineage["total_amount_cents"]


def test_lineage_of_a_feature_goes_to_the_mart_it_reads(project: Project) -> None:
    lineage = project.transform("ml_features.merchant_features").lineage
    assert lineage["mean_amount_7d"] == (
        ("marts.fct_transactions", "amount"),
        ("marts.fct_transactions", "event_time"),
    )


def test_every_column_has_its_lineage(project: Project) -> None:
    for transform in project.transforms:
        assert tuple(transform.lineage) == transform.columns
        assert all(transform.lineage.values())


def test_an_edge_goes_with_its_column(warehouse: Path, tables: Mapping[str, LakeTable]) -> None:
    # Nothing of location but its text: then country comes from it no more.
    change(
        warehouse,
        "    country,\n    amount_category",
        "    city AS country,\n    amount_category",
        "models/staging/stg_transactions.sql",
    )
    project = compile_project(warehouse, tables.values())
    assert project.transform("gold.country_10min").lineage["country"] == (
        ("silver.transaction_created_v1", "city"),
    )


def test_a_definition_changes_with_what_makes_rows_and_not_with_words(
    warehouse: Path, project: Project, tables: Mapping[str, LakeTable]
) -> None:
    def definitions() -> dict[str, str]:
        return {m.full_name: m.definition for m in compile_project(warehouse, tables.values()).transforms}

    before = {transform.full_name: transform.definition for transform in project.transforms}
    change(warehouse, "-- Currencies are", "-- No currencies are")
    assert definitions() == before
    change(warehouse, "WHERE recency = 1", "WHERE recency <= 1", "models/staging/stg_transactions.sql")
    after = definitions()
    changed = {name for name in before if before[name] != after[name]}
    assert changed == {
        *("gold.country_10min", "gold.merchant_10min", "gold.payment_method_10min", "marts.fct_transactions"),
        # Made of what another definition makes.
        *("ml_features.merchant_features", "ml_features.user_features"),
    }


def test_levels_follow_what_transforms_read(project: Project) -> None:
    hourly, daily = project.levels({"hourly"}), project.levels({"hourly", "daily"})
    assert daily == (*hourly, ("ml_features.merchant_features", "ml_features.user_features"))
    assert project.silver("ml_features.user_features") == {
        *("silver.transaction_created_v1", "silver.order_created_v1", "silver.order_completed_v1")
    }


def test_exposures_name_what_they_read(project: Project) -> None:
    assert {one.label for one in project.exposures} == {"Revenue Overview", "Churn Prediction"}
    assert all("marts.revenue_by_day" in one.inputs for one in project.exposures)
