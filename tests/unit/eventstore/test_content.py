"""One event however it is spelled, and a limit on how much of it there is that counts what stands there."""

import json
import tracemalloc
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.compiler import samples
from millrace.contracts.errors import FieldError
from millrace.core import limits
from millrace.eventstore import content
from tests.support.contracts import FILES

NUMBERS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**62), 2**62).map(float)
    | st.sampled_from([0.0, -0.0, 1e16, 1e17, 1.5e18, -(2.0**63), 2.0**63, 2.0**53, 1e308, 5e-324])
)
EVENTS = st.recursive(
    NUMBERS | st.text(max_size=4) | st.none() | st.booleans() | st.sampled_from([".0,", "e+1", "[[", "{}"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
)


def nested(levels: int) -> Any:
    value: Any = 0
    for level in range(levels):
        value = [value] if level % 2 else {"a": value}
    return value


def refused(event: Any) -> tuple[str, str] | None:
    found = content.read(event)
    return (found.code, found.message) if isinstance(found, FieldError) else None


@given(EVENTS)
def test_a_whole_number_is_an_integer_whatever_its_spelling(event: Any) -> None:
    event = {"a": event}
    document = content.read(event)
    assert isinstance(document, tuple)
    assert document[0] == event
    assert document[1] == orjson.dumps(document[0], option=orjson.OPT_SORT_KEYS)
    left = [document[0]]
    while left:
        value = left.pop()
        left += list(value.values()) if isinstance(value, dict) else value if isinstance(value, list) else []
        if isinstance(value, float):
            assert not value.is_integer() or not -(2**63) <= value < 2**63
    repeated = content.read(json.loads(document[1]))
    assert isinstance(repeated, tuple)
    assert repeated[1] == document[1]


@pytest.mark.parametrize("spelled", ["10", "10.0", "1e1", "1E1", "1e+1", "100e-1", "10.000000000000000"])
def test_one_number_has_one_canonical_form(spelled: str) -> None:
    document = content.read(orjson.loads(f'{{"a":[{spelled}],"b":{{"c":{spelled}}}}}'))
    assert isinstance(document, tuple)
    assert document[1] == b'{"a":[10],"b":{"c":10}}'


def test_two_numbers_stay_two() -> None:
    pairs = [(2**53 + 1, 2.0**53), (2**63 - 1, 2.0**63), (0.1, 0.2), (1, True), (1, "1"), (0, None)]
    for one, other in pairs:
        first, second = content.read({"a": one}), content.read({"a": other})
        assert isinstance(first, tuple)
        assert isinstance(second, tuple)
        assert first[1] != second[1], (one, other)


@pytest.mark.parametrize("levels", [1, 63, 64, 65, 66, 120, 250, 253, 254, 255, 300, 1000])
def test_levels_are_counted(levels: int) -> None:
    error = refused(nested(levels))
    expected = ("malformed", f"an event nests at most 64 levels, got {levels}")
    assert error == (None if levels <= limits.NESTING else expected)


@pytest.mark.parametrize("beyond", [0, 1])
def test_values_and_names_are_counted(beyond: int) -> None:
    # Itself and the array are values as well.
    values = {"a": [0] * (limits.VALUES - 2 + beyond)}
    names = {str(number): 0 for number in range(limits.NAMES + beyond)}
    shared = {
        "a": [{"": 0}] * 900,
        **{str(number): 0 for number in range(limits.NAMES - 901 + beyond)},
    }
    assert refused(values) == (
        ("too_large", f"an event holds at most 5000 values, got {limits.VALUES + 1}") if beyond else None
    )
    for event in (names, shared):
        assert refused(event) == (
            ("too_large", f"an event holds at most 4000 names, got {limits.NAMES + 1}") if beyond else None
        )


@pytest.mark.parametrize("text", ["[" * 50_000, "{" * 50_000, "," * 50_000, ":" * 50_000, '\\"[{,:' * 20_000])
def test_what_a_text_says_is_not_counted(text: str) -> None:
    assert refused({"a": text, text: [text]}) is None


def test_a_small_body_that_is_large_in_memory_is_refused() -> None:
    assert refused({"extra": [{"": 0}] * 37_000}) == (
        "too_large",
        "an event holds at most 5000 values, got 74002",
    )


def test_the_largest_events_of_the_contracts_pass() -> None:
    for path in FILES:
        for sample in samples.golden(path):
            assert isinstance(content.read(sample), tuple)
    item = {"productId": "p" * 100, "quantity": 2, "price": 3.5}
    assert isinstance(content.read({"data": {"payload": {"items": [item] * 1000}}}), tuple)


WORST = {
    "objects of one key": [{f"k{number}": 0.5} for number in range(2_400)],
    "wide texts in objects": [{f"k{number}😀": f"{'x' * 80}😀"} for number in range(2_400)],
    "one object of many": {f"k{number}": 0.5 for number in range(3_999)},
    "arrays in arrays": [[[]]] * 1_600,
    "one wide text": "😀" + "x" * 261_000,
}


@pytest.mark.parametrize("name", WORST)
def test_what_is_accepted_is_bounded_in_memory(name: str) -> None:
    raw = orjson.dumps({"extra": WORST[name]})
    assert len(raw) <= limits.BYTES_PER_EVENT
    assert isinstance(content.read(orjson.loads(raw)), tuple)
    tracemalloc.start()
    try:
        kept = orjson.loads(raw)
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert kept
    # Four bytes a character, and a quarter of a kilobyte a value at most.
    assert taken < 4 * len(raw) + 256 * limits.VALUES
    assert taken < 1_750_000
