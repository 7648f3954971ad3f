"""The items of an array that as a whole is not JSON, so that an event is judged alike beside a broken one and alone."""

import re

# Texts are skipped whole; with a quote that is never closed, what is inside a text and what is outside is unknown.
_MARK = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
_SPACE = b" \t\r\n"


def items(body: bytes) -> list[bytes] | None:
    """The bytes of each item, sound or not; None where brackets and quotes do not make an array of the body."""
    body = body.strip(_SPACE)
    if not body.startswith(b"["):
        return None
    parts: list[bytes] = []
    depth, start = 0, 1
    for mark in _MARK.finditer(body):
        match body[mark.start()], mark.end() - mark.start():
            case ((0x5B | 0x7B), _):  # [ {
                depth += 1
            case ((0x5D | 0x7D), _):  # ] }
                depth -= 1
                if depth == 0:
                    parts.append(body[start : mark.start()].strip(_SPACE))
                    return parts if mark.end() == len(body) and body.endswith(b"]") else None
            case 0x2C, _ if depth == 1:  # ,
                parts.append(body[start : mark.start()].strip(_SPACE))
                start = mark.end()
            case 0x22, 1:  # a quote alone
                return None
    return None
