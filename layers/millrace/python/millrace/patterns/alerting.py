"""The alerts of patterns: what they say, and when one is over. Pure."""

from datetime import datetime, timedelta

from millrace.alerts.alert import Alert
from millrace.core import clock
from millrace.eventstore.row import StoredEvent
from millrace.patterns.definition import COUNT, KIND, Pattern
from millrace.patterns.judge import Match

_UNITS = ((86_400, "day"), (3600, "hour"), (60, "minute"))


def of_match(org: str, pattern: Pattern, key: str, match: Match, cause: StoredEvent | None) -> Alert:
    """The alert of a match; its id follows from the pattern, the key and the closing event."""
    closing = match.closing
    first = min(fact.micros for fact in match.facts)
    count = pattern.steps[0].count if pattern.kind == COUNT else None
    return _alert(
        org,
        pattern,
        key,
        closing.event_id,
        at=clock.from_epoch_micros(closing.received),
        message=f"{_said(pattern)} of {pattern.subject(key)}, within {span(pattern.within)}.",
        window=(clock.from_epoch_micros(first), clock.from_epoch_micros(closing.micros)),
        expected=None if count is None else count - 1,
        observed=count,
        cause=cause,
    )


def of_absence(
    org: str, pattern: Pattern, key: str, event_id: str, micros: int, due: datetime, cause: StoredEvent | None
) -> Alert:
    """The alert of an event that did not come after the one with this id."""
    missing = pattern.missing
    name = ", ".join(missing.events) if missing is not None and missing.events else "other event"
    since = clock.from_epoch_micros(micros)
    return _alert(
        org,
        pattern,
        key,
        event_id,
        at=due,
        message=f"No {name} within {span(pattern.within)} after {_said(pattern)} of {pattern.subject(key)}.",
        window=(since, since + pattern.within),
        expected=1,
        observed=0,
        cause=cause,
    )


def span(time: timedelta) -> str:
    """`30 minutes`."""
    seconds = int(time.total_seconds())
    unit, name = next(one for one in _UNITS if seconds % one[0] == 0)
    count = seconds // unit
    return f"{count} {name}{'' if count == 1 else 's'}"


def _said(pattern: Pattern) -> str:
    parts = [
        (f"{step.count} " if step.count > 1 else "")
        + ", ".join(step.events)
        + (f" with different {step.distinct}" if step.distinct else "")
        for step in pattern.steps
    ]
    return (", then " if pattern.kind != "all" else " and ").join(parts)


def _alert(
    org: str,
    pattern: Pattern,
    key: str,
    event_id: str,
    *,
    at: datetime,
    message: str,
    window: tuple[datetime, datetime],
    expected: float | None,
    observed: float | None,
    cause: StoredEvent | None,
) -> Alert:
    return Alert(
        org=org,
        kind=KIND,
        rule=pattern.name,
        subject=pattern.subject(key),
        about=(event_id,),
        severity=pattern.severity,
        title=pattern.title,
        owner=pattern.owner,
        at=at,
        quiet=pattern.quiet,
        message=message,
        expected=expected,
        observed=observed,
        window=window,
        cause=cause,
    )
