"""JSON read without changing a number: integers beyond 64 bits stay integers, where orjson makes floats of them."""

import json
import re
import secrets
from typing import Any

import orjson

# What a column of 64 bits with sign holds.
SMALLEST, LARGEST = -(2**63), 2**63 - 1
TOO_LONG = "an integer beyond 64 bits cannot be kept exactly: send it as text"
# Such an integer has 19 digits or more. Looked for as nineteen zeros among digits made zeros, from behind, where the search
# leaps over what is not a digit: a thirtieth of the time that a regular expression takes for each body.
_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)
_LONG = b"0" * 19
# From a place in sound JSON to the next integer of 19 digits or more, past texts, past numbers with a fraction or an
# exponent, past short integers. Every repeat is possessive, so the time is linear whatever the body.
_NEXT = re.compile(
    rb"(?:"
    rb'[^"0-9-]++'
    rb'|"(?:[^"\\]++|\\.)*+"'
    rb"|-?[0-9]++[.eE][0-9eE+-]++"
    rb"|-?[0-9]{1,18}+(?![0-9])"
    rb")*+(-?[0-9]++)",
    re.DOTALL,
)
_LARGEST_DIGITS, _SMALLEST_DIGITS = str(LARGEST).encode(), str(-SMALLEST).encode()


def loads(raw: bytes) -> tuple[Any, bool]:
    """The value of some JSON, and whether it holds an integer beyond 64 bits.

    Only a body with a long run of digits is read a second time, number by number: such digits may also be part of a text
    or a float.

    Raises:
        orjson.JSONDecodeError: it is not JSON.
    """
    value = orjson.loads(raw)
    if raw.translate(_DIGITS_TO_ZEROS).rfind(_LONG) < 0:
        return value, False
    mark = secrets.token_hex(16)
    marked = _marked(raw, mark.encode())
    if marked is None:
        return value, False
    whole = [orjson.loads(marked)]
    _restore(whole, mark)
    return whole[0], True


def dumps(value: Any) -> bytes:
    """JSON of what `loads` read, also where orjson cannot write it: it nests too deep, or an integer is too long."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        try:
            return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        except RecursionError:
            return b"".join(_pieces(value))


def beyond(value: Any) -> tuple[str | int, ...] | None:
    """Path of the first integer beyond 64 bits, by the names of fields; None if there is none."""
    left: list[tuple[Any, tuple[Any, ...]]] = [(value, ())]
    while left:
        current, path = left.pop()
        if isinstance(current, dict):
            # By name: the order of keys says nothing.
            names = sorted((name for name, inner in current.items() if _is_sought(inner)), reverse=True)
            left += [(current[name], (path, name)) for name in names]
        elif isinstance(current, list):
            inside = [(inner, (path, index)) for index, inner in enumerate(current) if _is_sought(inner)]
            left += reversed(inside)
        elif _is_sought(current):
            parts: list[str | int] = []
            while path:
                path, part = path
                parts.append(part)
            return tuple(reversed(parts))
    return None


def _is_sought(value: Any) -> bool:
    return isinstance(value, (dict, list)) or (isinstance(value, int) and not SMALLEST <= value <= LARGEST)


def _marked(raw: bytes, mark: bytes) -> bytes | None:
    """The same JSON with each integer beyond 64 bits as a text: the mark and its digits. None if there is none."""
    pieces: list[bytes] = []
    at = 0
    while (match := _NEXT.match(raw, at)) is not None:
        if _is_beyond(match[1]):
            pieces += [raw[at : match.start(1)], b'"', mark, match[1], b'"']
        else:
            pieces.append(raw[at : match.end()])
        at = match.end()
    return b"".join([*pieces, raw[at:]]) if mark in pieces else None


def _is_beyond(digits: bytes) -> bool:
    limit = _SMALLEST_DIGITS if digits.startswith(b"-") else _LARGEST_DIGITS
    digits = digits.lstrip(b"-")
    return (len(digits), digits) > (len(limit), limit)


def _restore(whole: list[Any], mark: str) -> None:
    """Puts the integers in the place of the texts that stand for them."""
    left: list[Any] = [whole]
    while left:
        holder = left.pop()
        for key, inner in list(holder.items() if isinstance(holder, dict) else enumerate(holder)):
            if isinstance(inner, (dict, list)):
                left.append(inner)
            elif isinstance(inner, str) and inner.startswith(mark):
                holder[key] = int(inner[len(mark) :])


def _pieces(value: Any) -> list[bytes]:
    """Without recursion: bytes on the stack are text, everything else is still to be written."""
    done: list[bytes] = []
    left: list[Any] = [value]
    while left:
        item = left.pop()
        if isinstance(item, bytes):
            done.append(item)
        elif isinstance(item, dict):
            left.append(b"}")
            for number, (name, inner) in reversed(list(enumerate(item.items()))):
                left += [inner, (b"," if number else b"") + orjson.dumps(name) + b":"]
            left.append(b"{")
        elif isinstance(item, list):
            left.append(b"]")
            for number, inner in reversed(list(enumerate(item))):
                left += [inner, b","] if number else [inner]
            left.append(b"[")
        elif isinstance(item, int) and not isinstance(item, bool):
            done.append(str(item).encode())
        else:
            done.append(orjson.dumps(item))
    return done
