"""A story of events as people read it: one line for each, and below it what came from what. Pure."""

import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, timedelta
from typing import Any

from cli.output import counted, visible, wrapped
from millrace.alerts.alert import GRACE
from millrace.core import clock

# Later than that, an event raises no alert any more.
LATE_MS = GRACE // timedelta(milliseconds=1)
_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms"))
Item = Mapping[str, Any]


def lines(items: Sequence[Item], left_out: Mapping[str, Any], by: str, name: str) -> Iterator[str]:
    """The lines of a story of the events whose `by` is `name`."""
    if left_out.get("older"):
        yield "There are events before these; --to tells of them."
    for item in items:
        yield from _event(item)
    yield ""
    yield _total(items)
    if left_out.get("alerts"):
        yield "Without alerts: this key has no right to read them (alerts:read)."
    types = left_out.get("types", ())
    if types:
        yield from wrapped(f"Not found by {by}: {', '.join(types)}.", hang="  ")
    # Events of alerts have neither the user nor the session of what they were raised for.
    if by != "correlationId" and not any("alert" in one for one in _stories(items)):
        user = f" --user {shlex.quote(visible(name))}" if by == "userId" else ""
        yield f"A story by {by} has no alerts; they are listed by: millrace alerts list{user}"
    raised = [alert for alert in _alerts(items) if alert["state"] == "raised"]
    if raised:
        yield f"To acknowledge an alert: millrace alerts ack {visible(raised[0]['alertId'])}"


def span(millis: int) -> str:
    """A time in its two largest units: `1h 20m`, `3s 40ms`."""
    left, parts = abs(millis), list[str]()
    for size, unit in _UNITS:
        if left >= size and len(parts) < 2:
            parts.append(f"{left // size}{unit}")
            left %= size
    return " ".join(parts) or "0ms"


def _event(item: Item) -> Iterator[str]:
    story = item["story"]
    at = clock.parse(item["timestamp"]).astimezone(UTC)
    since = story["sincePreviousMs"]
    gap = "" if since is None else f"+{span(since)}"
    yield f"{at:%m-%d %H:%M:%S}  {gap:>10}  {visible(item['eventType'])}  {visible(item['eventId'])}"
    for line in _said(story, derived="derivedFrom" in item["platform"]):
        yield f"{'':28}{line}"


def _said(story: Item, *, derived: bool) -> Iterator[str]:
    cause = story["cause"]
    if cause is not None:
        yield _cause(cause)
    if not derived and story["lateMs"] > LATE_MS:
        yield f"accepted {span(story['lateMs'])} late"
    if not derived and story["lateMs"] < 0:
        yield f"its clock is ahead by {span(story['lateMs'])}"
    if "decision" in story:
        decision = story["decision"]
        yield (
            f"decision {decision['riskClass']}, score {decision['score']}" if decision else "no decision yet"
        )
    if story.get("alert"):
        alert = story["alert"]
        muted = f", muted until {alert['mutedUntil']}" if alert["mutedUntil"] else ""
        said = f"{alert['severity']}, state {alert['state']}{muted}"
        yield visible(f"alert {alert['alertId']} ({said}): {alert['title']}")
    for awaited in story.get("awaits", ()):
        types = " or ".join(awaited["eventTypes"]) or "any event"
        yield f"awaits {types} until {awaited['until']}, else an alert after {awaited['due']} ({awaited['pattern']})"


def _cause(cause: Item) -> str:
    name = visible(cause["eventId"])
    if cause["eventType"] is None:
        return f"from {name}, which has gone"
    elapsed = cause["elapsedMs"]
    when = f"{span(elapsed)} before" if elapsed >= 0 else f"{span(elapsed)} LATER: clocks disagree"
    return f"from {visible(cause['eventType'])} {name}, {when}"


def _total(items: Sequence[Item]) -> str:
    if not items:
        return "There are no such events."
    first, last = (clock.parse(items[at]["timestamp"]) for at in (0, -1))
    within = (last - first) // timedelta(milliseconds=1)
    parts = [f"{counted(len(items), 'event')} in {span(within)}"]
    sent = [one["story"] for one in items if "derivedFrom" not in one["platform"]]
    late = sum(one["lateMs"] > LATE_MS for one in sent)
    parts += [f"{late:,} late"] if late else []
    decided = [one["decision"] for one in sent if "decision" in one]
    parts += [counted(len(decided), "decision") + _pending(decided)] if decided else []
    states = Counter(one["state"] for one in _alerts(items))
    if states:
        by_state = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        parts.append(f"{counted(states.total(), 'alert')} ({by_state})")
    awaited = sum(len(one.get("awaits", ())) for one in sent)
    parts += [f"{awaited} awaited"] if awaited else []
    return ", ".join(parts) + "."


def _stories(items: Sequence[Item]) -> Iterator[Item]:
    return (one["story"] for one in items)


def _alerts(items: Sequence[Item]) -> Sequence[Item]:
    """Each alert once."""
    return [*{one["alert"]["alertId"]: one["alert"] for one in _stories(items) if one.get("alert")}.values()]


def _pending(decided: Sequence[Item | None]) -> str:
    missing = decided.count(None)
    return f" ({missing} missing)" if missing else ""
