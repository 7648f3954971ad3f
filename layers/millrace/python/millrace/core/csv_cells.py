"""Cells of CSV that a spreadsheet takes for texts and not for formulas. Pure.

A text that begins like a formula gets an apostrophe in front; what is a number stays one, `-5` too. Fields are of anybody who sends events, and a formula
may send the rest of the sheet away. OWASP, "CSV Injection": https://owasp.org/www-community/attacks/CSV_Injection
"""

import re

# Also in the forms of full width, which some programs take for the same characters.
_BEGINS = frozenset("=+-@\t\r\n＝＋－＠")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def cell(text: str) -> str:
    """The text of a cell: as it is, or behind an apostrophe where it begins like a formula and is no number."""
    if not text or text[0] not in _BEGINS or _NUMBER.fullmatch(text):
        return text
    return f"'{text}"
