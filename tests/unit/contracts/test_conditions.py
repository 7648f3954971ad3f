"""A condition has one verdict, in Python on the event and in SQL on its row of silver."""

from functools import partial
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts import conditions, wildcards
from millrace.contracts.fields import Field, fields
from millrace.core import clock
from tests.support.contracts import SCHEMAS, compiled

FIELDS = fields(compiled(SCHEMAS / "events/payments/transaction.created/v1.yaml"))
SQL_TYPES = {
    **{"amount": "DECIMAL(18,4)", "merchant": "VARCHAR", "is_fraud": "BOOLEAN", "user_id": "BIGINT"},
    "timestamp": "TIMESTAMPTZ",
}
# Few letters, so that patterns meet texts; some whose lower case is unlike Python's own, and what LIKE takes for a wildcard.
LETTERS = st.sampled_from("aAbBäÄİiIΣσς%_*?\\\n😀")
PATTERNS = ["^a", "[aA]+$", "a[^b]?b", "(?:ab|B)*_", "[0-9]{2,3}"]
AMOUNTS = st.integers(-(10**16), 10**16).map(lambda units: units / 10_000)
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "amount": AMOUNTS | st.sampled_from([0.07, 0.1, 999_999_999_999.9999, -0.0001]),
    "merchant": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6)
    | st.text(LETTERS, max_size=8),
    "is_fraud": st.booleans(),
    "user_id": st.integers(-(2**63), 2**63 - 1),
    "timestamp": st.integers(-(10**12), 4 * 10**15).map(
        lambda micros: clock.utc_micros(clock.from_epoch_micros(micros))
    ),
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
        ordered = name in ("amount", "user_id", "timestamp")
        for kind in ("above", "atLeast", "below", "atMost") if ordered else ():
            kinds.append(value.map(partial(_one, kind)))
        if name == "merchant":
            kinds += [value.map(partial(_one, kind)) for kind in ("startsWith", "contains")]
            kinds += [st.text(LETTERS, max_size=6).map(partial(_one, kind)) for kind in ("like", "likeCased")]
            kinds.append(st.sampled_from(PATTERNS).map(partial(_one, "matches")))
        if name == "timestamp":
            kinds.append(st.lists(st.integers(0, 23), min_size=1).map(partial(_one, "hour")))
        return st.one_of(kinds).map(lambda kind: {"field": name, **kind})

    return st.sampled_from(sorted(VALUES)).flatmap(of)


CONDITIONS = st.lists(
    st.recursive(
        _leaves(),
        lambda inner: st.lists(inner, min_size=1, max_size=3).flatmap(
            lambda some: st.sampled_from([{"any": some}, {"all": some}, {"not": some}])
        ),
        max_leaves=4,
    ),
    min_size=1,
    max_size=3,
)
CONNECTION = duckdb.connect(config={"threads": 1})
CONNECTION.execute("SET TimeZone = 'UTC'")


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
    ([{"field": "timestamp", "hour": [24]}], "/where/0/hour", "hours are whole numbers from 0 to 23, UTC"),
    ([{"field": "amount", "hour": [1]}], "/where/0/hour", "amount is a decimal, and an hour is of moments"),
    (
        [{"field": "merchant", "matches": r"\d"}],
        "/where/0/matches",
        r"engines read '\\d' in its pattern differently: write [0-9]; see docs/api.md, Patterns",
    ),
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


def test_letters_are_lowered_as_sql_lowers_them() -> None:
    """Every letter there is."""
    rows = CONNECTION.execute(
        "SELECT chr(i::INT), lower(chr(i::INT)) FROM range(1, 1114112) AS t(i) WHERE i NOT BETWEEN 55296 AND 57343"
    ).fetchall()
    assert [letter for letter, lowered in rows if wildcards.folded(letter) != lowered] == []


@pytest.mark.parametrize(
    ("pattern", "text", "verdict"),
    [
        ("*.exe", "C:\\A.EXE", True),
        ("a*b*c", "aXbYbc", True),
        ("a*bc*c", "abc", False),
        ("ab*ba", "aba", False),
        (r"50\*", "50*", True),
        (r"50\*", "501", False),
        ("a?c", "a😀c", True),
        ("**", "", True),
        ("", "", True),
        ("", "a", False),
        (r"a\b", "A\\B", True),
    ],
)
def test_wildcards(pattern: str, text: str, verdict: bool) -> None:
    assert wildcards.test(pattern)(text) is verdict


def test_a_text_of_a_client_is_read_once() -> None:
    """A pattern that takes a backtracking engine for ever."""
    text = "a" * 200_000
    assert not wildcards.test("*a" * 40 + "b")(text)
    where = [{"field": "merchant", "matches": "^(?:a+)+b"}]
    assert not conditions.holds(where, FIELDS)({"data": {"payload": {"merchant": text}}})


@given(st.text(LETTERS, max_size=8))
def test_an_escaped_text_is_itself(text: str) -> None:
    assert wildcards.test_cased(wildcards.escaped(text))(text)
