"""Any id is one segment of a path, and no segment is taken for another id."""

from typing import Any
from urllib.parse import quote, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.http import Problem, read_request
from millrace.core.path_ids import read, segment

ODD = [
    "100%",
    "100%25",
    "a/b",
    "a%2Fb",
    "a%252Fb",
    "~x",
    "~",
    "~eA",
    "é",
    " ",
    ".",
    "..",
    "...",
    "?",
    "a?b",
    "#",
    "+",
    "&",
]
ODD += ["x" * 4000, "😀", "\x7f", "a\nb", "-", "_", "%41"]


def sent(written: str, *, keeps_percent: bool) -> str:
    """A segment as it arrives behind a gateway that decodes every escape, or all but that of the percent sign."""
    return unquote(written.replace("%25", "%2525") if keeps_percent else written)


@pytest.mark.parametrize("keeps_percent", [False, True])
@pytest.mark.parametrize("name", ODD)
def test_odd_ids_are_named_whatever_the_gateway_decodes(name: str, keeps_percent: bool) -> None:
    written = segment(name)
    assert quote(written, safe="~") == written
    assert written not in (".", "..")
    assert read(sent(written, keeps_percent=keeps_percent)) == name


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), st.booleans())
def test_a_segment_that_is_percent_encoded_is_its_id_or_refused(name: str, keeps_percent: bool) -> None:
    assert read(sent(segment(name), keeps_percent=keeps_percent)) == name
    arrived = sent(quote(name, safe=""), keeps_percent=keeps_percent)
    if name.startswith("~"):
        return  # `~` says that the rest is base64url
    if "%" in name:
        with pytest.raises(ValueError, match="percent sign"):
            read(arrived)
    else:
        assert read(arrived) == name


@pytest.mark.parametrize(
    "written", ["~", "~x", "~eA==", "~eB", "~_w", "~eA/", "~e A", "~eA%3D", "~7aCA", "100%25", "100%"]
)
def test_what_names_nothing_or_several_ids_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="an id in the path"):
        read(written)


def test_ids_have_one_name_each() -> None:
    assert len({segment(one) for one in ODD}) == len(ODD)


def test_requests_have_the_ids_and_what_is_refused_is_the_callers_fault() -> None:
    def path(arrived: str) -> Any:
        return read_request({"pathParameters": {"id": arrived}}).path

    assert path(segment("a/b")) == {"id": "a/b"}
    with pytest.raises(Problem, match="base64url") as raised:
        path("100%25")
    assert raised.value.status == 400
