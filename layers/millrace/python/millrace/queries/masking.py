"""The text of a query as the audit keeps it: what it asks of which tables, without what its caller wrote for a value. Pure."""

import re
from dataclasses import dataclass

from millrace.queries.tokens import Token, scan

_PLACE = "?"
_PLAIN = re.compile(r'"[A-Za-z0-9_]+"')
_DECIMAL = re.compile(r"\?(?:\.\?)+")
# Shorter literals are no person's, and may stand in any word of a message.
_TELLING = 3


@dataclass(frozen=True, slots=True)
class Masked:
    """A text without its literals, and what they were."""

    text: str
    literals: tuple[str, ...]

    def message(self, text: str) -> str:
        """A message about the query without what its literals say."""
        for literal in sorted(self.literals, key=len, reverse=True):
            text = text.replace(literal, _PLACE)
        return text


def masked(sql: str) -> Masked:
    """`?` in place of each text and number, and of each name that is no plain one; no comments."""
    said, literals, number_ends = list[str](), list[str](), -1
    for token in scan(sql):
        if _is_open(token):
            # Where it would end nobody can say.
            said.append(_PLACE)
            literals.append(sql[token.start :].strip("'\"$"))
            break
        if token.kind == "word" and token.start == number_ends:
            continue  # Of `1e5`, `0xff` and `1_000` the rest.
        if token.kind == "skip":
            said.append(" ")
        elif token.kind in {"text", "dollar", "number"}:
            said.append(_PLACE)
            literals.append(_content(token))
        elif token.kind == "quoted" and not _PLAIN.fullmatch(token.text):
            said.append(f'"{_PLACE}"')
            literals.append(token.name)
        else:
            said.append(token.text)
        number_ends = token.end if token.kind == "number" else -1
    telling = (one for one in literals if len(one) >= _TELLING)
    return Masked(_DECIMAL.sub(_PLACE, "".join(said)).strip(), tuple(dict.fromkeys(telling)))


def _is_open(token: Token) -> bool:
    """Whether a text, a name or a comment begins here that nothing closes; a comment in a comment is DuckDB's to read."""
    if token.kind == "skip":
        return token.text.startswith("/*") and "/*" in token.text[2:]
    return token.kind == "other" and token.text in {"'", '"', "$"}


def _content(token: Token) -> str:
    if token.kind == "dollar":
        return token.text.strip("$")
    return token.text.removeprefix("e").removeprefix("E").strip("'")
