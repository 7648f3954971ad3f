"""Contracts from outside: every byte string has an answer, in a moment, that is not long."""

import json
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from millrace.compiler import untrusted
from millrace.compiler.documents import SENTENCE
from millrace.compiler.untrusted import TooLargeError, compile_outside
from millrace.contracts.errors import ContractError

ORDER = next((Path(__file__).parents[3] / "schemas" / "events").glob("*/order.created/v1.yaml"))
TEXT = ORDER.read_text()
PARSED: dict[str, Any] = yaml.safe_load(TEXT)
# Process time; the machine that runs the tests has others to run.
SECONDS = 4.0


def document() -> dict[str, Any]:
    return deepcopy(PARSED)


def judged(raw: bytes) -> list[str]:
    """What is wrong with it; nothing else may be raised."""
    started = time.process_time()
    try:
        compile_outside(raw, "contract")
        sentences = []
    except ContractError as error:
        sentences = [problem.sentence for problem in error.problems]
        assert 0 < len(sentences) <= untrusted.PROBLEMS
        assert all(len(sentence) <= SENTENCE for sentence in sentences)
    assert time.process_time() - started < SECONDS
    return sentences


def test_our_own_contract_is_sound_in_yaml_and_in_json() -> None:
    assert judged(TEXT.encode()) == judged(json.dumps(document()).encode()) == []


@pytest.mark.parametrize(
    "text",
    [
        "!!timestamp x",
        "!!bool x",
        "!!int x",
        '!!int ""',
        "!!float x",
        '!!float ""',
        "!!binary x",
        "!!binary YQ==",
        "!!set {a, b}",
        "!!omap [a: 1]",
        "!!pairs [a: 1]",
        "!!python/object/apply:os.system [id]",
        "!!str [a]",
        "!!map [a]",
        "!!seq {a: b}",
        "? [a]\n: b",
        "? {a: b}\n: c",
        "<<: {a: b}",
        "<<: 1",
        "a: 1\na: 2",
        "a: &x [*x]",
        "a: .inf",
        "a: .nan",
        "a: 1e400",
        "a: 1_000",
        "a: 1:30:30",
        "a: 0x" + "f" * 20_000,
        "a: " + "9" * 20_000,
        "\t",
        "%YAML 9.9\n---\na",
        "--- a\n--- b",
        "a: \x00",
        "\ufeffa: b",
        "[" * 10_000 + "]" * 10_000,
        "- " * 10_000,
        "{a: " * 5_000 + "}" * 5_000,
        "",
        "null",
        "[]",
        "x",
        "1",
    ],
)
def test_odd_yaml_is_answered(text: str) -> None:
    assert judged(text.encode())


@pytest.mark.parametrize(
    "raw", [b"\xff", b"\xff\xfea\x00", b"\xed\xa0\x80", b'{"a": "\\ud800"}', b'{"a": 1, "a": 2}']
)
def test_bytes_that_are_no_text_are_answered(raw: bytes) -> None:
    assert judged(raw)


ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    1e300,
    2**63,
    2**64,
    "",
    "x",
    "/",
    "\x00",
    [],
    {},
    [[]],
    [{}],
    {"a": {}},
    [None],
    "9" * 400,
]


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [at] if at else []
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            found += places(inner, (*at, key))
    return found


PLACES = places(document())


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), min_size=1, max_size=2))
@example([(("customProperties",), [{"property": "rules", "value": [{"kind": []}]}])])
@example(
    [(("customProperties",), [{"property": "silver", "value": [{"kind": "hour", "of": [], "column": {}}]}])]
)
@example([(("customProperties",), [{"property": "indexes", "value": [{}, []]}])])
@example([(("customProperties",), [{"property": [], "value": 1}])])
def test_no_value_in_the_wrong_place_is_a_fault(edits: list[tuple[tuple[Any, ...], Any]]) -> None:
    changed = document()
    for place, value in edits:
        holder: Any = changed
        try:
            for part in place[:-1]:
                holder = holder[part]
            # A copy: a second edit may change what the first one put there.
            holder[place[-1]] = deepcopy(value)
        except (TypeError, KeyError, IndexError):
            continue  # the first edit took the place of the second away
    judged(json.dumps(changed).encode())


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_no_bytes_are_a_fault(raw: bytes) -> None:
    judged(raw)
    middle = len(TEXT) // 2
    judged(TEXT[:middle].encode() + raw + TEXT[middle:].encode())


def with_fields(fields: list[dict[str, Any]]) -> bytes:
    changed = document()
    changed["schema"][0]["properties"][0]["properties"] += fields
    return json.dumps(changed).encode()


def test_as_many_fields_as_are_taken_are_judged_in_a_moment() -> None:
    known = len(document()["schema"][0]["properties"][0]["properties"])
    room = untrusted.FIELDS - TEXT.count("name:") - known
    for field in (
        {"logicalType": "string"},
        {"logicalType": "string", "classification": "restricted"},
        {"logicalTyp": "x"},
    ):
        judged(with_fields([{"name": f"f{number}", **field} for number in range(room)]))
    with pytest.raises(TooLargeError, match="at most 1000 fields, this one has 1"):
        compile_outside(with_fields([{"name": f"f{n}", "logicalType": "string"} for n in range(1_500)]), "c")


@pytest.mark.parametrize(
    "fields",
    [
        [{"name": "a", "logicalType": "string", "logicalTypeOptions": {"pattern": "x" * 501}}],
        [
            {"name": f"a{n}", "logicalType": "string", "logicalTypeOptions": {"pattern": "x"}}
            for n in range(51)
        ],
        [{"name": "a", "logicalType": "string", "enum": [{"value": str(n)} for n in range(20_000)]}],
        [{"name": "a", "logicalType": "string", "description": "x" * 260_000}],
    ],
)
def test_what_is_too_large_says_so(fields: list[dict[str, Any]]) -> None:
    with pytest.raises(TooLargeError, match="at most"):
        compile_outside(with_fields(fields), "c")


def test_patterns_that_are_costly_are_judged_in_a_moment() -> None:
    for pattern in (r"(\w{100}){50}", r"\w{900}", "(((a{100}){100}){100}){100}", "(?<=a)b", "(a+)+$" * 80):
        options = {"logicalTypeOptions": {"pattern": pattern}}
        judged(with_fields([{"name": f"a{n}", "logicalType": "string", **options} for n in range(50)]))
