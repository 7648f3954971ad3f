"""`schemas/purposes.yaml`, and `consent` of contracts: what is taken, and what is named as wrong."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from millrace.compiler.diff import compare, notices
from millrace.compiler.exports import markdown
from millrace.compiler.purposes import compile_purposes, references
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from tests.support.contracts import SCHEMAS, contract, field

NOTE = "/data/payload/note"
RULE = {"purpose": "marketing", "without": "mask", "fields": [NOTE]}


def made(*rules: Any, **note: Any) -> Contract:
    return contract(field("note", **note), field("user"), userId="/data/payload/user", consent=list(rules))


def test_those_of_this_checkout_compile() -> None:
    found = compile_purposes(SCHEMAS)
    assert found["marketing"].default is False
    assert found["analytics"].default is True
    assert compile_purposes(SCHEMAS / "nowhere") == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[]", "names to purposes"),
        ("Marketing: {version: 1, description: x, legalBasis: consent, default: denied}", "lower case"),
        ("a: {version: 0, description: x, legalBasis: consent, default: denied}", "whole number"),
        ("a: {version: 1, description: '', legalBasis: consent, default: denied}", "what persons are told"),
        ("a: {version: 1, description: x, legalBasis: trust, default: denied}", "legal basis"),
        ("a: {version: 1, description: x, legalBasis: consent, default: maybe}", "granted or denied"),
        ("a: {version: 1, description: x, legalBasis: contract, default: denied}", "its default is granted"),
        (
            "analytics: {version: 1, description: x, legalBasis: consent, default: denied}",
            "reads of the lake are for it",
        ),
        ("a: {version: 1}", "a purpose has"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "purposes.yaml").write_text(text)
    with pytest.raises(ContractError, match=sentence):
        compile_purposes(tmp_path)


def test_a_contract_asks() -> None:
    one = made({"purpose": "analytics", "without": "drop"}, RULE)
    assert one.consent == ({"purpose": "analytics", "without": "drop", "fields": []}, RULE)
    assert Contract.from_json(one.to_json()) == one
    assert "without consent for marketing" in markdown.page(one)
    assert [sentence for _, sentence in references([one], {})] == [
        "consent: purposes.yaml has no purpose analytics",
        "consent: purposes.yaml has no purpose marketing",
    ]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ({"purpose": "marketing"}, "consent is a list"),
        ({"purpose": "marketing", "without": "hide"}, "consent is a list"),
        ({"purpose": "marketing", "without": "mask"}, "mask names the fields"),
        ({"purpose": "marketing", "without": "drop", "fields": [NOTE]}, "mask names the fields"),
        ({**RULE, "fields": ["/data/payload/other"]}, "no field is"),
        ({**RULE, "fields": ["/data/payload/user"]}, "is a key, a person"),
    ],
)
def test_what_a_contract_cannot_ask(rule: Any, sentence: str) -> None:
    with pytest.raises(ContractError, match=sentence):
        made(rule)


def test_a_required_field_is_not_left_out() -> None:
    with pytest.raises(ContractError, match="is required"):
        made(RULE, required=True)


def test_a_new_rule_is_no_break_but_is_said() -> None:
    before, after = made(), made({"purpose": "marketing", "without": "drop"})
    assert [one.kind for one in compare(before, after, date(2026, 11, 21))] == ["version"]
    (sentence,) = notices([before], [after])
    assert "have not agreed to marketing" in sentence
    assert notices([after], [after]) == []
