"""The gate refuses what breaks and only that, and datacontract-cli agrees where it can judge."""

import json
from dataclasses import replace
from datetime import date
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
from tests.support.contracts import FILES, compiled, contract, document, field
from tests.support.generate import events

ORACLE: dict[str, Any] = json.loads((Path(__file__).parent / "breaking_oracle.json").read_text())
OLD = compile_document(BASE, "base.yaml")
TAKEN = Validator(OLD)
TODAY = date(2026, 11, 21)

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
    found = compare(OLD, edited(edit), TODAY)
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
        ("a field is classified", "1.2.1", "raise the minor"),
        ("a field is classified", "1.3.0", None),
        ("an optional field at the end", "1.2.1", "raise the minor"),
        ("an optional field at the end", "1.3.0", None),
        ("an optional field at the end", "1.10.0", None),
        ("a rule is dropped", "1.2.1", "raise the minor"),
    ],
)
def test_a_change_raises_the_version(edit: str, version: str, reason: str | None) -> None:
    _, patch, _ = next(known for known in EDITS if known[0] == edit)
    new = compile_document({**samples.patched(BASE, patch), "version": version}, "edited.yaml")
    found = compare(OLD, new, TODAY)
    assert [breaking.kind for breaking in found] == ([] if reason is None else ["version"])
    assert reason is None or reason in found[0].reason


FIELDS = (
    field("a"),
    field("n", "integer", enum=[{"value": 1}, {"value": 2}]),
    field("at", "timestamp"),
    field("secret", classification="restricted"),
    field("open", classification="public"),
)
BAND = {"column": "size", "kind": "band", "of": "/data/payload/n", "edges": [1, 2], "labels": ["s", "m", "l"]}
EARLIER: dict[str, Any] = {
    "userId": "/data/payload/a",
    "subject": "/data/payload/a",
    "lateness": "7d",
    "enrich": {"userAgent": "/data/metadata/agent"},
    "silver": [BAND, {"column": "big", "kind": "above", "of": "/data/payload/n", "than": 1}],
}


def _with(fields: tuple[dict[str, Any], ...] = FIELDS, version: str = "1.1.0", **custom: Any) -> Contract:
    """A contract with the properties of `EARLIER`, changed; None takes one away."""
    named = {name: value for name, value in {**EARLIER, **custom}.items() if value is not None}
    made = document(*fields, **named)
    made["schema"][0]["properties"].append(field("metadata", "object", properties=[field("agent")]))
    return compile_document({**made, "version": version}, "c.yaml")


def _but(name: str, **more: Any) -> tuple[dict[str, Any], ...]:
    return tuple({**one, **more} if one["name"] == name else one for one in FIELDS)


@pytest.mark.parametrize(
    ("custom", "pointer", "kind"),
    [
        ({"userId": None}, "/userId", "access"),
        ({"subject": None}, "/subject", "protection"),
        ({"subject": "/data/payload/n"}, "/subject", "protection"),
        ({"lateness": "6d"}, "/lateness", "narrowed"),
        ({"category": "system-events"}, "/category", "access"),
        ({"enrich": {}}, "/enrich", "access"),
        ({"silver": EARLIER["silver"][:1]}, "/silver", "removed"),
        ({"silver": [{**BAND, "edges": [1, 3]}, EARLIER["silver"][1]]}, "/silver", "redefined"),
        ({"silver": [{**BAND, "labels": ["s", "m", "xl"]}, EARLIER["silver"][1]]}, "/silver", "redefined"),
        ({"silver": [BAND, {**EARLIER["silver"][1], "than": 2}]}, "/silver", "redefined"),
        ({"fields": _but("secret", classification="internal")}, "/data/payload/secret", "protection"),
        ({"fields": _but("secret", classification="confidential")}, "/data/payload/secret", "protection"),
    ],
)
def test_our_own_properties_are_promises_too(custom: dict[str, Any], pointer: str, kind: str) -> None:
    found = compare(_with(version="1.0.0"), _with(**custom), TODAY)
    assert [(one.pointer, one.kind) for one in found] == [(pointer, kind)]


def test_a_type_that_clients_send_does_not_become_the_platform_s_own() -> None:
    open_fields = _but("secret", classification="internal")
    before, after = _with(version="1.0.0", fields=open_fields), _with(derived=True, fields=open_fields)
    assert [(one.pointer, one.kind) for one in compare(before, after, TODAY)] == [("/derived", "access")]


@pytest.mark.parametrize(
    "custom",
    [
        {"lateness": "8d"},
        {"fields": _but("open", classification="restricted")},
        {"fields": _but("secret", description="Hidden.")},
        {"silver": [{**BAND, "description": "How large."}, EARLIER["silver"][1]]},
    ],
)
def test_what_gives_or_protects_more_breaks_nothing(custom: dict[str, Any]) -> None:
    assert compare(_with(version="1.0.0"), _with(**custom), TODAY) == []


def test_one_is_not_true() -> None:
    """They are the same to Python, not to JSON."""
    old = _with()
    changed = json.loads(json.dumps(old.to_json()).replace('"enum": [1, 2, null]', '"enum": [true, 2, null]'))
    new = replace(Contract.from_json(changed), version="1.2.0")
    assert [(found.pointer, found.kind) for found in compare(old, new, TODAY)] == [
        ("/data/payload/n", "narrowed")
    ]
    same_version = replace(new, version=old.version)
    assert "version" in {found.kind for found in compare(old, same_version, TODAY)}


def test_a_field_called_description_is_a_field() -> None:
    old, new = contract(field("a")), contract(field("a"), field("description"))
    assert [breaking.kind for breaking in compare(old, new, TODAY)] == ["version"]


def test_a_new_major_stands_beside_the_old_one() -> None:
    document = {**samples.patched(BASE, EDITS[5][1]), "version": "2.0.0", "id": "thing.happened.v2"}
    second = compile_document(document, "v2.yaml")
    assert gate([OLD], [OLD, second], TODAY) == []
    assert [breaking.to_json() for breaking in gate([OLD], [second], TODAY)] == [
        {
            "contract": "thing.happened.v1",
            "pointer": "",
            "kind": "removed",
            "reason": "a version that clients send is gone",
        }
    ]


def test_retention_covers_what_depends_on_it() -> None:
    assert gate([OLD], [OLD], TODAY, {"thing.happened": 90}) == []
    (breaking,) = gate([OLD], [OLD], TODAY, {"thing.happened": 91})
    assert (breaking.pointer, breaking.kind) == ("/retention", "retention")
    assert gate([], [OLD], TODAY, {"thing.happened": 91}) == [breaking]


def test_another_dictionary_is_no_change() -> None:
    document = Contract.from_json({**OLD.to_json(), "dictionary": "thing.happened.v1.7"})
    assert compare(OLD, document, TODAY) == []


def test_the_contracts_of_the_checkout_pass_against_themselves() -> None:
    contracts = [compiled(path) for path in FILES]
    assert gate(contracts, contracts, TODAY) == []


def test_a_converter_stays_as_long_as_the_older_major() -> None:
    """Else the newer table would lose rows when a day is built again."""
    newer = replace(OLD, version="2.0.0", up_converter={"from": 1, "fields": {}})
    without = replace(newer, version="2.0.1", up_converter={})
    (found,) = gate([OLD, newer], [OLD, without], TODAY)
    assert (found.contract, found.pointer, found.kind) == (newer.name, "/upConverter", "removed")
    assert not [one for one in gate([newer], [without], TODAY) if one.pointer == "/upConverter"]
    changed = replace(newer, up_converter={"from": 1, "fields": {"/data/payload/x": {"value": 1}}})
    assert [one.kind for one in gate([OLD, newer], [OLD, changed], TODAY)] == ["version"]
