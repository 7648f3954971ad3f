"""Chains in Metadata and anchors in the lake: read whole, and anchored once a day."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

import orjson

from millrace.audit import anchor as anchors
from millrace.audit.anchor import Anchor
from millrace.audit.verdict import CHANGED, Broken, Verdict
from millrace.audit.verify import verify_anchors, verify_chain
from millrace.core import audit, clock
from millrace.core.audit import Head, Line
from millrace.core.objects import Objects
from millrace.core.prefixes import ANCHORS
from millrace.core.table import Table

PLATFORM = "platform"
ANCHORED = "audit.anchored"
VERIFY_FAILED = "audit.verify-failed"
PRINCIPAL = "keep_audit"
# Of what is broken, as a line tells of it.
MOST_TOLD = 20


@dataclass(frozen=True, slots=True)
class Chains:
    """Where lines are."""

    metadata: Table

    def chains(self) -> list[str]:
        """The tenants that have a chain; `platform` has the platform's own.

        Raises:
            MillraceError: the table did not answer.
        """
        rows = self.metadata.query(
            "entityTypeKey = :chains",
            {":chains": {"S": audit.chains()}},
            consistent=True,
            doing="list audit chains",
        )
        return [row["entityId"]["S"] for row in rows]

    def lines(self, org: str, after: int = 0) -> Iterator[Line]:
        """A tenant's lines, oldest first.

        Args:
            org: the tenant.
            after: only those behind the line of this number.
        """
        rows = self.metadata.query(
            "entityTypeKey = :key AND entityId > :after",
            {":key": {"S": audit.partition(org)}, ":after": {"S": audit.sort_key(after)}},
            consistent=True,
            doing="read audit",
        )
        return (audit.of_item(org, row) for row in rows)

    def before(self, org: str, number: int | None = None) -> Iterator[Line]:
        """A tenant's lines, newest first.

        Args:
            org: the tenant.
            number: only those before the line of this number; None: all.
        """
        condition, values = "entityTypeKey = :key", {":key": {"S": audit.partition(org)}}
        if number is not None:
            condition += " AND entityId < :below"
            values[":below"] = {"S": audit.sort_key(number)}
        rows = self.metadata.query(condition, values, consistent=True, newest_first=True, doing="read audit")
        return (audit.of_item(org, row) for row in rows)


@dataclass(frozen=True, slots=True)
class AuditStore(Chains):
    """Where lines and anchors are."""

    objects: Objects

    def anchors(self) -> tuple[list[Anchor], list[Broken]]:
        """All anchors, oldest first, and the objects that are none.

        Raises:
            MillraceError: the lake did not answer.
        """
        kept: list[Anchor] = []
        broken: list[Broken] = []
        for key, body in self.anchor_objects():
            try:
                kept.append(anchors.read(key, body))
            except ValueError as error:
                broken.append(Broken(CHANGED, str(error), anchor=key))
        return kept, broken

    def anchor_objects(self) -> Iterator[tuple[str, bytes]]:
        """The keys and bodies of the objects below the anchors, oldest first.

        Raises:
            MillraceError: the lake did not answer.
        """
        for one in self.objects.list_objects(ANCHORS, doing="list anchors of the audit"):
            yield one.key, self.objects.get(one.key)

    def known(self) -> list[str]:
        """The tenants that have a chain or had one: where nothing is left of it, anchors know it.

        Raises:
            MillraceError: table or lake did not answer.
        """
        return sorted({*self.chains(), *(org for one in self.anchors()[0] for org in one.heads)})

    def anchor(self, now: datetime) -> Anchor | None:
        """Writes the anchor of a day; None where the day has one. Made again after a crash, it goes on where it was.

        Raises:
            MillraceError: table or lake did not answer.
        """
        previous = self._newest_anchor()
        if previous is not None:
            # Whoever wrote it may have been killed before the line; a second line of the name is not written.
            self._tell(previous)
            if previous.key >= anchors.key_of(clock.day_text(now)):
                return None
        heads = {org: head for org in self.chains() if (head := self._head(org)).number}
        made, body = anchors.write(heads, previous, now)
        if not self.objects.put_new(made.key, body, content_type="application/json", doing="anchor audit"):
            made = anchors.read(made.key, self.objects.get(made.key))
        self._tell(made)
        return made

    def verify(self, orgs: Iterable[str] | None = None, now: datetime | None = None) -> Verdict:
        """Checks chains and anchors.

        Args:
            orgs: the chains; all of them if None. Anchors are checked in both cases.
            now: the present moment.

        Raises:
            MillraceError: table or lake did not answer.
        """
        moment, (kept, broken) = now or clock.now(), self.anchors()
        verdict, told = Verdict(broken=broken), self._told()
        for one in broken:
            told.pop(one.anchor or "", None)
        verdict.add(verify_anchors(kept, told))
        if orgs is None:
            # A chain of which nothing is left is known by the anchors.
            named = {org for one in kept for org in one.heads}
            orgs = sorted({*self.chains(), *named})
        for org in orgs:
            heads = {one.key: one.heads[org] for one in kept if org in one.heads}
            verdict.add(verify_chain(org, self.lines(org), heads, moment))
        return verdict

    def verify_new(self, now: datetime) -> Verdict:
        """Checks each chain from the newest anchor on: what came since, and that what it names is there.

        A failure is a line in the platform's own chain, once a day.

        Raises:
            MillraceError: table or lake did not answer.
        """
        newest = self._newest_anchor()
        heads = {} if newest is None else newest.heads
        verdict = Verdict()
        for org in sorted({*self.chains(), *heads}):
            first = heads.get(org, Head(1)).number
            anchored = {newest.key: heads[org]} if newest is not None and org in heads else {}
            verdict.add(verify_chain(org, self.lines(org, first - 1), anchored, now, first))
        if verdict.broken:
            told = [one.to_json() for one in verdict.broken[:MOST_TOLD]]
            detail = {"count": len(verdict.broken), "broken": told}
            name = f"{VERIFY_FAILED}#{clock.day_text(now)}"
            audit.write(self.metadata, PLATFORM, VERIFY_FAILED, PRINCIPAL, detail, name)
        return verdict

    def _head(self, org: str) -> Head:
        line = audit.newest(self.metadata, org)
        return Head() if line is None else line.head

    def _newest_anchor(self) -> Anchor | None:
        keys = [one.key for one in self.objects.list_objects(ANCHORS, doing="list anchors of the audit")]
        return anchors.read(keys[-1], self.objects.get(keys[-1])) if keys else None

    def _tell(self, made: Anchor) -> None:
        detail = {"key": made.key, "sha256": made.digest, "chains": len(made.heads)}
        audit.write(self.metadata, PLATFORM, ANCHORED, PRINCIPAL, detail, made.key)

    def _told(self) -> dict[str, str]:
        return told_of(self.lines(PLATFORM))


def told_of(lines: Iterable[Line]) -> dict[str, str]:
    """The key and the digest of each anchor that lines of the platform's chain tell of; one that was changed tells of none."""
    details = [
        orjson.loads(one.detail) for one in lines if one.action == ANCHORED and one.hash == one.expected
    ]
    return {detail["key"]: detail["sha256"] for detail in details}
