"""JSON pointers (RFC 6901) into events, parsed once and read often."""

from collections.abc import Iterable
from functools import cache
from typing import Any


def parse_once(pointer: str) -> tuple[str, ...]:
    """`/data/payload/a~1b` as its parts, unescaped."""
    return tuple(part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:])


@cache
def parse(pointer: str) -> tuple[str, ...]:
    """The same, remembered: only for pointers of contracts, never of clients."""
    return parse_once(pointer)


def write(parts: Iterable[str | int]) -> str:
    """The pointer of these parts, escaped; the root is the empty text."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


def read(event: Any, parts: tuple[str, ...]) -> Any:
    """What stands there; None where nothing does, and where a part leads through something that is not an object."""
    try:
        for part in parts:
            event = event[part]
    except (KeyError, TypeError, IndexError):
        return None
    return event


def as_text(value: Any) -> str | None:
    """A scalar as it stands in a key: texts as they are, integers in digits (`42.0` is the JSON integer 42).

    Everything else, the empty text included, is not a name and gives None.
    """
    if isinstance(value, str):
        return value or None
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return None
