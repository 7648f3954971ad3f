"""The audit as a file that is verified without the platform: a JSON document a line, anchors first, then the lines of each chain."""

import base64
from collections.abc import Iterable, Iterator
from typing import Any

import orjson

from millrace.audit import anchor as anchors
from millrace.audit.anchor import Anchor
from millrace.audit.store import ANCHORED, PLATFORM, AuditStore
from millrace.audit.verify import Verdict, added, verify_anchors, verify_chain
from millrace.core import clock
from millrace.core.audit import Head, Line


def documents(store: AuditStore, org: str | None = None) -> Iterator[dict[str, Any]]:
    """What an export holds.

    Args:
        store: where it is read.
        org: only this tenant: its lines, and of anchors only what they keep of it; so their digests cannot be checked.

    Raises:
        ValueError: an object below the anchors is none.
        MillraceError: table or lake did not answer.
    """
    for one in store.anchors():
        if org is None:
            body = store.objects.get(one.key)
            yield {"kind": "anchor", "key": one.key, "body": base64.b64encode(body).decode()}
        elif org in one.heads:
            yield {"kind": "head", "org": org, "key": one.key, "head": list(one.heads[org])}
    for chain in store.chains() if org is None else [org]:
        for line in store.lines(chain):
            yield {"kind": "line", "org": chain, **line.to_json()}


def verify(given: Iterable[bytes]) -> Verdict:
    """Checks an export.

    Args:
        given: its lines.

    Raises:
        ValueError: it is none.
    """
    kept: list[Anchor] = []
    heads: dict[str, dict[str, Head]] = {}
    lines: dict[str, list[Line]] = {}
    for number, text in enumerate(given, start=1):
        try:
            document = orjson.loads(text)
            match document["kind"]:
                case "anchor":
                    kept.append(anchors.read(document["key"], base64.b64decode(document["body"])))
                case "head":
                    of_org = heads.setdefault(document["org"], {})
                    position, digest, at = document["head"]
                    of_org[document["key"]] = Head(position, digest, at)
                case "line":
                    lines.setdefault(document["org"], []).append(_line(document))
                case other:
                    _refuse(other)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number} is not of an export of the audit: {error}") from error
    for one in kept:
        for org, head in one.heads.items():
            heads.setdefault(org, {})[one.key] = head
    verdict, now = Verdict(), clock.now()
    if kept:
        details = [orjson.loads(one.detail) for one in lines.get(PLATFORM, ()) if one.action == ANCHORED]
        verdict = verify_anchors(kept, {detail["key"]: detail["sha256"] for detail in details})
    for org in sorted({*lines, *heads}):
        verdict = added(verdict, verify_chain(org, lines.get(org, ()), heads.get(org, {}), now))
    return verdict


def _refuse(kind: object) -> None:
    raise ValueError(f"it has a document of kind {kind!r}")


def _line(document: dict[str, Any]) -> Line:
    detail = orjson.dumps(document["detail"], option=orjson.OPT_SORT_KEYS).decode()
    return Line(
        document["org"],
        document["number"],
        document["at"],
        document["action"],
        document["principal"],
        detail,
        document["name"],
        document["previous"],
        document["previousAt"],
        document["hash"],
    )
