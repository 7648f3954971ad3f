"""Mutes: alerts of a kind, a rule or a subject that nobody is told of until a moment. Rows `org#mutes` of Metadata.

A mute has some of the three, and holds for alerts that have the same; with none it holds for all. It is not deleted but
replaced by one that ends now. Who muted what, and why, is in the row and in the tenant's audit.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from millrace.core import clock, keys
from millrace.core.table import Item, Table
from millrace.eventstore import derived_ids

REMEMBERED_SECONDS = 60.0
_KEPT = timedelta(days=90)
_PARTS = ("kind", "rule", "subject")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mute:
    """A mute; `kind`, `rule` and `subject` are empty where it does not matter what an alert has there."""

    until: datetime
    by: str
    reason: str
    kind: str = ""
    rule: str = ""
    subject: str = ""

    @property
    def mute_id(self) -> str:
        """Of what is muted: a second mute of the same replaces the first."""
        return derived_ids.event_id("mute", self.kind, self.rule, self.subject)

    def holds(self, kind: str, rule: str, subject: str, now: datetime) -> bool:
        """Whether an alert is muted by it."""
        wanted = (self.kind, self.rule, self.subject)
        return now < self.until and all(
            not want or want == has for want, has in zip(wanted, (kind, rule, subject), strict=True)
        )


class Mutes:
    """Reads and writes them; what was read is remembered for a minute."""

    def __init__(
        self,
        metadata: Table,
        seconds: Callable[[], float] = time.monotonic,
        *,
        remembered: float = REMEMBERED_SECONDS,
    ) -> None:
        """`remembered`: for how many seconds; 0 for answers that show what was changed just before."""
        self._metadata, self._seconds, self._remembers = metadata, seconds, remembered
        self._remembered: dict[str, tuple[float, list[Mute]]] = {}

    def put(self, org: str, mute: Mute, at: datetime) -> None:
        """Stores a mute.

        Raises:
            MillraceError: the table did not take it.
        """
        item: Item = {
            "entityTypeKey": {"S": keys.metadata(org, "mutes")},
            "entityId": {"S": mute.mute_id},
            "until": {"S": clock.utc_micros(mute.until)},
            "by": {"S": mute.by},
            "reason": {"S": mute.reason},
            "at": {"S": clock.utc_micros(at)},
            "expiresAt": {"N": str(clock.epoch(mute.until + _KEPT))},
        }
        item |= {name: {"S": getattr(mute, name)} for name in _PARTS if getattr(mute, name)}
        self._metadata.put(item, doing="mute alerts")
        self._remembered.pop(org, None)

    def of(self, org: str) -> list[Mute]:
        """A tenant's mutes, those that are over among them.

        Raises:
            MillraceError: the table did not answer.
        """
        known = self._remembered.get(org)
        if known is None or self._seconds() - known[0] >= self._remembers:
            rows = self._metadata.query(
                "entityTypeKey = :key", {":key": {"S": keys.metadata(org, "mutes")}}, doing="read mutes"
            )
            known = self._remembered[org] = self._seconds(), [_mute(row) for row in rows]
        return known[1]

    def until(self, org: str, kind: str, rule: str, subject: str, now: datetime) -> datetime | None:
        """Until when an alert is muted; None where it is not.

        Raises:
            MillraceError: the table did not answer.
        """
        return max((one.until for one in self.of(org) if one.holds(kind, rule, subject, now)), default=None)


def _mute(row: Item) -> Mute:
    parts = {name: row[name]["S"] for name in _PARTS if name in row}
    return Mute(until=clock.parse(row["until"]["S"]), by=row["by"]["S"], reason=row["reason"]["S"], **parts)
