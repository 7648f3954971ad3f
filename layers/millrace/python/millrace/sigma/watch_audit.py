"""Sigma rules over the audit: the lines that came to each chain since the last look, in the chain's order.

How far a chain was looked at is a row of Metadata, `platform#audit-watched#0` / `<org>`, which is written behind the alerts. Whoever is
killed before that looks at the same lines again, and finds the same alerts, which are raised once. A chain that was never looked
at begins an hour back: the past is not told. Nothing is passed over for being late, because lines are written by the platform, not by clients.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice

from millrace.alerts.alert import Alert
from millrace.audit.store import PLATFORM, Chains
from millrace.core import clock, keys
from millrace.core.audit import Line
from millrace.core.errors import MillraceError
from millrace.core.table import Item
from millrace.sigma import audit_lines
from millrace.sigma.line_source import LineRules, rounds

# Lines that are looked at together, and that a correlation looks back at most.
MOST_LINES = 1_000
FIRST_LOOK = timedelta(hours=1)
_WATCHED = keys.metadata(PLATFORM, "audit-watched", "0")


@dataclass(slots=True)
class Looked:
    """What a run did.

    Attributes:
        chains: that were looked at to their ends.
        lines: that were looked at.
        alerts: that were found, the open ones included.
        failed: tenants whose chains could not be looked at.
        left: chains, for want of time; the next run begins with them.
    """

    chains: int = 0
    lines: int = 0
    alerts: int = 0
    failed: list[str] = field(default_factory=list)
    left: int = 0


@dataclass(frozen=True, slots=True)
class AuditWatch:
    """Looks at chains. The platform's own chain is nobody's, and has an alarm where it does not fit.

    Attributes:
        chains: where lines are, and how far they were looked at.
        rules: that lines are asked.
        raise_all: takes alerts; one that it has taken before changes nothing.
        log: takes a sentence.
    """

    chains: Chains
    rules: LineRules
    raise_all: Callable[[Sequence[Alert]], object]
    log: Callable[[str], object]

    def run(self, now: datetime, seconds_left: Callable[[], float]) -> Looked:
        """Looks at every chain; what fails is looked at the next time, and takes nothing from others.

        Raises:
            MillraceError: the chains could not be listed.
        """
        looked, seen = Looked(), self._seen()
        # Those that were looked at longest ago first, so that none is always left.
        orgs = sorted(
            set(self.chains.chains()) - {PLATFORM}, key=lambda org: (seen.get(org, (0, ""))[1], org)
        )
        for place, org in enumerate(orgs):
            if seconds_left() <= 0:
                looked.left = len(orgs) - place
                break
            try:
                self._look(org, seen.get(org), now, looked, seconds_left)
            except MillraceError as error:
                looked.failed.append(org)
                self.log(f"{org}: {error}")
        return looked

    def _seen(self) -> dict[str, tuple[int, str]]:
        """Tenant → the number up to which it was looked at, and when."""
        rows = self.chains.metadata.query(
            "entityTypeKey = :key",
            {":key": {"S": _WATCHED}},
            consistent=True,
            doing="read how far the audit was looked at",
        )
        return {row["entityId"]["S"]: (int(row["number"]["N"]), row["at"]["S"]) for row in rows}

    def _look(
        self,
        org: str,
        seen: tuple[int, str] | None,
        now: datetime,
        looked: Looked,
        seconds_left: Callable[[], float],
    ) -> None:
        after = self._first(org, now) if seen is None else seen[0]
        while True:
            lines = list(islice(self.chains.lines(org, after), MOST_LINES))
            if lines:
                for alerts in rounds(found(self.rules, lines, self._context(org, lines[0]))):
                    self.raise_all(alerts)
                    looked.alerts += len(alerts)
                after = lines[-1].number
                looked.lines += len(lines)
            if lines or seen is None:
                self._keep(org, after, now)
                seen = after, ""
            if len(lines) < MOST_LINES:
                looked.chains += 1
                return
            if seconds_left() <= 0:
                return

    def _first(self, org: str, now: datetime) -> int:
        """The number behind which a chain is looked at for the first time."""
        since, last = clock.utc_text(now - FIRST_LOOK), 1
        for line in islice(self.chains.before(org), MOST_LINES):
            if line.at < since:
                return line.number
            last = line.number
        return last - 1

    def _context(self, org: str, first: Line) -> list[Line]:
        """Lines before the first one that correlations look back at, oldest first."""
        if not self.rules.patterns:
            return []
        since = clock.utc_text(clock.parse(first.at) - self.rules.reach)
        kept: list[Line] = []
        for line in islice(self.chains.before(org, first.number), MOST_LINES):
            if line.at < since:
                break
            kept.append(line)
        return kept[::-1]

    def _keep(self, org: str, number: int, now: datetime) -> None:
        row: Item = {
            "entityTypeKey": {"S": _WATCHED},
            "entityId": {"S": org},
            "number": {"N": str(number)},
            "at": {"S": clock.utc_text(now)},
        }
        # Of two runs at once the one that is further stands.
        self.chains.metadata.put(
            row,
            condition="attribute_not_exists(entityTypeKey) OR #number <= :number",
            names={"#number": "number"},
            values={":number": row["number"]},
            doing="keep how far the audit was looked at",
        )


def found(rules: LineRules, lines: Sequence[Line], context: Sequence[Line] = ()) -> list[Alert]:
    """The alerts that lines of one chain raise, in the order of the lines that close them. Pure.

    Args:
        rules: that are asked.
        lines: new ones, in order.
        context: lines right before them, which a correlation may begin with.
    """
    events = [audit_lines.event(line) for line in lines]
    new = {event.event_id for event in events}
    several = rules.joined([*map(audit_lines.event, context), *events])
    alerts = [*rules.matches(events), *(one for one in several if one.about[0] in new)]
    return sorted(alerts, key=lambda one: one.at)
