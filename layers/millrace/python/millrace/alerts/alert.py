"""An alert before it is raised, and the names that its life has. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from millrace.core import clock
from millrace.eventstore import derived_ids
from millrace.eventstore.row import StoredEvent

SOURCE = "millrace.alerts"
RAISED, ACKNOWLEDGED, ENDED = "alert.raised", "alert.acknowledged", "alert.ended"
TYPES = frozenset({RAISED, ACKNOWLEDGED, ENDED})
SEVERITIES = ("info", "warning", "critical")
# What came so long after it had happened is past: a replay or an import, of which nobody is told. Nobody is told either, before
# that, that an event is missing.
GRACE = timedelta(minutes=2)
# Metric: what was found, and not told because it is past.
PASSED_OVER = "MatchesPassedOver"
# The kind of the alert that stands for those that were held back.
STORM = "storm"


def is_past(happened_at: datetime, received_at: datetime) -> bool:
    """Whether an event came too late for somebody to be told of what it closes."""
    return received_at - happened_at > GRACE


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    """What a pattern, an anomaly or a rule has found.

    Attributes:
        org: the tenant.
        kind: what found it: `pattern`, `anomaly`, `sigma`, `pacing`, ….
        rule: which of these, by its name.
        subject: what it is about, such as `order:ord_17`. There is one open alert of a rule and a subject at a time.
        about: what makes it this alert of the subject and no other, such as the id of the closing event.
        severity: one of `SEVERITIES`.
        title: one line.
        owner: who looks after it.
        at: when it was found. The same each time that it is found again, from the same events.
        message: a sentence with what was found.
        quiet: how long from then on others of the rule and the subject are the same to whoever is told; None: until it ends.
        expected: what there should have been; of a bound, the most that is in order.
        observed: what there was.
        score: how far these are from each other.
        window: the moments that it was found between.
        cause: the event that it follows from, which lends it user, session and correlation.
    """

    org: str
    kind: str
    rule: str
    subject: str
    about: tuple[str, ...]
    severity: str
    title: str
    owner: str
    at: datetime
    message: str = ""
    quiet: timedelta | None = None
    expected: float | None = None
    observed: float | None = None
    score: float | None = None
    window: tuple[datetime, datetime] | None = None
    cause: StoredEvent | None = None

    @property
    def alert_id(self) -> str:
        """The same, whenever it is found."""
        return derived_ids.event_id("alert", self.org, self.kind, self.rule, self.subject, *self.about)

    def payload(self, *, muted: bool) -> dict[str, Any]:
        """Of `alert.raised`."""
        start, end = self.window or (None, None)
        optional = {
            "message": self.message[:4000],
            "expected": self.expected,
            "observed": self.observed,
            "score": self.score,
            "windowStart": clock.utc_text(start) if start else None,
            "windowEnd": clock.utc_text(end) if end else None,
        }
        return {
            "alertId": self.alert_id,
            "kind": self.kind,
            "severity": self.severity,
            "title": self.title[:300],
            "ruleId": self.rule,
            "subject": self.subject[:1024],
            "owner": self.owner,
            "muted": muted,
            **{name: value for name, value in optional.items() if value not in (None, "")},
        }
