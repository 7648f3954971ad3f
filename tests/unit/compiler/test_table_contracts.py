"""Table contracts: what compiles, what is refused and where, what breaks readers."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from millrace.compiler.diff import gate_tables
from millrace.compiler.table_contracts import compile_table, compile_tables
from millrace.contracts import tables
from millrace.contracts.errors import ContractError
from millrace.contracts.tables import LakeTable
from millrace.quality.checks import checks_of

pytestmark = pytest.mark.unit
SCHEMAS = Path(__file__).parents[3] / "schemas"
DOCUMENT: dict[str, Any] = yaml.safe_load((SCHEMAS / "tables/marts/revenue_by_day.yaml").read_text())
Change = Callable[[dict[str, Any]], Any]


def changed(change: Change) -> dict[str, Any]:
    document = deepcopy(DOCUMENT)
    change(document)
    return document


def column(document: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(c for c in document["schema"][0]["properties"] if c["name"] == name)
    return found


def test_every_table_of_the_checkout_compiles_and_its_checks_are_understood() -> None:
    contracts = compile_tables(SCHEMAS)
    assert {"gold.merchant_10min", "marts.orders_enriched", "ml_features.user_features"} <= {
        table.full_name for table in contracts
    }
    for table in contracts:
        assert table.freshness_hours == (2.0, 4.0)
        assert {check.name for check in checks_of(table)} > {"not_null(org_id)"}


def test_a_table_goes_through_the_bundle_unchanged() -> None:
    for table in compile_tables(SCHEMAS):
        read = tables.from_json(tables.to_json(table))
        assert read == table
        assert [c.schema for c in read.columns] == [c.schema for c in table.columns]


def test_a_sum_is_not_held_to_the_bounds_of_one_amount() -> None:
    table = compile_table(DOCUMENT, "f")
    (revenue,) = (c for c in table.columns if c.name == "revenue")
    assert revenue.schema["minimum"] == 0
    assert "maximum" not in revenue.schema


@pytest.mark.parametrize(
    ("change", "pointer", "sentence"),
    [
        (lambda d: d.update(colour="red"), "", "the standard has no colour here"),
        (lambda d: d.update(id="silver.revenue_by_day"), "/id", "the layer one of gold, marts, ml_features"),
        (lambda d: d.update(name="revenue"), "/id", "the id is <layer>.<name>"),
        (lambda d: d.update(version="1"), "/version", "major.minor.patch"),
        (lambda d: d.pop("team"), "/team", "somebody answers for a table"),
        (lambda d: d["description"].pop("purpose"), "/description", "a table says what its rows are"),
        (lambda d: d["schema"].append(d["schema"][0]), "/schema", "is one object"),
        (lambda d: column(d, "day").pop("description"), "/schema/0/properties/1", "day says what it is"),
        (
            lambda d: column(d, "currency").update(name="theCurrency"),
            "/schema/0/properties/2/name",
            "snake case",
        ),
        (
            lambda d: column(d, "org_id").update(required=False),
            "/schema/0/properties",
            "a table has the tenant",
        ),
        (lambda d: column(d, "revenue").update(logicalType="money"), "", "money"),
        (
            lambda d: column(d, "revenue").update(physicalType="decimal(9,2)"),
            "/schema/0/properties/6/physicalType",
            "decimal(18,4) or double",
        ),
        (
            lambda d: column(d, "order_count").update(physicalType="decimal(20,0)"),
            "/schema/0/properties/4/physicalType",
            "an integer has a format, or is decimal(38,0)",
        ),
        (lambda d: d["customProperties"].pop(0), "/customProperties", "a table has a grain: day or org"),
        (lambda d: d["customProperties"].pop(1), "/customProperties", "names a required timestamp or date"),
        (
            lambda d: d["customProperties"].pop(2),
            "/customProperties",
            "a table has a refresh: hourly or daily",
        ),
        (
            lambda d: d["customProperties"][0].update(value="org"),
            "/customProperties",
            "a table of grain org has no days",
        ),
        (
            lambda d: d["customProperties"].append({"property": "colour", "value": "red"}),
            "/customProperties/3/property",
            "colour is none of grain, time, refresh",
        ),
        (
            lambda d: d["customProperties"].append({"property": "grain", "value": "org"}),
            "/customProperties/3/property",
            "grain stands here twice",
        ),
        (lambda d: d["slaProperties"][0].update(valueExt=1), "/slaProperties/0", "value warns"),
        (lambda d: d["slaProperties"][0].update(unit="d"), "/slaProperties/0", "hours (unit h)"),
    ],
)
def test_a_fault_is_named_where_it_stands(change: Change, pointer: str, sentence: str) -> None:
    with pytest.raises(ContractError) as refused:
        compile_table(changed(change), "tables/marts/revenue_by_day.yaml")
    told = [(problem.pointer, str(problem)) for problem in refused.value.problems]
    assert any(at.startswith(pointer) and sentence in said for at, said in told), told


def test_a_file_lies_where_its_id_says(tmp_path: Path) -> None:
    path = tmp_path / "tables" / "gold" / "revenue_by_day.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(DOCUMENT))
    with pytest.raises(ContractError, match=r"this file is tables/marts/revenue_by_day\.yaml"):
        compile_tables(tmp_path)


def compiled(change: Change) -> LakeTable:
    return compile_table(changed(change), "f")


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (lambda d: None, []),
        (lambda d: column(d, "distinct_users").update(description="Other words."), []),
        (
            lambda d: d["schema"][0]["properties"].append(
                {"name": "more", "logicalType": "string", "description": "New."}
            ),
            [],
        ),
        (
            lambda d: d["schema"][0]["properties"].remove(column(d, "order_count")),
            [("/order_count", "removed")],
        ),
        (
            lambda d: column(d, "order_count").update(logicalType="string", logicalTypeOptions={}),
            [("/order_count", "retyped")],
        ),
        (lambda d: column(d, "average_amount").update(physicalType="decimal(38,4)"), []),
        (lambda d: column(d, "order_count").update(physicalType="decimal(38,0)"), []),
        (
            lambda d: column(d, "revenue").update(physicalType="decimal(18,4)"),
            [("/revenue", "retyped")],
        ),
        (
            lambda d: column(d, "average_amount").update(logicalType="integer", physicalType="decimal(38,0)"),
            [("/average_amount", "retyped")],
        ),
        (
            lambda d: d.update(
                customProperties=[
                    {"property": "grain", "value": "org"},
                    {"property": "refresh", "value": "hourly"},
                ]
            ),
            [("/grain", "access")],
        ),
    ],
)
def test_what_takes_something_from_readers_is_breaking(change: Change, wanted: list[tuple[str, str]]) -> None:
    found = gate_tables([compile_table(DOCUMENT, "f")], [compiled(change)])
    assert [(reason.pointer, reason.kind) for reason in found] == wanted


def test_a_table_that_goes_is_breaking() -> None:
    (found,) = gate_tables([compile_table(DOCUMENT, "f")], [])
    assert (found.contract, found.kind) == ("marts.revenue_by_day", "removed")
