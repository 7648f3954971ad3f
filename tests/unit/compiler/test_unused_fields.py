"""Fields that nothing reads: whatever reads one takes it off the list."""

from pathlib import Path
from typing import Any

import pytest

from millrace.compiler.unused_fields import unused
from millrace.contracts import registry
from millrace.contracts.contract import Contract
from millrace.warehouse import project
from millrace.warehouse.project import Project, Transform
from tests.support.contracts import SCHEMAS, contract, field

TABLE = "silver.thing_happened_v1"
VIEW = {"table": TABLE, "key": "user", "filter": "label <> 'x'", "features": [{"column": "amount"}]}


def thing(**custom: Any) -> Contract:
    fields = [field(name) for name in ("user", "label", "amount", "place")]
    return contract(*fields, field("secret", classification="restricted"), **custom)


def table(sql: str, **lineage: str) -> Project:
    sources: dict[str, tuple[tuple[str, str], ...]] = {
        name: ((TABLE, column),) for name, column in lineage.items()
    }
    made = Transform("marts", "things", sql, (TABLE,), (), "org", "hourly", "d", 0, tuple(lineage), sources)
    return Project([made], [])


def names(folder: Path, made: Contract, compiled: Project | None = None, views: Any = ()) -> list[str]:
    found = unused([made], compiled or Project([], []), views, folder)
    return [one.pointer.removeprefix("/data/payload/") for one in found]


def test_without_readers_all_are_listed_the_strictest_class_first(tmp_path: Path) -> None:
    assert names(tmp_path, thing()) == ["secret", "amount", "label", "place", "user"]


def test_a_table_reads_what_it_shows_and_what_chooses_its_rows(tmp_path: Path) -> None:
    sql = f"SELECT place FROM {TABLE} WHERE label = 'x' QUALIFY row_number() OVER (ORDER BY amount) = 1"
    assert names(tmp_path, thing(), table(sql, place="place")) == ["secret", "user"]


def test_features_and_keys_read_too(tmp_path: Path) -> None:
    assert names(tmp_path, thing(), views=[{"groups": [VIEW]}]) == ["secret", "place"]
    assert names(tmp_path, thing(userId="/data/payload/user")) == ["secret", "amount", "label", "place"]


def test_an_aggregate_reads_its_keys_and_measures(tmp_path: Path) -> None:
    folder = tmp_path / "aggregates"
    folder.mkdir()
    (folder / "things.yaml").write_text(
        "name: things\nversion: 1.0.0\ndescription: Things.\nowner: shop\nevents: [thing.happened]\n"
        "keys: {place: place}\nmeasures: [{name: things, measure: count}]\nwindow: 1h\n"
    )
    assert names(tmp_path, thing()) == ["secret", "amount", "label", "user"]


def test_what_only_the_platform_makes_is_left_out(tmp_path: Path) -> None:
    assert names(tmp_path, contract(field("amount"), derived=True)) == []
    assert names(tmp_path, contract(field("amount"))) == ["amount"]


@pytest.mark.usefixtures("bundle")
def test_of_this_checkout_what_is_read_is_not_listed() -> None:
    known = registry.load().contracts
    listed = {(one.contract, one.pointer) for one in unused(known, project.load(), (), SCHEMAS)}
    assert ("order.created.v1", "/data/metadata/shippingAddress/street") in listed
    for pointer in ("/data/payload/totalAmount", "/data/payload/orderId", "/data/payload/userId"):
        assert ("order.created.v1", pointer) not in listed
    assert not [contract for contract, _ in listed if contract == "transaction.created.v1"]
