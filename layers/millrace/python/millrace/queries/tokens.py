"""The pieces of a SQL text: where a statement ends, and which words it has. What it means only DuckDB's parser says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<skip>\s+ | --[^\n]* | /\*.*?\*/)
    | (?P<text>'(?:[^']|'')*' | [eE]'(?:\\.|''|[^'\\])*')
    | (?P<dollar>\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<word>[^\W\d]\w*)
    | (?P<number>\d+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of SQL: `kind` is skip (spaces, comments), text, dollar, quoted, word, number or other."""

    kind: str
    text: str
    start: int
    end: int

    @property
    def name(self) -> str:
        """A word in lower case, a quoted name as it is."""
        return self.text[1:-1].replace('""', '"') if self.kind == "quoted" else self.text.lower()

    @property
    def is_name(self) -> bool:
        return self.kind in {"word", "quoted"}


def scan(sql: str) -> Iterator[Token]:
    """Every character of a text in one token; what opens a string that nothing closes is a token of its own."""
    for match in _TOKEN.finditer(sql):
        # The last group that matched is the tag of a dollar quote, if it is one.
        kind = "dollar" if match["dollar"] is not None else str(match.lastgroup)
        yield Token(kind, match[0], match.start(), match.end())


def split(text: str) -> tuple[list[str], str]:
    """The statements of a text that end with a semicolon, and what is left behind the last of them."""
    statements, start = [], 0
    for token in scan(text):
        if token.kind == "other" and (token.text in {"'", '"'} or text.startswith("/*", token.start)):
            # Not closed yet: what follows is still part of it.
            break
        if token.text == ";":
            statements.append(text[start : token.start].strip())
            start = token.end
    return [one for one in statements if words(one)], text[start:].strip()


def words(text: str) -> list[Token]:
    """The tokens without spaces and comments."""
    return [token for token in scan(text) if token.kind != "skip"]


def bare(text: str) -> str:
    """A statement without the semicolon at its end and comments behind it; lines before it stay."""
    tokens = words(text)
    while tokens and tokens[-1].text == ";":
        tokens.pop()
    return text[: tokens[-1].end] if tokens else text
