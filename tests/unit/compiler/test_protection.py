"""What is protected in silver is protected in what is made of it."""

from dataclasses import replace
from pathlib import Path

from millrace.compiler.warehouse.protection import exposed, weaker
from millrace.contracts import registry
from millrace.warehouse import project

SILVER, MART = "silver.user_registered_v1", "marts.fct_transactions"


def test_a_column_has_the_strictest_class_of_what_it_is_made_of(bundle: Path) -> None:
    tables = registry.load(bundle).tables()
    mart = tables[MART]
    ip, email, user = (SILVER, "meta_ip_address"), (SILVER, "email"), (SILVER, "user_id")
    said = list(weaker(mart, {"city": (user, ip), "country": (email, ip), "amount": (user,)}, tables))
    assert [sentence.split(" ", 1)[0] for sentence in said] == ["city", "country"]
    assert "confidential" in said[0]
    assert "restricted" in said[1]
    classified = [replace(c, classification="restricted") if c.name == "country" else c for c in mart.columns]
    assert list(weaker(replace(mart, columns=tuple(classified)), {"country": (email, ip)}, tables)) == []


def test_a_view_without_classes_is_made_of_nothing_protected(bundle: Path) -> None:
    tables = registry.load(bundle).tables()
    (sentence,) = exposed({"a": ((SILVER, "email"),), "b": ((SILVER, "user_id"),)}, tables)
    assert sentence.startswith("a is made of silver.user_registered_v1.email, which is restricted")


def test_the_warehouse_keeps_every_class(bundle: Path) -> None:
    tables = registry.load(bundle).tables()
    transforms = project.load(bundle).transforms
    assert transforms
    for transform in transforms:
        assert list(weaker(tables[transform.full_name], transform.lineage, tables)) == []
