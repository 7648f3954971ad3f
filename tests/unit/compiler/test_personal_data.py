"""The property `personalData`: how it is written, what contradicts it, and which change of it breaks."""

from datetime import date
from typing import Any

import pytest

from millrace.compiler.diff import compare, notices
from millrace.compiler.exports import markdown
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from tests.support.contracts import contract, field

TODAY = date(2026, 11, 21)
SUPPORT = "/data/payload/support"


def made(value: Any = None, **support: Any) -> Contract:
    custom = {} if value is None else {"personalData": value}
    return contract(field("note"), field("support", **support), **custom)


def test_its_forms() -> None:
    assert (made().personal_data, made().personal_data_except) == ("flag", ())
    assert made("quarantine").personal_data == "quarantine"
    both = made({"found": "quarantine", "except": [SUPPORT]})
    assert (both.personal_data, both.personal_data_except) == ("quarantine", (SUPPORT,))
    assert Contract.from_json(both.to_json()) == both
    assert "is refused" in markdown.page(both)


@pytest.mark.parametrize(
    "value",
    [
        "drop",
        5,
        {"found": "refuse"},
        {"otherwise": []},
        {"except": "x"},
        {"except": [1]},
        {"except": ["/data/payload/x"]},
    ],
)
def test_what_is_not_of_its_form_is_refused(value: Any) -> None:
    with pytest.raises(ContractError, match="personalData"):
        made(value)


def test_a_protected_field_is_no_exception() -> None:
    with pytest.raises(ContractError, match="not searched anyway"):
        made({"except": [SUPPORT]}, classification="confidential")


@pytest.mark.parametrize(
    ("old", "new", "broken"),
    [
        ("flag", "quarantine", ["/personalData"]),
        ("quarantine", "flag", []),
        ({"found": "quarantine", "except": [SUPPORT]}, "quarantine", [SUPPORT]),
        ("quarantine", {"found": "quarantine", "except": [SUPPORT]}, []),
        ({"except": [SUPPORT]}, "flag", []),
    ],
)
def test_what_refuses_more_breaks(old: Any, new: Any, broken: list[str]) -> None:
    found = compare(made(old), made(new), TODAY)
    assert [one.pointer for one in found if one.kind == "rule"] == broken


def test_fields_that_are_left_out_are_said_at_the_change_and_on_the_page() -> None:
    before, after = contract(field("note")), contract(field("note"), additionalProperties="drop")
    assert compare(before, after, TODAY)[0].kind == "version", "nothing else breaks"
    (sentence,) = notices([before], [after])
    assert "are left out of new events" in sentence
    assert "are left out of what is stored" in markdown.page(after)
    closed = contract(field("note"), additionalProperties="reject")
    assert "closed" in [one.kind for one in compare(after, closed, TODAY)]
    assert [one.kind for one in compare(closed, after, TODAY)] == ["version"]
