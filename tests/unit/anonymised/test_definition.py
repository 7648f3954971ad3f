"""Declarations of tables about nobody: what is taken, and each thing that is refused with its place."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.anonymised.definition import Anonymised
from millrace.anonymised.period import parse
from millrace.compiler.anonymised import compile_anonymised
from millrace.compiler.event_contracts import compile_contracts
from millrace.compiler.table_contracts import compile_tables
from millrace.contracts.errors import ContractError
from millrace.contracts.tables import LakeTable, silver_table

SCHEMAS = Path(__file__).parents[3] / "schemas"
SHIPPED = SCHEMAS / "anonymised" / "orders_by_month.yaml"


@pytest.fixture(scope="module")
def lake() -> list[LakeTable]:
    return [*map(silver_table, compile_contracts(SCHEMAS)), *compile_tables(SCHEMAS)]


def compiled(folder: Path, lake: list[LakeTable], *documents: dict[str, Any]) -> list[dict[str, Any]]:
    (folder / "anonymised").mkdir()
    for one in documents:
        (folder / "anonymised" / f"{one['name']}.yaml").write_text(yaml.safe_dump(one))
    return compile_anonymised(folder, lake)


def shipped(**changes: Any) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load(SHIPPED.read_text())
    return {**document, **changes}


def test_the_bundle_holds_what_was_declared(tmp_path: Path, lake: list[LakeTable]) -> None:
    (document,) = compiled(tmp_path, lake, shipped())
    read = Anonymised.of_json(document)
    assert read.columns == {"user_id", "created_at", "currency", "category", "item_count", "unit_count"}
    assert (read.k, read.dimensions[2].buckets, read.measures[1].column) == (10, (1, 2, 5, 10), "unit_count")
    assert Anonymised.of_json(read.to_json()) == read


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        ({"k": 9}, "/k", "10"),
        ({"source": "marts.orders_enrichd"}, "/source", "orders_enriched"),
        ({"subject": "user"}, "/subject", "no column user"),
        ({"period": {"column": "currency", "each": "month"}}, "/period/column", "is no time"),
        (
            {"dimensions": [{"name": "user", "column": "user_id", "keep": 5}]},
            "/dimensions/0/column",
            "person",
        ),
        ({"dimensions": [{"name": "a", "column": "currency"}]}, "/dimensions/0", "in one way"),
        (
            {"dimensions": [{"name": "a", "column": "item_count", "buckets": [5, 2]}]},
            "/dimensions/0/buckets",
            "that grow",
        ),
        (
            {"dimensions": [{"name": "a", "column": "currency", "buckets": [5]}]},
            "/dimensions/0/column",
            "is no number",
        ),
        ({"measures": [{"name": "a", "measure": "sum"}]}, "/measures/0", "a sum has a column"),
        (
            {"measures": [{"name": "a", "measure": "sum", "column": "currency"}]},
            "/measures/0/column",
            "is no number",
        ),
        ({"measures": [{"name": "currency", "measure": "rows"}]}, "/dimensions", "a name each"),
    ],
)
def test_what_would_tell_of_somebody_or_nothing_is_refused(
    tmp_path: Path, lake: list[LakeTable], changes: dict[str, Any], place: str, said: str
) -> None:
    with pytest.raises(ContractError) as raised:
        compiled(tmp_path, lake, shipped(**changes))
    assert any(one.pointer == place and said in one.sentence for one in raised.value.problems), raised.value


def test_a_protected_column_is_told_of_in_no_group(tmp_path: Path, lake: list[LakeTable]) -> None:
    column = {"name": "ip", "column": "meta_ip_address", "keep": 5}
    document = shipped(
        source="silver.user_registered_v1",
        period={"column": "event_time", "each": "month"},
        dimensions=[column],
        measures=[{"name": "users", "measure": "rows"}],
    )
    with pytest.raises(ContractError, match="no group of it is told of"):
        compiled(tmp_path, lake, document)


def test_two_groupings_of_the_same_rows_are_refused(tmp_path: Path, lake: list[LakeTable]) -> None:
    with pytest.raises(ContractError, match="is grouped by"):
        compiled(tmp_path, lake, shipped(), shipped(name="orders_otherwise"))


@pytest.mark.parametrize(
    ("each", "text", "begins", "ends"),
    [
        ("month", "2026-12", "2026-12-01", "2027-01-01"),
        ("quarter", "2026-Q4", "2026-10-01", "2027-01-01"),
        ("quarter", "2026-Q1", "2026-01-01", "2026-04-01"),
        ("year", "2026", "2026-01-01", "2027-01-01"),
    ],
)
def test_periods(each: Any, text: str, begins: str, ends: str) -> None:
    found = parse(each, text)
    assert (found.begins.date().isoformat(), found.ends.date().isoformat()) == (begins, ends)
