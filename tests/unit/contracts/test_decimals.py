from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.contracts import decimals
from tests.support.contracts import contract, field

MONEY: dict[str, Any] = {"physicalType": "decimal(18,4)"}


def checker(*fields: dict[str, Any]) -> decimals.Checker:
    made = decimals.checker(contract(*fields).data_schema)
    assert made is not None
    return made


FLAT = checker(field("x", "number", **MONEY))
NESTED = checker(field("deep", "object", properties=[field("x", "number", **MONEY)]))


def at(value: Any) -> dict[str, Any]:
    return {"data": {"payload": {"x": value}}}


def decimals_of(value: float) -> int:
    exponent = Decimal(repr(value)).normalize().as_tuple().exponent
    assert isinstance(exponent, int)
    return max(0, -exponent)


@settings(deadline=None)
@given(st.one_of(st.floats(-1e12, 1e12), st.decimals(-(10**12), 10**12, places=4).map(float)))
@example(0.07)
@example(0.1 + 0.2)
@example(0.10000000000000002)
@example(999999999999.9999)
@example(-549755813888.0001)
@example(1e-5)
@example(5e-324)
@example(-0.0)
def test_the_decimal_text_decides(value: float) -> None:
    fits = decimals_of(value) <= 4
    assert FLAT.fit(at(value)) is fits
    assert (FLAT.errors(at(value)) == []) is fits


@pytest.mark.parametrize("value", [None, "0.12345", True, 3, 10**30, [], {}])
def test_what_is_no_float_is_the_schemas_business(value: Any) -> None:
    assert FLAT.errors(at(value)) == []


@pytest.mark.parametrize(
    "event", [None, [], {}, {"data": 1}, {"data": {"payload": [1]}}, {"data": {"payload": None}}]
)
def test_shapes_that_are_wrong_do_not_raise(event: Any) -> None:
    for made in (FLAT, NESTED):
        made.fit(event)
        assert made.errors(event) == []


def test_every_place_is_found() -> None:
    prices = {"logicalType": "object", "properties": [field("p", "number", **MONEY)]}
    made = checker(
        field("total", "number", **MONEY),
        field("items", "array", items=prices),
        field("list", "array", items={"logicalType": "number", **MONEY}),
        field("deep", "object", properties=[field("items", "array", items=prices)]),
    )
    bad = 0.00001
    payload = {
        "total": bad,
        "items": [{"p": 1.5}, {"p": bad}],
        "list": [bad, 1],
        "deep": {"items": [{"p": bad}]},
    }
    event = {"data": {"payload": payload}}
    assert not made.fit(event)
    assert [path[2:] for path, _ in made.errors(event)] == [
        ("total",),
        ("items", 1, "p"),
        ("list", 0),
        ("deep", "items", 0, "p"),
    ]


def test_a_contract_without_decimals_pays_nothing() -> None:
    assert decimals.checker(contract(field("x", "number")).data_schema) is None
