r"""Texts with wildcards, as Sigma writes them: `*` for any characters, `?` for one, `\*`, `\?` and `\\` for themselves. Pure.

A backslash before any other character is a backslash. In any case of letters means: letter by letter in the lower case that
Unicode gives to a single character, as DuckDB's and Trino's `lower` do. Python's own also makes two characters of `İ` and looks
around a `Σ`.
"""

import re
from collections.abc import Callable

Test = Callable[[str], bool]
_TOKEN = re.compile(r"\\([\\*?])|([*?])|(.)", re.DOTALL)
_DOTTED_I = "\u0130"


def folded(text: str) -> str:
    """The text in lower case, letter by letter."""
    if text.isascii():
        return text.lower()
    return "".join("i" if letter == _DOTTED_I else letter.lower() for letter in text)


def test(pattern: str) -> Test:
    """Whether a text is of a pattern, in any case of letters."""
    fits = test_cased(folded(pattern))
    return lambda text: fits(folded(text))


def test_cased(pattern: str) -> Test:
    """Whether a text is of a pattern, in its case of letters; in a time linear in the text, whatever a client sends."""
    pieces = [""]
    lengths = [0]
    for literal, wildcard, other in _TOKEN.findall(pattern):
        if wildcard == "*":
            pieces.append("")
            lengths.append(0)
        else:
            pieces[-1] += "." if wildcard else re.escape(literal or other)
            lengths[-1] += 1
    # Nothing in a piece repeats, so none of them looks at a place twice.
    head, *others = [re.compile(piece, re.DOTALL) for piece in pieces]
    if not others:
        return lambda text: head.fullmatch(text) is not None
    *middle, tail = others

    def fits(text: str) -> bool:
        found, end = head.match(text), len(text) - lengths[-1]
        for piece in middle:
            found = found and piece.search(text, found.end(), end)
        return found is not None and found.end() <= end and tail.match(text, end) is not None

    return fits


def sql_pattern(pattern: str, *, cased: bool = False) -> str:
    """The pattern as SQL's LIKE has it, with a backslash as its escape; in lower case where case does not count."""
    said = ""
    for literal, wildcard, other in _TOKEN.findall(pattern):
        said += {"*": "%", "?": "_"}.get(wildcard) or re.sub(r"([\\%_])", r"\\\1", literal or other)
    return said if cased else folded(said)


def escaped(text: str) -> str:
    """The pattern of this text and no other."""
    return re.sub(r"([\\*?])", r"\\\1", text)
