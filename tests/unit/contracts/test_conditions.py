"""A condition has one verdict, in Python on the event and in SQL on its row of silver."""

from functools import partial
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts import conditions
from millrace.contracts.fields import Field, fields
from tests.support.contracts import SCHEMAS, compiled

FIELDS = fields(compiled(SCHEMAS / "events/payments/transaction.created/v1.yaml"))
SQL_TYPES = {"amount": "DECIMAL(18,4)", "merchant": "VARCHAR", "is_fraud": "BOOLEAN", "user_id": "BIGINT"}
AMOUNTS = st.integers(-(10**16), 10**16).map(lambda units: units / 10_000)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "amount": AMOUNTS | st.sampled_from([0.07, 0.1, 999_999_999_999.9999, -0.0001]),
    "merchant": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
    "is_fraud": st.booleans(),
    "user_id": st.integers(-(2**63), 2**63 - 1),
}


def _one(kind: str, value: Any) -> dict[str, Any]:
    return {kind: value}


def _leaves() -> st.SearchStrategy[dict[str, Any]]:
    def of(name: str) -> st.SearchStrategy[dict[str, Any]]:
        value = VALUES[name]
        kinds = [
            value.map(lambda one: {"equals": one}),
            st.lists(value, min_size=1, max_size=3).map(lambda some: {"in": some}),
            st.booleans().map(lambda one: {"present": one}),
        ]
        ordered = name in ("amount", "user_id")
        for kind in ("above", "atLeast", "below", "atMost") if ordered else ():
            kinds.append(value.map(partial(_one, kind)))
        for kind in ("startsWith", "contains") if name == "merchant" else ():
            kinds.append(value.map(partial(_one, kind)))
        return st.one_of(kinds).map(lambda kind: {"field": name, **kind})

    return st.sampled_from(sorted(VALUES)).flatmap(of)


CONDITIONS = st.lists(
    st.recursive(
        _leaves(),
        lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda some: st.sampled_from([{"any": some}, {"not": some}])
        ),
        max_leaves=4,
    ),
    min_size=1,
    max_size=3,
)
CONNECTION = duckdb.connect(config={"threads": 1})


@given(CONDITIONS, st.fixed_dictionaries({name: st.none() | value for name, value in VALUES.items()}))
def test_python_and_sql_agree(where: list[dict[str, Any]], payload: dict[str, Any]) -> None:
    assert [one for one in conditions.problems(where, FIELDS, "/where") if "deep at most" not in one[1]] == []
    event = {"eventType": "transaction.created", "data": {"payload": payload}}
    row = ", ".join(f'CAST(? AS {SQL_TYPES[name]}) AS "{name}"' for name in payload)
    texts = [repr(value) if isinstance(value, float) else value for value in payload.values()]
    (verdict,) = (
        CONNECTION.execute(f"SELECT {conditions.sql(where, FIELDS)} FROM (SELECT {row})", texts).fetchone()
        or ()
    )
    assert conditions.holds(where, FIELDS)(event) is verdict


def test_a_field_is_read_as_silver_has_it() -> None:
    event = {
        "eventType": "transaction.created",
        "timestamp": "2026-11-21T05:54:16.123456+01:00",
        "data": {"payload": {"amount": 999999999999.9999, "location": "Paris, FR", "user_id": 42.0}},
    }
    read = {
        name: FIELDS[name].read(event) for name in ("amount", "country", "user_id", "event_time", "merchant")
    }
    assert read == {
        "amount": 9999999999999999,
        "country": "FR",
        "user_id": 42,
        "event_time": 1_763_700_856_123_456 + 31_536_000_000_000,
        "merchant": None,
    }


@pytest.mark.parametrize("value", ["12", True, [1], {}, None])
def test_what_is_not_of_the_type_is_absent(value: Any) -> None:
    event = {"eventType": "transaction.created", "data": {"payload": {"amount": value, "location": value}}}
    assert FIELDS["amount"].read(event) is None
    assert value == "12" or FIELDS["country"].read(event) is None


WRONG: list[tuple[Any, str, str]] = [
    ([], "/where", "conditions are a list of at least one"),
    ([{"field": "amout", "above": 1}], "/where/0/field", "there is no field amout"),
    ([{"field": "amount", "above": "much"}], "/where/0/above", "amount is a decimal, and 'much' is none"),
    ([{"field": "merchant", "above": "a"}], "/where/0", "merchant is a string, which has no order"),
    ([{"field": "amount", "contains": "a"}], "/where/0", "amount is a decimal, and contains is of texts"),
    ([{"field": "amount", "in": []}], "/where/0/in", "it has to be a list of at least one value"),
    ([{"field": "amount", "present": 1}], "/where/0/present", "it has to be true or false"),
    ([{"not": [{"field": "x", "equals": 1}]}], "/where/0/not/0/field", "there is no field x"),
]


@pytest.mark.parametrize(("where", "pointer", "sentence"), WRONG)
def test_what_is_wrong_is_said(where: Any, pointer: str, sentence: str) -> None:
    assert list(conditions.problems(where, FIELDS, "/where")) == [(pointer, sentence)]


def test_a_field_knows_its_type() -> None:
    assert {name: FIELDS[name].type for name in ("amount", "country", "is_fraud")} == {
        "amount": "decimal",
        "country": "string",
        "is_fraud": "boolean",
    }
    assert isinstance(FIELDS["amount"], Field)
