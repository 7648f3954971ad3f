"""Rows of files: form, lines, cells, items, and what a broken one does to those beside it."""

import gzip
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.imports import bounds, records
from millrace.imports.form import Options, form_of
from millrace.imports.json_items import items
from millrace.imports.refused_file import RefusedFileError
from millrace.imports.unpacked import unpacked


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for start in range(0, len(data), size):
        yield data[start : start + size]


def rows(data: bytes, name: str = "a.csv", size: int = 7, **declared: Any) -> list[records.Record]:
    options = Options.of(declared)
    form = form_of(name, False, data, options)
    if form.kind == "csv":
        return list(records.csv_records(pieces(data, size), form, options)[1])
    if form.kind == "ndjson":
        return list(records.ndjson_records(pieces(data, size), form))
    return list(records.json_records(pieces(data, size), form))


def values(found: list[records.Record]) -> list[Any]:
    return [one.values for one in found]


TEXT = "naïve,b\n1,€\n"


@pytest.mark.parametrize(
    ("data", "declared"),
    [
        (TEXT.encode(), {}),
        (TEXT.encode("utf-8-sig"), {}),
        (TEXT.encode("utf-16"), {}),
        (TEXT.encode("utf-16-le"), {}),
        (TEXT.encode("utf-16-be"), {}),
        (TEXT.encode("utf-32"), {}),
        (TEXT.encode("cp1252"), {"encoding": "windows-1252"}),
        (TEXT.replace("\n", "\r\n").encode(), {}),
        (TEXT.replace("\n", "\r").encode(), {}),
        (TEXT.replace(",", ";").encode(), {}),
        (TEXT.replace(",", "\t").encode(), {}),
        (TEXT.replace(",", "#").encode(), {"delimiter": "#"}),
    ],
)
@pytest.mark.parametrize("size", [4, 5, 1000])
def test_encodings_line_ends_and_delimiters_are_found_or_declared(
    data: bytes, declared: dict[str, str], size: int
) -> None:
    assert values(rows(data, size=size, **declared)) == [{"naïve": "1", "b": "€"}]


@given(
    st.lists(
        st.lists(
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")), min_size=2, max_size=2
        ),
        min_size=1,
        max_size=5,
    ),
    st.integers(1, 50),
)
def test_what_csv_writes_is_read_whatever_the_chunks(cells: list[list[str]], size: int) -> None:
    import csv

    text = io.StringIO()
    csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows([["one", "two"], *cells])
    found = rows(text.getvalue().encode(), size=size, delimiter=",")
    assert values(found) == [dict(zip(("one", "two"), row, strict=True)) for row in cells]
    raw = b"".join(one.raw for one in found)
    assert b'"one","two"\n' + raw == text.getvalue().encode()


def test_lines_are_those_of_the_file() -> None:
    found = rows(b'a,b\n1,"x\ny"\n\n2,z\n')
    assert [(one.line, one.values) for one in found] == [
        (2, {"a": "1", "b": "x\ny"}),
        (5, {"a": "2", "b": "z"}),
    ]


def test_a_ragged_row_is_refused_alone() -> None:
    found = rows(b"a,b\n1\n2,3\n4,5,6\n")
    assert values(found) == [None, {"a": "2", "b": "3"}, None]
    assert [one.error.code for one in found if one.error] == ["malformed", "malformed"]


def test_a_row_of_another_encoding_is_refused_alone() -> None:
    found = rows("a,b\n1,é\n2,".encode() + "é".encode("latin-1") + b"\n3,x\n")
    assert values(found) == [{"a": "1", "b": "é"}, None, {"a": "3", "b": "x"}]
    assert [one.error.code for one in found if one.error] == ["malformed"]


def test_a_quote_that_is_never_closed_takes_no_other_row_along() -> None:
    found = rows(b'a,b\n1,"x\n2,y\n3,z\n')
    assert [(one.line, one.values) for one in found] == [
        (2, None),
        (3, {"a": "2", "b": "y"}),
        (4, {"a": "3", "b": "z"}),
    ]


def test_a_row_that_is_too_long_is_refused_alone() -> None:
    long = b"1," + b"x" * (10 << 20)
    found = rows(b"a,b\n0,y\n" + long + b"\n2,z\n", size=1 << 16)
    assert [(one.line, one.raw[:3]) for one in found] == [(2, b"0,y"), (3, b""), (4, b"2,z")]
    assert [one.error.code for one in found if one.error] == ["too_large"]


def test_formulas_stay_text() -> None:
    assert values(rows(b"a,b\n=1+1,@SUM(A1)\n")) == [{"a": "=1+1", "b": "@SUM(A1)"}]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no_rows"),
        (b"\n\n", "no_rows"),
        (b"a,a\n1,2\n", "columns"),
        (b"a,\n1,2\n", "columns"),
        (",".join(f"c{n}" for n in range(10_000)).encode() + b"\n1\n", "columns"),
        (bytes(range(256)) * 4, "encoding"),
    ],
)
def test_a_file_that_cannot_be_taken_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(RefusedFileError) as refused:
        rows(data, size=1 << 16)
    assert refused.value.reason == reason


@given(
    st.lists(
        st.dictionaries(
            st.text(max_size=5), st.text(max_size=5) | st.lists(st.integers(), max_size=2), max_size=3
        ),
        max_size=5,
    ),
    st.integers(1, 40),
    st.sampled_from([None, 1]),
)
def test_items_of_json_whatever_the_chunks(made: list[Any], size: int, indent: int | None) -> None:
    array = json.dumps(made, indent=indent).encode()
    assert [json.loads(one or b"") for one in items(pieces(array, size))] == made
    apart = b"\n".join(json.dumps(one, indent=indent).encode() for one in made)
    assert [json.loads(one or b"") for one in items(pieces(apart, size))] == made


def test_items_that_are_broken_or_too_long_are_told() -> None:
    found = rows(b'[{"a":1},{"a":tru},{"a":2}', "a.json")
    assert values(found) == [{"a": 1}, None, {"a": 2}]
    many = b",".join([b'"x"'] * bounds.BYTES_PER_ROW)
    found = rows(b'[{"a":[' + many + b']},{"a":2}]', "a.json", size=1 << 16)
    assert [one.error.code if one.error else one.values for one in found] == ["too_large", {"a": 2}]
    with pytest.raises(RefusedFileError):
        rows(b'[{"a":"' + b"x" * (4 << 20), "a.json", size=1 << 16)


def test_lines_of_json() -> None:
    found = rows(b'{"a":1}\n\n[1]\n{"a"\n{"a":2}', "a.ndjson")
    assert [(one.line, one.values) for one in found] == [(1, {"a": 1}), (3, None), (4, None), (5, {"a": 2})]


def test_gzip_of_several_members_is_one_file() -> None:
    packed = gzip.compress(b"a,b\n") + gzip.compress(b"1,2\n") + bytes(16)
    assert b"".join(unpacked(pieces(packed, 3))) == b"a,b\n1,2\n"


@pytest.mark.parametrize("data", [b"no gzip", gzip.compress(b"x" * 1000, mtime=0)[:-9]])
def test_what_is_no_gzip_is_refused(data: bytes) -> None:
    with pytest.raises(RefusedFileError) as refused:
        b"".join(unpacked(pieces(data, 5)))
    assert refused.value.reason == "not_gzip"


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    bomb = gzip.compress(bytes(1 << 20), compresslevel=9) * 100
    made = 0

    def unpack() -> None:
        nonlocal made
        for piece in unpacked(pieces(bomb, 1 << 16)):
            made += len(piece)

    with pytest.raises(RefusedFileError) as refused:
        unpack()
    assert refused.value.reason == "inflates_too_far"
    assert made <= bounds.INFLATION_FROM
