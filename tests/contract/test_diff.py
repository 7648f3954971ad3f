"""The gate refuses what breaks and only that, and datacontract-cli agrees where it can judge."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings

from millrace.compiler import samples
from millrace.compiler.diff import compare, gate
from millrace.compiler.event_contracts import compile_document
from millrace.contracts.contract import Contract
from millrace.contracts.validator import Validator
from tests.contract.breaking_edits import BASE, EDITS, Edit
from tests.support.contracts import FILES, compiled, contract, field
from tests.support.generate import events

ORACLE: dict[str, Any] = json.loads((Path(__file__).parent / "breaking_oracle.json").read_text())
OLD = compile_document(BASE, "base.yaml")
TAKEN = Validator(OLD)

# Where we judge otherwise than the tool, and why.
DIFFERENCES = {
    "a required field at the end": "it takes any new field for a break; we only one that events must have",
    "an item gains a required field": "it takes any new field for a break; we only one that events must have",
    "an optional field in the middle": "it knows no Protobuf numbers",
    "two fields change places": "it knows no Protobuf numbers",
    "a free object declares a field": "to it the fields are new; to us JSON text becomes columns",
    "a large integer becomes a small one": "it does not read the format of integers",
    "another pattern": "it cannot tell and warns; we cannot tell and refuse",
    "a first format": "it does not read the format of texts",
    **dict.fromkeys(
        [
            *(
                "other fields are refused",
                "kept for a shorter time",
                "an index is dropped",
                "the entity is another",
            ),
            *("no longer routed", "a tolerance is tightened", "a rule asks more often", "a rule is added"),
            "userId is filled from the payload",
        ],
        "it does not know our own properties",
    ),
}


def edited(edit: Edit, version: str = "1.3.0") -> Contract:
    document = samples.patched(BASE, edit[1])
    return compile_document({**document, "version": version if edit[1] else BASE["version"]}, "edited.yaml")


def called(edit: Edit) -> str:
    return edit[0]


def test_the_table_is_large_enough_and_recorded() -> None:
    assert len(EDITS) >= 40
    assert [edit[0] for edit in EDITS] == list(ORACLE["edits"]), "record the oracle again"


@pytest.mark.parametrize("edit", EDITS, ids=called)
def test_every_edit_is_judged_with_pointer_and_kind(edit: Edit) -> None:
    found = compare(OLD, edited(edit))
    assert [(breaking.pointer, breaking.kind) for breaking in found] == sorted(edit[2])
    assert all(breaking.reason and breaking.contract == "thing.happened.v1" for breaking in found)


@pytest.mark.parametrize("edit", EDITS, ids=called)
def test_datacontract_cli_agrees(edit: Edit) -> None:
    verdict = ORACLE["edits"][edit[0]]
    added = {"rule": "property-added-or-removed", "change": "added"}
    # Producers break by what is refused, which a new optional field is not; consumers by what is lost or retyped.
    producers = [entry for entry in verdict["producer"] if not added.items() <= entry.items()]
    consumers = [
        entry
        for entry in verdict["consumer"]
        if entry["rule"] in ("property-added-or-removed", "type-changed")
    ]
    agrees = bool(edit[2]) == bool(producers or consumers)
    assert agrees != (edit[0] in DIFFERENCES), DIFFERENCES.get(edit[0], "not a known difference")


@pytest.fixture(scope="module")
def harmless() -> dict[str, Validator]:
    """What validates after each edit that breaks nothing."""
    return {called(edit): Validator(edited(edit)) for edit in EDITS if not edit[2]}


@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
@given(events(OLD))
def test_what_does_not_break_takes_all_that_was_taken(
    harmless: dict[str, Validator], event: dict[str, Any]
) -> None:
    assume(not TAKEN.errors(event))
    assert {edit: errors for edit, new in harmless.items() if (errors := new.errors(event))} == {}


@pytest.mark.parametrize(
    ("edit", "version", "reason"),
    [
        ("nothing", "1.2.0", None),
        ("nothing", "1.2.1", None),
        ("nothing", "1.1.9", "it was 1.2.0 already"),
        ("another description", "1.2.0", "raise its version"),
        ("another description", "1.2.1", None),
        ("another description", "1.1.9", "raise its version"),
        ("an index is added", "1.2.1", None),
        ("a field is described", "1.2.1", None),
        ("an optional field at the end", "1.2.1", "raise the minor"),
        ("an optional field at the end", "1.3.0", None),
        ("an optional field at the end", "1.10.0", None),
        ("a rule is dropped", "1.2.1", "raise the minor"),
    ],
)
def test_a_change_raises_the_version(edit: str, version: str, reason: str | None) -> None:
    _, patch, _ = next(known for known in EDITS if known[0] == edit)
    new = compile_document({**samples.patched(BASE, patch), "version": version}, "edited.yaml")
    found = compare(OLD, new)
    assert [breaking.kind for breaking in found] == ([] if reason is None else ["version"])
    assert reason is None or reason in found[0].reason


def test_a_field_called_description_is_a_field() -> None:
    old, new = contract(field("a")), contract(field("a"), field("description"))
    assert [breaking.kind for breaking in compare(old, new)] == ["version"]


def test_a_new_major_stands_beside_the_old_one() -> None:
    document = {**samples.patched(BASE, EDITS[5][1]), "version": "2.0.0", "id": "thing.happened.v2"}
    second = compile_document(document, "v2.yaml")
    assert gate([OLD], [OLD, second]) == []
    assert [breaking.to_json() for breaking in gate([OLD], [second])] == [
        {
            "contract": "thing.happened.v1",
            "pointer": "",
            "kind": "removed",
            "reason": "a version that clients send is gone",
        }
    ]


def test_retention_covers_what_depends_on_it() -> None:
    assert gate([OLD], [OLD], {"thing.happened": 90}) == []
    (breaking,) = gate([OLD], [OLD], {"thing.happened": 91})
    assert (breaking.pointer, breaking.kind) == ("/retention", "retention")
    assert gate([], [OLD], {"thing.happened": 91}) == [breaking]


def test_another_dictionary_is_no_change() -> None:
    document = Contract.from_json({**OLD.to_json(), "dictionary": "thing.happened.v1.7"})
    assert compare(OLD, document) == []


def test_the_contracts_of_the_checkout_pass_against_themselves() -> None:
    contracts = [compiled(path) for path in FILES]
    assert gate(contracts, contracts) == []
