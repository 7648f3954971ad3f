"""Cells of CSV: what a spreadsheet would take for a formula is a text, and numbers stay numbers."""

import pytest

from millrace.core.csv_cells import cell


@pytest.mark.parametrize(
    "text",
    [
        "=1+1",
        "+cmd|' /C calc'!A0",
        "-2+3",
        "-5 EUR",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "=",
        "-",
        "--1",
        "+1.",
        "-1e",
        "-٣",
        "＝1+1",
    ],
)
def test_what_begins_like_a_formula_is_a_text(text: str) -> None:
    assert cell(text) == f"'{text}"


@pytest.mark.parametrize(
    "text", ["", "a=1", "-5", "+5", "-1.50", "-1.5e-7", "+49171234567", "1", "'=1", " =1", "{}"]
)
def test_everything_else_stays_as_it_is(text: str) -> None:
    assert cell(text) == text
