from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from millrace.contracts import rules
from millrace.contracts.contract import Contract
from millrace.contracts.errors import ContractError
from millrace.contracts.validator import Validator
from tests.support.contracts import contract, event, field

MONEY: dict[str, Any] = {"physicalType": "decimal(18,4)"}
LINES = field(
    "lines",
    "array",
    items={"logicalType": "object", "properties": [field("n", "integer"), field("price", "number", **MONEY)]},
)
SUM = {
    "kind": "equalsSum",
    "total": "/data/payload/total",
    "items": "/data/payload/lines",
    "factors": ["n", "price"],
    "tolerance": 0.005,
}
ORDER = contract(field("total", "number", **MONEY), LINES, rules=[SUM])
FOUR = st.decimals(-(10**6), 10**6, places=4)


def broken(made: Contract, payload: dict[str, Any], **more: Any) -> list[tuple[str, str]]:
    return [(error.pointer, error.code) for error in Validator(made).errors(event(payload, **more))]


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(-5, 1000), FOUR), max_size=6), st.integers(-60, 60))
@example([(1, Decimal("10"))], 50)
@example([(1, Decimal("10"))], 51)
@example([(3, Decimal("0.1"))], -50)
@example([(1000, Decimal("999999.9999")), (-1000, Decimal("999999.9999"))], 50)
def test_a_sum_is_judged_as_decimals_do_to_the_last_digit(lines: list[tuple[int, Decimal]], off: int) -> None:
    total = sum((n * price for n, price in lines), Decimal(0)) + Decimal(off).scaleb(-4)
    assume(abs(total) <= 10**9)
    payload = {"total": float(total), "lines": [{"n": n, "price": float(price)} for n, price in lines]}
    expected = [] if abs(off) <= 50 else [("/data/payload/total", "rule")]
    assert broken(ORDER, payload) == expected


def test_large_sums_that_cancel_out_are_exact() -> None:
    lines = [
        {"n": 1, "price": 999999999999.0},
        {"n": -1, "price": 999999999998.9999},
        {"n": 1, "price": 0.0049},
    ]
    assert broken(ORDER, {"total": 0, "lines": lines}) == []
    lines[2]["price"] = 0.0051
    assert broken(ORDER, {"total": 0, "lines": lines}) == [("/data/payload/total", "rule")]


def test_products_of_many_digits_are_not_rounded_before_they_cancel_out() -> None:
    lines = field(
        "lines",
        "array",
        items={
            "logicalType": "object",
            "properties": [field("a", "number", **MONEY), field("b", "number", **MONEY)],
        },
    )
    made = contract(field("total", "number", **MONEY), lines, rules=[{**SUM, "factors": ["a", "b"]}])
    large = {"a": 999999999999.9999, "b": 999999999999.9999}
    parts = [large, {"a": -999999999999.9999, "b": 999999999999.9999}, {"a": 0.1, "b": 0.1}]
    assert broken(made, {"total": 0.01, "lines": parts}) == []
    assert broken(made, {"total": 0.02, "lines": parts}) == [("/data/payload/total", "rule")]


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"total": 1},
        {"lines": []},
        {"total": None, "lines": [{"n": 1, "price": 1}]},
        {"total": 1, "lines": None},
        {"total": 1, "lines": [{"n": 1}]},
        {"total": 1, "lines": [{"n": None, "price": 1}]},
    ],
)
def test_no_sum_where_a_part_is_absent(payload: dict[str, Any]) -> None:
    assert broken(ORDER, payload) == []


@pytest.mark.parametrize(
    "lines", ["text", {"n": 1}, [1], [{"n": "9" * 30, "price": 10**9}], [{"n": 10**400, "price": 1}]]
)
def test_a_rule_is_silent_where_the_schema_speaks(lines: Any) -> None:
    assert {code for _, code in broken(ORDER, {"total": 1, "lines": lines})} <= {"type", "maximum"}


def test_the_message_tells_the_sum() -> None:
    (error,) = Validator(ORDER).errors(event({"total": 1, "lines": [{"n": 3, "price": 0.1}]}))
    assert error.message == "must be the sum of its parts within 0.005: 0.3"


ENDED = contract(
    field("startedAt", "timestamp"),
    rules=[{"kind": "notBefore", "later": "/timestamp", "earlier": "/data/payload/startedAt"}],
)
MOMENTS = st.datetimes(
    datetime(2000, 1, 1),  # noqa: DTZ001  Hypothesis wants its bounds naive
    datetime(2030, 1, 1),  # noqa: DTZ001
    timezones=st.integers(-14, 14).map(lambda h: timezone(timedelta(hours=h))),
)


@settings(deadline=None)
@given(MOMENTS, MOMENTS)
def test_moments_are_compared_as_moments_whatever_their_offset(later: datetime, earlier: datetime) -> None:
    found = broken(ENDED, {"startedAt": earlier.isoformat()}, timestamp=later.isoformat())
    assert found == ([("/timestamp", "rule")] if later < earlier else [])


def test_the_same_moment_is_not_before_and_absence_is_nothing() -> None:
    assert broken(ENDED, {"startedAt": "2026-11-21T10:30:00+01:00"}) == []
    assert broken(ENDED, {"startedAt": None}) == []
    assert broken(ENDED, {"startedAt": "yesterday"}) == [("/data/payload/startedAt", "format")]


REFUND = contract(
    field("kind"),
    field("flag", "boolean"),
    field("reason"),
    field("code", "integer"),
    rules=[
        {
            "kind": "requiredIf",
            "field": "/data/payload/reason",
            "when": "/data/payload/kind",
            "equals": ["refund", "void"],
        },
        {"kind": "requiredIf", "field": "/data/payload/code", "when": "/data/payload/flag", "equals": [True]},
    ],
)


@pytest.mark.parametrize(
    ("payload", "pointers"),
    [
        ({}, []),
        ({"kind": "sale"}, []),
        ({"kind": "refund", "reason": "broken"}, []),
        ({"kind": "refund"}, ["/data/payload/reason"]),
        ({"kind": "void", "reason": None}, ["/data/payload/reason"]),
        ({"kind": "void", "reason": ""}, []),
        ({"flag": True}, ["/data/payload/code"]),
        ({"flag": True, "code": 0}, []),
        ({"flag": False}, []),
    ],
)
def test_what_is_required_depends(payload: dict[str, Any], pointers: list[str]) -> None:
    assert broken(REFUND, payload) == [(pointer, "rule") for pointer in pointers]


def test_a_constant_that_the_field_never_has_is_named() -> None:
    kind = {"/data/payload/kind": {"type": ["string", "null"], "enum": ["refund", "void", None]}}
    rule = {"kind": "requiredIf", "field": "/data/payload/kind", "when": "/data/payload/kind"}
    said = [sentence for _, sentence in rules.problems([{**rule, "equals": ["void", "voided"]}], kind)]
    assert said == ["equals: /data/payload/kind is never voided; it is one of refund, void"]
    assert list(rules.problems([{**rule, "equals": ["void"]}], kind)) == []


def test_a_reference_never_refuses() -> None:
    reference = {
        "kind": "reference",
        "field": "/data/payload/userId",
        "type": "user.registered",
        "key": "/data/payload/userId",
    }
    made = contract(field("userId"), rules=[reference])
    assert broken(made, {"userId": "nobody"}) == []
    assert rules.compile_rule(reference) is None


@pytest.mark.parametrize(
    ("rule", "part"),
    [
        ({"kind": "equalsSum", "total": "/data/payload/total"}, "has the parameters"),
        ({**SUM, "note": "x"}, "has the parameters"),
        ({**SUM, "total": "/data/payload/sum"}, "may read is /data/payload/sum"),
        ({**SUM, "total": "/data/payload/lines"}, "neither a decimal"),
        ({**SUM, "factors": []}, "one or two fields"),
        ({**SUM, "factors": ["n", "name"]}, "no decimal or integer name"),
        ({**SUM, "tolerance": -1}, "from 0"),
        ({**SUM, "tolerance": "0.005"}, "from 0"),
        ({"kind": "notBefore", "later": "/timestamp", "earlier": "/data/payload/total"}, "two timestamps"),
        (
            {"kind": "requiredIf", "field": "/data/payload/total", "when": "/userId", "equals": "x"},
            "list of values",
        ),
        (
            {"kind": "requiredIf", "field": "/data/payload/total", "when": "/userId", "equals": []},
            "list of values",
        ),
        ({"kind": "reference", "field": "/userId", "type": 3, "key": "/userId"}, "texts"),
    ],
)
def test_rules_that_cannot_be(rule: dict[str, Any], part: str) -> None:
    with pytest.raises(ContractError, match="rule 1") as caught:
        contract(field("total", "number", **MONEY), LINES, rules=[rule])
    assert part in str(caught.value)
