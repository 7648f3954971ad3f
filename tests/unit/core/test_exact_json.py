"""Integers beyond 64 bits are found where they stand, whatever stands beside them and however it is spelled."""

import json
import time
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.contracts import pointers
from millrace.core import exact_json

INTEGERS = (
    st.integers()
    | st.integers(-(10**25), 10**25)
    | st.sampled_from(
        [2**63 - 1, 2**63, 2**64 - 1, 2**64, -(2**63), -(2**63) - 1, 10**18, 10**19, 10**20, 10**300]
    )
)
TEXTS = st.text(max_size=8) | st.from_regex(r"\A[-0-9.eE\"\\,:]{0,40}\Z") | st.just("12345678901234567890")
# Each with the value that JSON gives it: a fraction or an exponent makes it a float, however large.
FLOATS = st.sampled_from(
    [
        *("1e20", "1E20", "1e+20", "100000000000000000000.0", "-100000000000000000000E0", "1e308"),
        *("0." + "1" * 300, "1234567890123456789012.5e-3", "12345678901234567890e-20", "1e-400", "-0.0"),
    ]
)


def values(leaf: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """JSON texts over leaves that are JSON texts."""
    return st.recursive(
        leaf,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda parts: "[" + " ,".join(parts) + "]")
            | st.lists(st.tuples(TEXTS.map(json.dumps), inner), max_size=3).map(
                lambda pairs: "{" + ", ".join(f"{name} :{value}" for name, value in pairs) + "}"
            )
        ),
        max_leaves=8,
    )


DOCUMENTS = values(INTEGERS.map(str) | FLOATS | TEXTS.map(json.dumps) | st.sampled_from(["null", "true"]))


def reference(raw: str) -> Any:
    """Python's own reader, which keeps every integer."""
    return json.loads(raw, parse_float=lambda text: float(Decimal(text)))


def largest(value: Any) -> bool:
    """Whether an integer beyond 64 bits is in it."""
    if isinstance(value, dict):
        return any(largest(inner) for inner in value.values())
    if isinstance(value, list):
        return any(largest(inner) for inner in value)
    return isinstance(value, int) and not -(2**63) <= value < 2**63


@given(DOCUMENTS)
def test_every_number_is_read_as_it_was_meant(raw: str) -> None:
    expected = reference(raw)
    value, is_long = exact_json.loads(raw.encode())
    assert repr(value).replace("-0.0", "0.0") == repr(expected).replace("-0.0", "0.0")
    # A duplicate key's first value is gone; whether it was long says nothing.
    assert is_long or not largest(expected)
    assert (exact_json.beyond(value) is not None) == largest(expected)
    assert exact_json.loads(exact_json.dumps(value))[0] == expected


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        ("100000000000000000000", ""),
        ('{"a":[1e20,"100000000000000000000",{"b/~":-9223372036854775809}]}', "/a/2/b~1~0"),
        ('{"a":18446744073709551615,"b":100000000000000000000}', "/a"),
        ('{"a":1,"a":100000000000000000000}', "/a"),
        ('{"b":100000000000000000000,"a":{"z":[1],"c":-100000000000000000000}}', "/a/c"),
        ('{"a":100000000000000000000,"a":1}', None),
        ('{"100000000000000000000":9223372036854775807}', None),
        ('["\\"100000000000000000000",-9223372036854775808]', None),
        ("[100000000000000000000.0,1e300,100000000000000000000e0]", None),
    ],
)
def test_the_first_integer_beyond_64_bits_is_named(raw: str, pointer: str | None) -> None:
    path = exact_json.beyond(exact_json.loads(raw.encode())[0])
    assert (None if path is None else pointers.write(path)) == pointer


@pytest.mark.parametrize(
    "body",
    [
        b"[" + b",".join([b"100000000000000000000"] * 190_000) + b"]",
        b"[" + b",".join([b"1234567890123456789"] * 200_000) + b",100000000000000000000]",
        b'["' + b"\\n" * 2_000_000 + b'",100000000000000000000]',
        b'["' + b"1" * 4_000_000 + b'",100000000000000000000]',
        b"[" + b'"",' * 1_300_000 + b"100000000000000000000]",
        b"[" * 1000 + b"100000000000000000000" + b"]" * 1000,
    ],
    ids=["integers", "integers that fit", "escapes", "digits in a text", "texts", "levels"],
)
def test_no_body_takes_long(body: bytes) -> None:
    begun = time.process_time()
    value, is_long = exact_json.loads(body)
    assert is_long
    assert exact_json.beyond(value) is not None
    assert exact_json.dumps(value) == body
    # Linear: a second look that began anew at each place would take minutes.
    assert time.process_time() - begun < 20


def test_what_is_no_json_is_refused_as_ever() -> None:
    for raw in (b"", b"{", b"1e400", b"1" * 400, b'"\xff" 100000000000000000000'):
        with pytest.raises(orjson.JSONDecodeError):
            exact_json.loads(raw)
