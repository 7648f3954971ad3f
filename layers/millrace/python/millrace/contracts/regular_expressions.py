r"""Patterns that every engine reads alike: ECMA-262 with `u`, Python, Rust, RE2, Java and .NET. Pure.

Left out is what they read differently: `\d`, `\w`, `\s` and `\b` (Unicode in some), `.` (which ends of lines it passes over),
flags, look-around, references, properties, operations on classes. `$` is the end of the text in ECMA-262 and Rust; elsewhere
it also stands before an end of line that is the text's last character, so what is matched before a `$` holds no line feed,
and `ends_of_lines` says what a schema has to forbid besides.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

# What an engine may take for an end of line before which `$` matches.
_ENDS = "\n\r\u0085\u2028\u2029"
_ESCAPE = r"\\(?:[\^$\\.*+?()\[\]{}|/nrtfv]|x[0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4})"
_CLASS = rf"\[\^?(?:(?!&&|--|~~)[^\\\[\]]|{_ESCAPE}|\\-)+\]"
_REPEAT = r"(?:[?*+]|\{[0-9]+(?:,[0-9]*)?\})\??(?![?*+{])"
_PART = re.compile(
    rf"{_ESCAPE}|{_CLASS}|\((?!\?)|\(\?:|[)|]|{_REPEAT}|[\^$](?![?*+{{])|[^\\\[\](){{}}|?*+.\^$]"
)

# What authors write → what means the same to every engine.
_INSTEAD = {
    **{r"\d": "[0-9]", r"\D": "[^0-9]", r"\w": "[A-Za-z0-9_]", r"\W": "[^A-Za-z0-9_]"},
    **{r"\s": r"[ \t]", r"\S": r"[^ \t\r\n]", ".": r"[^\r\n]", "(?": "it without look-around and flags"},
}


def problem(pattern: str) -> str | None:
    """What is wrong with a pattern, as a sentence; None if every engine reads it alike."""
    at = 0
    while at < len(pattern):
        match = _PART.match(pattern, at)
        if match is None:
            next_characters = pattern[at : at + 8]
            instead = next(
                (
                    f": write {_INSTEAD[part]}"
                    for part in (next_characters[:2], next_characters[:1])
                    if part in _INSTEAD
                ),
                "",
            )
            return f"engines read {next_characters!r} in its pattern differently{instead}; see docs/api.md, Patterns"
        at = match.end()
    try:
        re.compile(pattern)
    except (re.error, OverflowError) as error:
        return f"its pattern is none: {error}"
    if "$" in _parts(pattern) and "\n" not in ends_of_lines(pattern):
        return "before $ its pattern matches a line feed, and engines differ about $ before one; leave \\n out of its classes"
    return None


@lru_cache(maxsize=1024)
def ends_of_lines(pattern: str) -> str:
    """Characters that no text can hold which matches the pattern, but which an engine may pass over at its `$`."""
    parts = list(_parts(pattern))
    if "$" not in parts:
        return ""
    return "".join(end for end in _ENDS if not any(_matches(part, end) for part in parts))


def _parts(pattern: str) -> Iterator[str]:
    return (match[0] for match in _PART.finditer(pattern))


def _matches(part: str, character: str) -> bool:
    """Whether a part that stands for one character can be this one."""
    stands_for_one = part[0] in "\\[" or (len(part) == 1 and part not in "()|?*+^$")
    return stands_for_one and re.fullmatch(part, character) is not None
