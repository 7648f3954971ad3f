"""What a pattern would have told of past events, each taken as if it had come when it happened. Pure."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from millrace.alerts.alert import GRACE, Alert
from millrace.contracts.contract import Contract
from millrace.core import clock
from millrace.core.identity import identity_text
from millrace.eventstore.row import StoredEvent
from millrace.patterns import alerting
from millrace.patterns.definition import ABSENCE, Pattern
from millrace.patterns.judge import Fact, Match, matches
from millrace.patterns.reading import Reader

# Tenant and key.
_Key = tuple[str, str]


@dataclass(slots=True)
class _Past:
    """The events of a key, by id: those that are steps, and those that must not fail to come."""

    steps: dict[tuple[int, str], Fact]
    missing: dict[str, Fact]


def simulate(
    pattern: Pattern, events: Iterable[StoredEvent], contract_of: Callable[[str], Contract], until: datetime
) -> list[dict[str, Any]]:
    """The alerts, in order of time.

    Args:
        pattern: the pattern.
        events: of the past, in any order; the same event twice is one.
        contract_of: of `platform.contract`.
        until: the end of the past; what would be told later is not.
    """
    reader, past = Reader([pattern], contract_of), dict[_Key, _Past]()
    for event in events:
        for hit in reader.hits(event):
            of_key = past.setdefault((event.org, hit.key), _Past({}, {}))
            if hit.missing:
                of_key.missing[hit.fact.event_id] = hit.fact
            else:
                of_key.steps[hit.fact.step, hit.fact.event_id] = hit.fact
    found = [alert for (org, key), of_key in past.items() for alert in _of_key(pattern, org, key, of_key)]
    told = sorted(
        (alert for alert in found if alert.at <= until), key=lambda alert: (alert.at, alert.alert_id)
    )
    return [_public(alert) for alert in _apart(told)]


def _of_key(pattern: Pattern, org: str, key: str, past: _Past) -> Iterator[Alert]:
    for match in matches(pattern, [*past.steps.values()]):
        closing = match.closing
        if pattern.kind != ABSENCE:
            yield alerting.of_match(org, pattern, key, _told_at_once(match), None)
        elif not _came(pattern, closing, past):
            due = clock.from_epoch_micros(closing.micros) + pattern.within + GRACE
            yield alerting.of_absence(org, pattern, key, closing.event_id, closing.micros, due, None)


def _came(pattern: Pattern, closing: Fact, past: _Past) -> bool:
    end = closing.micros + pattern.within // timedelta(microseconds=1)
    return any(one.place > closing.place and one.micros <= end for one in past.missing.values())


def _told_at_once(match: Match) -> Match:
    """The same as if each event had been received when it happened."""
    return Match(
        tuple(Fact(one.micros, one.event_id, one.step, one.micros, one.values) for one in match.facts)
    )


def _apart(alerts: Iterable[Alert]) -> Iterator[Alert]:
    """Those that are told: one stands for others of its subject while it is quiet."""
    quiet: dict[_Key, datetime] = {}
    for alert in alerts:
        place = alert.org, alert.subject
        if place not in quiet or alert.at > quiet[place]:
            quiet[place] = alert.at + (alert.quiet or timedelta())
            yield alert


def _public(alert: Alert) -> dict[str, Any]:
    return {
        "alertId": alert.alert_id,
        "at": clock.utc_text(alert.at),
        "subject": alert.subject,
        "severity": alert.severity,
        "title": alert.title,
        "message": alert.message,
        "closingEventId": identity_text(alert.about[0]),
    }
