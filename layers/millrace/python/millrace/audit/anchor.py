"""An anchor: the ends of all chains at one moment, and the digest of the anchor before it, as one object. Pure."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import orjson

from millrace.core import clock
from millrace.core.audit import Head
from millrace.core.prefixes import ANCHORS

_VERSION = 1
_SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class Anchor:
    """One anchor.

    Attributes:
        key: of its object.
        at: when it was written, UTC.
        previous_key: of the anchor before; empty in the first.
        previous_digest: SHA-256 of that object, as hex; empty in the first.
        heads: tenant → the end of its chain.
        digest: SHA-256 of this object, as hex.
    """

    key: str
    at: str
    previous_key: str
    previous_digest: str
    heads: Mapping[str, Head]
    digest: str


def key_of(day: str) -> str:
    """`audit/anchors/2026-11-30.json`: one a day, so that their order is that of their keys."""
    return f"{ANCHORS}{day}{_SUFFIX}"


def write(heads: Mapping[str, Head], previous: Anchor | None, at: datetime) -> tuple[Anchor, bytes]:
    """The anchor of a moment, and its object's bytes."""
    document = {
        "version": _VERSION,
        "at": clock.utc_text(at),
        "previous": None if previous is None else [previous.key, previous.digest],
        "heads": {org: list(head) for org, head in heads.items()},
    }
    body = orjson.dumps(document, option=orjson.OPT_SORT_KEYS)
    return read(key_of(clock.day_text(at)), body), body


def read(key: str, body: bytes) -> Anchor:
    """The anchor of an object.

    Raises:
        ValueError: it is none.
    """
    try:
        document = orjson.loads(body)
        previous_key, previous_digest = document["previous"] or ("", "")
        heads = {org: Head(number, end, at) for org, (number, end, at) in document["heads"].items()}
        return Anchor(
            key, document["at"], previous_key, previous_digest, heads, hashlib.sha256(body).hexdigest()
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ValueError(f"{key} is not an anchor of the audit: {type(error).__name__}: {error}") from error
