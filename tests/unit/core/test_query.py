"""Queries of URLs: what is read, and what is refused instead of guessed."""

from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import query

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(st.dictionaries(TEXTS, TEXTS, max_size=5))
def test_whatever_is_encoded_is_read_as_it_was(given: dict[str, str]) -> None:
    for encode in (urlencode(given), "&".join(f"{quote(k, '')}={quote(v, '')}" for k, v in given.items())):
        assert query.read({"rawQueryString": encode, "queryStringParameters": {"not": "read"}}) == (
            given or {"not": "read"}
        )


@pytest.mark.parametrize(
    "raw",
    [
        "limit=1&limit=2",
        "limit=1&limit=1",
        "userId=a&%75serId=b",
        "userId=",
        "userId",
        "=x&=y",
        "userId=%",
        "userId=%4",
        "userId=%zz",
        "userId=%ff",
        "userId=%ed%a0%80",
        "user%FFId=a",
        "userId=\udc80",
        "userId=" + "a" * 8193,
    ],
)
def test_what_cannot_be_read_is_refused(raw: str) -> None:
    with pytest.raises(ValueError, match=r"parameter|query"):
        query.read({"rawQueryString": raw})


def test_empty_pieces_say_nothing() -> None:
    assert query.read({"rawQueryString": "&&a=1&"}) == {"a": "1"}
    assert query.read({}) == query.read({"queryStringParameters": None, "rawQueryString": ""}) == {}


def test_the_key_of_an_aggregate_may_be_empty() -> None:
    assert query.read({"rawQueryString": "by.merchant=&limit=1"}) == {"by.merchant": "", "limit": "1"}
    with pytest.raises(ValueError, match="given twice"):
        query.read({"rawQueryString": "by.merchant=&by.merchant=a"})


@pytest.mark.parametrize("value", ["", "\ud800", "a" * 8193])
def test_what_a_gateway_has_read_already_is_judged_too(value: str) -> None:
    with pytest.raises(ValueError, match=r"parameter|query"):
        query.read({"queryStringParameters": {"userId": value}})
