"""Of a protected field nothing is promised once it is stored but that it is a text."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from millrace.contracts import columns, registry
from millrace.contracts.stored_form import stored
from millrace.quality import checks


def test_a_protected_field_is_any_text_and_the_others_stay(bundle: Path) -> None:
    contract = registry.load().find("user.registered")
    before, after = (
        one.data_schema["properties"]["payload"]["properties"] for one in (contract, stored(contract))
    )
    assert before["email"].keys() > {"type", "pattern"}
    assert after["email"].keys() <= {"type", "description"}
    assert {
        name: part for name, part in before.items() if name not in after or after[name] != part
    }.keys() == {
        pointer.rpartition("/")[2]
        for pointer, name in contract.classification.items()
        if name in ("confidential", "restricted") and pointer.startswith("/data/payload/")
    } | {"userId"}
    assert before == contract.data_schema["properties"]["payload"]["properties"], (
        "the contract is not changed"
    )


def test_items_and_nulls_and_moments(bundle: Path) -> None:
    contract = registry.load().find("user.registered")
    schema = {
        "type": "object",
        "properties": {
            "payload": {
                "type": "object",
                "properties": {
                    "at": {"type": ["string", "null"], "format": "date-time"},
                    "phones": {"type": "array", "maxItems": 3, "items": {"type": "string", "minLength": 9}},
                },
            }
        },
    }
    made = stored(
        replace(
            contract,
            data_schema=schema,
            silver=(),
            classification={"/data/payload/at": "confidential", "/data/payload/phones/*": "restricted"},
        )
    )
    assert made.data_schema["properties"]["payload"]["properties"] == {
        "at": {"type": ["string", "null"]},
        "phones": {"type": "array", "maxItems": 3, "items": {"type": "string"}},
    }
    types = {column.name: columns.glue_type(column.type) for column in columns.columns(made)}
    assert (types["at"], types["phones"]) == ("string", "array<string>")


def test_a_contract_that_protects_nothing_and_names_nobody_is_itself(bundle: Path) -> None:
    contract = registry.load().find("inventory.adjusted")
    assert stored(contract) is contract


@pytest.mark.parametrize(
    ("field", "made"),
    [
        (
            {"type": "string", "pattern": "^usr_", "maxLength": 9, "description": "Who."},
            {"type": "string", "description": "Who."},
        ),
        ({"type": ["string", "null"], "enum": ["a", None]}, {"type": ["string", "null"]}),
        (
            {"type": "integer", "minimum": 1, "maximum": 9},
            {"type": "integer", "minimum": 0, "maximum": 2**53 - 1},
        ),
        (
            {"type": "integer", "minimum": -5, "maximum": 2**62},
            {"type": "integer", "minimum": -5, "maximum": 2**62},
        ),
    ],
)
def test_in_place_of_a_users_id_stands_any_number_of_a_person(
    bundle: Path, field: dict[str, Any], made: dict[str, Any]
) -> None:
    payload = {"type": "object", "properties": {"who": field}}
    schema = {"type": "object", "properties": {"payload": payload}}
    contract = replace(
        registry.load().find("user.registered"),
        data_schema=schema,
        classification={},
        subject=None,
        user_id_pointer="/data/payload/who",
    )
    assert stored(contract).data_schema["properties"]["payload"]["properties"]["who"] == made


@pytest.mark.parametrize("name", ["user.registered", "order.created"])
def test_no_check_asks_of_a_token_what_the_contract_asks_of_a_value(bundle: Path, name: str) -> None:
    contracts = registry.load()
    table = contracts.tables()[f"silver.{columns.table(contracts.find(name))}"]
    protected = {one.name for one in table.columns if one.classification in ("confidential", "restricted")}
    assert protected
    asked = {check.name for check in checks.checks_of(table)}
    assert not {one for one in asked if any(f"({field})" in one for field in protected)} - {
        f"not_null({field})" for field in protected
    }
