"""Ids in paths: any text is one segment, and no segment is taken for another id.

A segment is the id itself, or `~` and the id's UTF-8 as base64url without padding (RFC 4648, section 5). What stands between a
client and a function decodes escapes before it looks for the route: an HTTP API cuts at an encoded `?`, takes an encoded `/` for
the end of the segment, and leaves `%25` where it decodes all others. So a percent sign that arrives may be of one id or of
another: it is refused, and such ids are named by `~`.
"""

import base64
import binascii
import re

MARK = "~"
NAMED = f"write {MARK} and the id's UTF-8 as base64url without padding in its place"
# What arrives as it was sent, however often it is decoded on the way; `.` and `..` are steps.
_PLAIN = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")


def segment(text: str) -> str:
    """The segment of a path that names an id, as clients write it.

    Raises:
        UnicodeEncodeError: the text has half a surrogate pair, which no id has.
    """
    return text if _PLAIN.fullmatch(text) else named(text)


def named(text: str) -> str:
    """The segment that names an id by its code: an id that is a word of another path, such as `requests`, has to be named so.

    Raises:
        UnicodeEncodeError: as in `segment`.
    """
    return MARK + base64.urlsafe_b64encode(text.encode("utf-8")).rstrip(b"=").decode("ascii")


def read(arrived: str) -> str:
    """The id that a segment names, as the gateway hands the segment over.

    Raises:
        ValueError: it may name several ids, or none; the message is a sentence.
    """
    if arrived.startswith(MARK):
        return _decoded(arrived.removeprefix(MARK))
    if "%" in arrived:
        raise ValueError(f"an id in the path has a percent sign: {NAMED}")
    return arrived


def _decoded(written: str) -> str:
    error = f"an id in the path begins with {MARK} and is not base64url of UTF-8 without padding"
    if not _BASE64URL.fullmatch(written) or len(written) % 4 == 1:
        raise ValueError(error)
    try:
        found = base64.urlsafe_b64decode(written + "=" * (-len(written) % 4)).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError) as wrong:
        raise ValueError(error) from wrong
    # Bits that are left over would give one id several names.
    if base64.urlsafe_b64encode(found.encode()).rstrip(b"=").decode() != written:
        raise ValueError(error)
    return found
