"""The items of an array that as a whole is not JSON: a broken one takes none of its neighbours along."""

import json

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.intake import array
from millrace.intake.parse import candidates

# JSON by its grammar, or nearly, that no parser of ours takes.
BROKEN = ["1e309", '"\\ud800"', "9" * 309, "NaN", "[" * 1100 + "]" * 1100, '{"a" 1}', "", "1 2", '{"a":1,}']
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-(2**53), 2**53), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_item_stands_alone(broken: str) -> None:
    good = {"text": 'a ] } , [ { \\" "', "deep": [[{}]]}
    body = f" [ {json.dumps(good)} ,{broken}, {json.dumps(good)}\n] "
    found = candidates(body.encode(), "application/json")
    assert [one.event for one in found] == [good, None, good]
    assert [one.error.code if one.error else None for one in found] == [None, "malformed", None]
    assert found[1].raw == broken.encode()


@given(st.lists(VALUES, min_size=1, max_size=5), st.booleans())
def test_items_are_those_that_json_has(values: list[object], indented: bool) -> None:
    body = json.dumps(values, indent=2 if indented else None).encode()
    found = array.items(body)
    assert found is not None
    assert [orjson.loads(item) for item in found] == values


@pytest.mark.parametrize(
    "body", ["", "{}", "[", "[1", "[1]]", "[1] 2", '["a]', '["a", b"]', "[{]", "[1}", '{"a":[1e309]}', "[[1]"]
)
def test_what_brackets_do_not_make_an_array_is_one_malformed_body(body: str) -> None:
    found = array.items(body.encode())
    if found is not None:
        # Brackets that do not match are found by the parser, item by item.
        assert any(one.error for one in candidates(body.encode(), "application/json"))


def test_many_items_are_too_many_before_any_is_read() -> None:
    with pytest.raises(Exception, match="at most 500 events"):
        candidates(b"[1e309" + b",1" * 500 + b"]", "application/json")
