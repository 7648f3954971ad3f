"""The audit as a file that is verified without the platform: a JSON document a line.

Anchors come first, then the lines of each chain, and at last the ends that the chains had (`end`), without which a file is cut.
"""

import base64
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import orjson

from millrace.audit import anchor as anchors
from millrace.audit.anchor import Anchor
from millrace.audit.store import PLATFORM, AuditStore, told_of
from millrace.audit.verdict import CHANGED, CUT, INSERTED, Broken, Verdict
from millrace.audit.verify import verify_anchors, verify_chain
from millrace.core import clock
from millrace.core.audit import Head, Line


def documents(store: AuditStore, org: str | None = None) -> Iterator[dict[str, Any]]:
    """What an export holds.

    Args:
        store: where it is read.
        org: only this tenant: its lines, and of anchors only what they keep of it; so their digests cannot be checked.

    Raises:
        MillraceError: table or lake did not answer.
    """
    if org is None:
        for key, body in store.anchor_objects():
            yield {"kind": "anchor", "key": key, "body": base64.b64encode(body).decode()}
    else:
        for one in store.anchors()[0]:
            if org in one.heads:
                yield {"kind": "head", "org": org, "key": one.key, "head": list(one.heads[org])}
    ends: dict[str, Head] = {}
    for chain in store.chains() if org is None else [org]:
        for line in store.lines(chain):
            ends[chain] = line.head
            yield {"kind": "line", "org": chain, **line.to_json()}
    yield {"kind": "end", "org": org, "chains": {chain: list(head) for chain, head in ends.items()}}


def verify(given: Iterable[bytes]) -> Verdict:
    """Checks an export.

    Args:
        given: its lines.

    Raises:
        ValueError: it is none.
    """
    file = _File()
    for number, text in enumerate(given, start=1):
        try:
            if text.strip():
                file.add(orjson.loads(text))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number} is not of an export of the audit: {error}") from error
    return file.verdict(clock.now())


class _File:
    """What a file holds."""

    def __init__(self) -> None:
        self._anchors: list[Anchor] = []
        self._broken: list[Broken] = []
        self._heads: dict[str, dict[str, Head]] = {}
        self._lines: dict[str, list[Line]] = {}
        self._ends: dict[str, Head] | None = None
        self._org: str | None = None
        self._behind_the_end = 0

    def add(self, document: dict[str, Any]) -> None:
        """Takes the next document."""
        kind = document["kind"]
        if self._ends is not None:
            self._behind_the_end += 1
        if kind == "anchor":
            self._add_anchor(document["key"], base64.b64decode(document["body"]))
        elif kind == "head":
            self._heads.setdefault(document["org"], {})[document["key"]] = _head(document["head"])
        elif kind == "line":
            self._lines.setdefault(document["org"], []).append(_line(document))
        elif kind == "end":
            self._org = document["org"]
            self._ends = {org: _head(head) for org, head in document["chains"].items()}
        else:
            _refuse(kind)

    def _add_anchor(self, key: str, body: bytes) -> None:
        try:
            anchor = anchors.read(key, body)
        except ValueError as error:
            self._broken.append(Broken(CHANGED, str(error), anchor=str(key)))
            return
        self._anchors.append(anchor)
        for org, head in anchor.heads.items():
            self._heads.setdefault(org, {})[anchor.key] = head

    def verdict(self, now: datetime) -> Verdict:
        """What is wrong with it."""
        verdict = Verdict(broken=[*self._broken], org=self._org)
        if self._anchors or self._broken:
            told = told_of(self._lines.get(PLATFORM, ()))
            for one in self._broken:
                told.pop(one.anchor or "", None)
            verdict.add(verify_anchors(self._anchors, told))
        ends = self._ends or {}
        for org in sorted({*self._lines, *self._heads, *ends}):
            lines, heads = self._lines.get(org, ()), self._heads.get(org, {})
            verdict.add(verify_chain(org, lines, heads, now, saved=ends.get(org)))
        verdict.refuse_nothing()
        if self._ends is None and verdict.lines:
            verdict.broken.append(Broken(CUT, "the file has no end, so some of what was saved is missing"))
        if self._behind_the_end:
            verdict.broken.append(
                Broken(INSERTED, f"{self._behind_the_end} documents stand behind the end of the file")
            )
        return verdict


def _refuse(kind: object) -> None:
    raise ValueError(f"it has a document of kind {kind!r}")


def _head(given: list[Any]) -> Head:
    number, digest, at = given
    return Head(_number(number), str(digest), str(at))


def _number(given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool):
        raise ValueError(f"{given!r} is not the number of a line")  # noqa: TRY004  the file is wrong, not the program
    return given


def _line(document: dict[str, Any]) -> Line:
    detail = orjson.dumps(document["detail"], option=orjson.OPT_SORT_KEYS).decode()
    texts = [
        document[name]
        for name in ("org", "at", "action", "principal", "name", "previous", "previousAt", "hash")
    ]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("it has a value that is not a text")
    org, at, action, principal, name, previous, previous_at, digest = texts
    number = _number(document["number"])
    return Line(org, number, at, action, principal, detail, name, previous, previous_at, digest)
